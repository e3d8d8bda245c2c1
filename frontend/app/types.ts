// The gateway's answers, as its contract names them. Every shape may grow; what is unknown is null.
// Endpoints a gateway does not have yet answer 404: then the slice stays absent.

export type Num = number | null;

export interface Stamp {
  redis_up?: boolean;
  data_age_ms?: Num;
  instrument?: string;
  simulated?: boolean;
}

export interface Progress {
  current: Num;
  total: Num;
  percentage: Num;
  estimated_seconds_remaining: Num;
}

export interface Health extends Stamp {
  status: string;
  session: string | null;
  session_message: string | null;
  is_trading_active: boolean;
  trading_enabled: boolean;
  trading_blocked_by?: string[];
  backfill_complete: boolean;
  backfill_status: string;
  backfill_progress: Progress;
  metrics_precision: string | null;
  nowUtc?: string | null;
  uptime_ms?: Num;
}

export interface StreamHealth {
  connected: boolean | null;
  last_ts: string | null;
  events_received: Num;
  reconnect_attempts: Num;
  silent?: boolean | null;
  deadline_ms?: Num;
  gaps?: Num;
  duplicates?: Num;
  refused?: Num;
  queue_size?: Num;
  last_update_id?: Num;
  state?: string | null;
}

export interface FeedHealth extends Stamp {
  trades?: StreamHealth;
  depth?: StreamHealth;
  connector?: StreamHealth;
}

export interface BackfillStatus extends Stamp {
  status: string;
  running: boolean;
  complete: boolean;
  progress: Progress;
  cache_status: string;
  trades_loaded: Num;
  completion_time_ms: Num;
  historical_range: { start: string | null; end: string | null };
  breaker?: { state: string; cooldown_until: string | null; throttle: Num };
  error?: string | null;
}

export interface Price extends Stamp {
  price: Num;
  ts: string | null;
  symbol: string;
}

export interface Band {
  k: number;
  upper: Num;
  lower: Num;
}

export interface Levels extends Stamp {
  OR: { hi: Num; lo: Num; startTs: string | null; endTs: string | null; complete?: boolean };
  VWAP: Num;
  POCd: Num;
  POC?: Num;
  VAH: Num;
  VAL: Num;
  PDH: Num;
  PDL: Num;
  VAHprev: Num;
  VALprev: Num;
  POCprev: Num;
  VWAPprev: Num;
  bands?: Band[];
  coverage?: { today: Num; prev: Num; or: Num };
  day?: string | null;
  prev_day?: string | null;
}

export interface ProfileRow {
  price: number;
  volume: number;
  buy_vol: number;
  sell_vol: number;
}

export interface Context extends Stamp {
  session: { state: string | null; nowUtc: string | null };
  session_info?: {
    state: string | null;
    is_active: boolean | null;
    time_to_change_seconds: Num;
    next_change: string | null;
    next_session: string | null;
  };
  levels: Levels;
  stats: {
    rangeToday: Num;
    cd_pre: Num;
    high?: Num;
    low?: Num;
    buy_volume?: Num;
    sell_volume?: Num;
    trades?: Num;
  };
  price: { price: Num; ts: string | null };
  cumulative_delta: Num;
  coverage?: { today: Num; prev: Num; missing_ms_today?: Num; holes_today?: Num };
  volume_profile?: ProfileRow[];
  profile_bin?: Num;
}

export interface FootprintRow extends ProfileRow {
  rank: number;
}

export interface StrategyMetrics extends Stamp {
  metrics: {
    vwap: Num;
    poc: Num;
    delta: Num;
    buy_volume: Num;
    sell_volume: Num;
    footprint: FootprintRow[];
    trade_count: Num;
    warning?: string;
  } | null;
  metadata?: { last_update: string | null; trade_count: Num; buffer_size: Num; cumulative_volume: Num };
  backfill_complete?: boolean;
  metrics_precision?: string | null;
}

export interface FlowMetrics extends Stamp {
  trades_per_second: Num;
  depth_updates_per_second: Num;
  trade_queue_size: Num;
  latency_ms?: Record<string, Num>;
  events_received: Num;
  last_trade_ts: string | null;
}

export interface CandleCell {
  price: number;
  buy_vol: number;
  sell_vol: number;
  imbalance?: string | null;
}

export interface Candle {
  timestamp: string;
  timestamp_ms?: number;
  open: Num;
  high: Num;
  low: Num;
  close: Num;
  volume: Num;
  timeframe: string;
  trades: Num;
  buy_volume: Num;
  sell_volume: Num;
  delta: Num;
  vwap: Num;
  poc: Num;
  min_delta?: Num;
  max_delta?: Num;
  complete: boolean;
  coverage: Num;
  footprint?: CandleCell[];
  footprint_bin?: Num;
  imbalance_ratio?: Num;
  imbalance_min_qty?: Num;
}

export interface Candles extends Stamp {
  timeframe: string;
  count: number;
  candles: Candle[];
}

