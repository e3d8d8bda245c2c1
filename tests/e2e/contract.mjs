// A dashboard of somebody else: it knows the documented REST names alone, polls, and must find every
// field of them, with a number, a text or null in it, as documented.

const nullable = (check) => (v) => v === null || check(v);
const num = nullable((v) => typeof v === 'number' && Number.isFinite(v));
const text = nullable((v) => typeof v === 'string');
const yes = (v) => typeof v === 'boolean';
const time = nullable((v) => typeof v === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/.test(v));
const any = () => true;
const one = (...of) => (v) => of.includes(v);
const list = (shape) => (v) => Array.isArray(v) && v.length > 0 && v.every((x) => fits(x, shape, '').length === 0);

// What of the shape is not there, or is something else.
function fits(v, shape, at) {
    if (typeof shape === 'function') {
        return shape(v) ? [] : [`${at} is ${JSON.stringify(v)?.slice(0, 200)}`];
    }
    if (typeof v !== 'object' || v === null) {
        return [`${at} is ${JSON.stringify(v)}`];
    }
    return Object.entries(shape).flatMap(([k, s]) =>
        k in v ? fits(v[k], s, `${at}.${k}`) : [`${at}.${k} is missing`],
    );
}

const progress = { current: num, total: num, percentage: num, estimated_seconds_remaining: num };
const health = {
    status: text, session: text, session_message: text, is_trading_active: yes, trading_enabled: yes,
    backfill_complete: yes, backfill_status: text, backfill_progress: progress, metrics_precision: text,
};
const levels = {
    OR: { hi: num, lo: num, startTs: time, endTs: time }, VWAP: num, POCd: num, POC: num, VAH: num, VAL: num, PDH: num,
    PDL: num, VAHprev: num, VALprev: num, POCprev: num, VWAPprev: num, bands: any,
    coverage: { today: num, prev: num, or: num },
};
const candle = {
    timestamp: time, open: num, high: num, low: num, close: num, volume: num, timeframe: one('1m'), trades: num,
    buy_volume: num, sell_volume: num, delta: num, vwap: num, poc: num, complete: yes, coverage: num,
};
const clock = { start: time, end: time, duration_minutes: num };

const SHAPES = {
    '/health': health,
    '/ready': health,
    '/ws/health': { trades: { connected: yes, last_ts: time, events_received: num, reconnect_attempts: num }, depth: { connected: yes, last_ts: time, last_update_id: num } },
    '/backfill/status': {
        status: one('idle', 'in_progress', 'complete', 'error', 'cancelled', 'skipped', 'disabled'), running: yes,
        complete: yes, progress, cache_status: one('HIT', 'MISS', 'UNKNOWN'), trades_loaded: num,
        completion_time_ms: num, historical_range: { start: time, end: time },
        breaker: { state: text, cooldown_until: time, throttle: num },
    },
    '/context': {
        session: { state: one('off', 'london', 'overlap'), nowUtc: time }, levels, stats: { rangeToday: num, cd_pre: num },
        price: any, volume_profile: list({ price: num, volume: num, buy_vol: num, sell_vol: num }),
        cumulative_delta: num, session_info: any, coverage: any,
    },
    '/context?vwap_mode=quote': { levels },
    '/levels': levels,
    '/price': { price: num, ts: time, symbol: text },
    '/metrics': {
        trades: { per_minute_count: num, per_second_rate: num, queue_size: num }, depth: any, trades_per_second: num,
        depth_updates_per_second: num, trade_queue_size: num, depth_queue_size: num, queue_sizes: any, latency_ms: any,
        events_received: num, last_trade_ts: time,
    },
    '/strategy/status': {
        engine_state: { is_running: yes, current_session: text, active_timeframes: list(text), last_update: time, candle_buffers: { '1m': list(candle), '5m': any } },
        context_analysis: any,
        scheduler_state: {
            current_session: text, current_time: time, is_active: yes, time_to_change_seconds: num, hours_remaining: num,
            next_session: text, london_window: clock, overlap_window: clock,
        },
    },
    '/strategy/candles?timeframe=1m&count=100': { timeframe: one('1m'), count: num, candles: list(candle) },
    '/strategy/metrics': {
        metrics: { vwap: num, poc: num, delta: num, buy_volume: num, sell_volume: num, footprint: list({ price: num, volume: num, buy_vol: num, sell_vol: num, rank: num }), trade_count: num },
        metadata: { last_update: time, trade_count: num, buffer_size: num, cumulative_volume: num },
        backfill_complete: yes, metrics_precision: text,
    },
    '/symbols': { symbols: any },
    '/coverage': any,
    '/trades?limit=50': { trades: any },
    '/liquidations/clusters': { clusters: any, nearest_support: any, nearest_resistance: any, timestamp: time },
};

export async function contract(base, instrument) {
    const wrong = [];
    for (const [path, shape] of Object.entries(SHAPES)) {
        const own = path.startsWith('/symbols') ? path : `${path}${path.includes('?') ? '&' : '?'}symbol=${instrument}`;
        const reply = await fetch(base + own);
        const body = reply.ok || reply.status === 503 ? await reply.json() : null;
        wrong.push(...(body === null ? [`${own}: ${reply.status}`] : fits(body, shape, path)));
    }
    const candles = (await (await fetch(`${base}/strategy/candles?timeframe=1m&count=100`)).json()).candles;
    if (candles.some((c, i) => i > 0 && Date.parse(c.timestamp) <= Date.parse(candles[i - 1].timestamp))) {
        wrong.push('candles are not oldest first');
    }
    const refused = await fetch(`${base}/strategy/candles?timeframe=7m`);
    if (refused.status !== 400 || typeof (await refused.json()).error !== 'string') {
        wrong.push(`timeframe=7m: ${refused.status}`);
    }
    if (wrong.length > 0) {
        throw new Error(wrong.join('\n'));
    }
}
