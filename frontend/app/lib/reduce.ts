// Pushed messages into slices. Pure: the message and what is held go in, what to hold comes out.

import { mergePoints } from "./cvd";
import type {
  Candle,
  Candles,
  Context,
  CvdHistory,
  Events,
  FlowMetrics,
  Liquidations,
  MarketEvent,
  ProfileRow,
  SliceName,
  Slices,
  StrategyMetrics,
  StrategyStatus,
  Trades,
} from "../types";

export interface PushMessage {
  ch: string;
  symbol: string;
  seq: number;
  prev: number;
  epoch: string;
  type: "snapshot" | "update" | "gap";
  data: Record<string, unknown>;
}

export const CHANNELS = [
  "price",
  "context",
  "profile",
  "metrics",
  "footprint",
  "strategy",
  "candles:1m",
  "candles:5m",
  "trades",
  "book",
  "mark",
  "liquidations",
  "events",
  "coverage",
  "health",
  "feed",
  "cvd",
  "cvd:history",
  "volume-delta",
] as const;

const KEEP = { trades: 500, events: 200, liquidations: 200, candles: 1500 };

function isObject(v: unknown): v is Record<string, unknown> {
  return typeof v === "object" && v !== null && !Array.isArray(v);
}

// Null: not a message of the contract.
export function parseMessage(text: string): PushMessage | { type: "error"; error: string } | null {
  let v: unknown;
  try {
    v = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isObject(v)) {
    return null;
  }
  if (v.type === "error") {
    return { type: "error", error: typeof v.error === "string" ? v.error : "unknown" };
  }
  if (typeof v.ch !== "string" || typeof v.symbol !== "string" || typeof v.type !== "string") {
    return null;
  }
  if (v.type !== "snapshot" && v.type !== "update" && v.type !== "gap") {
    return null;
  }
  return {
    ch: v.ch,
    symbol: v.symbol,
    seq: typeof v.seq === "number" ? v.seq : 0,
    prev: typeof v.prev === "number" ? v.prev : 0,
    epoch: typeof v.epoch === "string" ? v.epoch : "",
    type: v.type,
    data: isObject(v.data) ? v.data : {},
  };
}

export function candleStart(c: Candle): number {
  return c.timestamp_ms ?? Date.parse(c.timestamp);
}

// Changed candles into the ordered list, oldest first.
export function mergeCandles(held: Candles | null, changed: Candles): Candles {
  if (held === null) {
    return changed;
  }
  // Nearly always the newest one, or the one behind it: its place is looked for from the end.
  const candles = held.candles.slice();
  for (const c of changed.candles) {
    const start = candleStart(c);
    let at = candles.length;
    while (at > 0 && candleStart(candles[at - 1] as Candle) > start) {
      at--;
    }
    const isThere = at > 0 && candleStart(candles[at - 1] as Candle) === start;
    candles.splice(isThere ? at - 1 : at, isThere ? 1 : 0, c);
  }
  candles.splice(0, candles.length - KEEP.candles);
  return { ...held, ...changed, candles, count: candles.length };
}

// Changed bins into the profile, by price ascending; a bin with volume 0 is gone.
export function mergeProfile(held: readonly ProfileRow[], changed: readonly ProfileRow[]): ProfileRow[] {
  const byPrice = new Map<number, ProfileRow>();
  for (const row of held) {
    byPrice.set(row.price, row);
  }
  for (const row of changed) {
    if (row.volume > 0) {
      byPrice.set(row.price, row);
    } else {
      byPrice.delete(row.price);
    }
  }
  return [...byPrice.values()].sort((a, b) => a.price - b.price);
}

// Newest first, each id once.
export function mergeTape<T extends { id: string | number; ts_ms: number }>(
  held: readonly T[],
  fresh: readonly T[],
  keep: number,
): T[] {
  const ids = new Set<string | number>();
  const out: T[] = [];
  for (const item of [...fresh, ...held].sort((a, b) => b.ts_ms - a.ts_ms)) {
    if (!ids.has(item.id)) {
      ids.add(item.id);
      out.push(item);
    }
    if (out.length === keep) {
      break;
    }
  }
  return out;
}