export interface Analysis {
  regime: string | null;
  confidence: Num;
  vwap?: Num;
  poc?: Num;
  cumulative_delta?: Num;
  volume_profile_strength?: Num;
  timestamp?: string | null;
}

export interface StrategyStatus extends Stamp {
  engine_state: { is_running: boolean; current_session: string | null; last_update: string | null };
  context_analysis: Analysis | null;
  scheduler_state: {
    current_session: string | null;
    current_time: string | null;
    is_active: boolean;
    time_to_change_seconds: Num;
    hours_remaining: Num;
    next_session: string | null;
  };
}

export type SpanState = "complete" | "repaired" | "partial" | "missing" | "lost";

export interface Span {
  from_ms: number;
  to_ms: number;
  state: SpanState;
  from_id?: Num;
  to_id?: Num;
  reason?: string | null;
  lost?: boolean;
}

export interface Coverage extends Stamp {
  day: string | null;
  coverage: {
    day: string;
    judged_from_ms: number;
    judged_to_ms: number;
    missing_ms: Num;
    holes: Num;
    fraction: Num;
    spans: Span[];
  } | null;
  repaired?: [number, number][];
}

export interface SymbolState {
  symbol: string;
  venue: string;
  name: string;
  default: boolean;
  simulated: boolean | null;
  has_data: boolean;
  tickSize: Num;
  stepSize: Num;
  feed?: { connected: boolean | null; silent: boolean | null };
}

export interface Symbols extends Stamp {
  symbols: SymbolState[];
}

export interface Trade {
  id: string | number;
  ts: string;
  ts_ms: number;
  price: number;
  qty: number;
  side: "buy" | "sell";
  block?: boolean;
}

export interface Trades extends Stamp {
  trades: Trade[];
}

export interface Book extends Stamp {
  state: string | null;
  bids: [number, number][];
  asks: [number, number][];
  spread: Num;
  imbalance: Num;
  update_id: Num;
  ts: string | null;
}

export interface Mark extends Stamp {
  mark: Num;
  index: Num;
  funding_rate: Num;
  next_funding: string | null;
  open_interest: Num;
  open_interest_value?: Num;
  ts: string | null;
}

export interface Liquidation {
  id: string;
  ts: string;
  ts_ms: number;
  price: number;
  qty: number;
  side: "buy" | "sell";
  liquidated: "long" | "short";
  price_kind: string;
}

export interface Liquidations extends Stamp {
  liquidations: Liquidation[];
}

export interface Cvd extends Stamp {
  cvd: Num;
  buy_volume: Num;
  sell_volume: Num;
  volume_delta: Num;
  trade_count?: Num;
  reset_time: string | null;
  seconds_since_reset: Num;
  anchor?: string | null;
  missing_ms?: Num;
  reset_wants_token?: boolean;
}

export interface CvdPoint {
  timestamp: string;
  timestamp_ms: number;
  open: number;
  cvd: number;
  buy_volume: number;
  sell_volume: number;
  volume_delta: number;
  trade_count: number;
}

export interface CvdHistory extends Stamp {
  history: CvdPoint[];
  reset_time: string | null;
  complete?: boolean;
}

export interface DeltaWindow {
  period: number;
  buy_volume: Num;
  sell_volume: Num;
  volume_delta: Num;
  trade_count: Num;
  timestamp: string | null;
  timestamp_ms?: Num;
  missing_ms?: Num;
}

export interface VolumeDelta extends Stamp {
  periods: DeltaWindow[];
  timestamp: string | null;
}

export interface Cluster {
  price_level: number;
  buy_liquidations: Num;
  sell_liquidations: Num;
  total_liquidations: Num;
  ratio: Num;
}

export interface Clusters extends Stamp {
  clusters: Cluster[];
  nearest_support: Num | Cluster;
  nearest_resistance: Num | Cluster;
  lower_bound?: boolean;
  timestamp: string | null;
}

export interface MarketEvent {
  id: string;
  type: string;
  ts: string;
  ts_ms: number;
  data: Record<string, unknown>;
}

export interface Events extends Stamp {
  events: MarketEvent[];
}

// What a slice of the store holds: the answer's type by the slice's name.
export interface Slices {
  health: Health;
  ready: Health;
  feed: FeedHealth;
  backfill: BackfillStatus;
  price: Price;
  levels: Levels;
  context: Context;
  profile: { bin: Num; rows: ProfileRow[] };
  metrics: FlowMetrics;
  strategy: StrategyStatus;
  footprint: StrategyMetrics;
  candles1m: Candles;
  candles5m: Candles;
  coverage: Coverage;
  symbols: Symbols;
  trades: Trades;
  book: Book;
  mark: Mark;
  liquidations: Liquidations;
  clusters: Clusters;
  cvd: Cvd;
  cvdHistory: CvdHistory;
  delta: VolumeDelta;
  events: Events;
}

export type SliceName = keyof Slices;

// The first data, fetched on the server so that the page arrives with numbers in it.
export type InitialData = Partial<{ [K in SliceName]: Slices[K] }>;
