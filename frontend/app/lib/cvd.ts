// The served CVD as a line under candles.

import type { Candle, CvdHistory, CvdPoint } from "../types";
import { parseTime } from "./format";
import { runningDelta } from "./market";

const MINUTE_MS = 60_000;

// Changed points put into what is held, in order of time.
export function mergePoints(held: readonly CvdPoint[], fresh: readonly CvdPoint[]): CvdPoint[] {
  const last = held.at(-1);
  const first = fresh[0];
  if (last === undefined || first === undefined || first.timestamp_ms > last.timestamp_ms) {
    return [...held, ...fresh];
  }
  const byTime = new Map(held.map((p) => [p.timestamp_ms, p]));
  for (const p of fresh) {
    byTime.set(p.timestamp_ms, p);
  }
  return [...byTime.values()].sort((a, b) => a.timestamp_ms - b.timestamp_ms);
}

export interface DeltaBar {
  start: number;
  delta: number;
  cvd: number | null; // at its end; null: before the anchor, or not known
}

// One bar per candle. The line is the gateway's: the last minute of each candle that has a point,
// nothing before the anchor, and on through candles without trades of their own. A gateway that
// serves none gets a line summed up from its candles, anchored at the day.
export function deltaBars(
  candles: readonly { start: number; candle: Candle }[],
  candleMs: number,
  history: CvdHistory | null,
  cumulative: number | null,
): DeltaBar[] {
  if (history === null) {
    return runningDelta(
      candles.map((c) => c.candle),
      cumulative,
    );
  }
  const anchor = parseTime(history.reset_time);
  const from = anchor === null ? 0 : anchor - (anchor % MINUTE_MS);
  const points = history.history.filter((p) => p.timestamp_ms >= from);
  let i = 0;
  let value: number | null = null;
  return candles.map(({ start, candle }) => {
    for (let p = points[i]; p !== undefined && p.timestamp_ms < start + candleMs; p = points[++i]) {
      value = p.cvd;
    }
    return { start, delta: candle.delta ?? 0, cvd: value };
  });
}