// Newest told first: an event about an old candle is news all the same.
export function mergeEvents(held: readonly MarketEvent[], fresh: readonly MarketEvent[]): MarketEvent[] {
  const byId = new Map<string, MarketEvent>();
  for (const e of [...held, ...fresh]) {
    byId.set(e.id, e);
  }
  const place = (id: string): [number, number] => {
    const [ms = "0", n = "0"] = id.split("-");
    return [Number(ms), Number(n)];
  };
  return [...byId.values()]
    .map((e) => ({ e, at: place(e.id) }))
    .sort((a, b) => b.at[0] - a.at[0] || b.at[1] - a.at[1])
    .slice(0, KEEP.events)
    .map((x) => x.e);
}

type Held = <K extends SliceName>(name: K) => Slices[K] | null;
export type Change = { [K in SliceName]: { slice: K; data: Slices[K] } }[SliceName];

function list<T>(v: unknown): T[] {
  return Array.isArray(v) ? (v as T[]) : [];
}

// What a message changes. An empty list: nothing we show.
export function reduce(m: PushMessage, held: Held): Change[] {
  if (m.type === "gap") {
    return [];
  }
  const whole = m.type === "snapshot";
  switch (m.ch) {
    case "price":
      return [{ slice: "price", data: m.data as unknown as Slices["price"] }];
    case "context":
      return [{ slice: "context", data: m.data as unknown as Context }];
    case "profile": {
      const rows = list<ProfileRow>(m.data.volume_profile);
      const bin = m.data.profile_bin;
      const before = held("profile");
      const same = before !== null && before.bin === bin;
      return [
        {
          slice: "profile",
          data: {
            bin: typeof bin === "number" ? bin : null,
            rows: mergeProfile(whole || !same ? [] : before.rows, rows),
          },
        },
      ];
    }
    case "metrics":
      return [{ slice: "metrics", data: m.data as unknown as FlowMetrics }];
    case "footprint":
      return [{ slice: "footprint", data: m.data as unknown as StrategyMetrics }];
    case "coverage":
      return [{ slice: "coverage", data: m.data as unknown as Slices["coverage"] }];
    case "feed":
      return [{ slice: "feed", data: m.data as unknown as Slices["feed"] }];
    case "strategy":
      return [{ slice: "strategy", data: m.data as unknown as StrategyStatus }];
    case "candles:1m":
    case "candles:5m": {
      const slice = m.ch === "candles:1m" ? "candles1m" : "candles5m";
      const fresh = m.data as unknown as Candles;
      // A snapshot brings the newest candles; older ones held of the same instrument stay good.
      const before = held(slice);
      return [{ slice, data: mergeCandles(before, { ...fresh, timeframe: m.ch.slice(8) }) }];
    }
    case "trades": {
      const fresh = m.data as unknown as Trades;
      const before = whole ? [] : (held("trades")?.trades ?? []);
      return [
        {
          slice: "trades",
          data: { ...fresh, trades: mergeTape(before, list(fresh.trades), KEEP.trades) },
        },
      ];
    }
    case "liquidations": {
      const fresh = m.data as unknown as Liquidations;
      const before = whole ? [] : (held("liquidations")?.liquidations ?? []);
      const liquidations = mergeTape(before, list(fresh.liquidations), KEEP.liquidations);
      return [{ slice: "liquidations", data: { ...fresh, liquidations } }];
    }
    case "events": {
      const fresh = m.data as unknown as Events;
      const before = whole ? [] : (held("events")?.events ?? []);
      return [
        {
          slice: "events",
          data: { ...fresh, events: mergeEvents(before, list(fresh.events)) },
        },
      ];
    }
    case "book":
      return [{ slice: "book", data: m.data as unknown as Slices["book"] }];
    case "mark":
      return [{ slice: "mark", data: m.data as unknown as Slices["mark"] }];
    case "cvd":
      return [{ slice: "cvd", data: m.data as unknown as Slices["cvd"] }];
    case "cvd:history": {
      const fresh = m.data as unknown as CvdHistory;
      const before = whole ? [] : (held("cvdHistory")?.history ?? []);
      return [{ slice: "cvdHistory", data: { ...fresh, history: mergePoints(before, list(fresh.history)) } }];
    }
    case "volume-delta":
      return [{ slice: "delta", data: m.data as unknown as Slices["delta"] }];
    case "health":
      return [{ slice: "health", data: m.data as unknown as Slices["health"] }];
    default:
      return [];
  }
}
