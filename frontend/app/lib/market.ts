// What is computed in the browser from the gateway's numbers: nothing that the gateway could have
// told, only sums and groupings for the eye.

import type { Candle, CandleCell, Levels, Span } from "../types";
import { candleStart } from "./reduce";

const DAY_MS = 86_400_000;

export interface DeltaPoint {
  start: number;
  delta: number;
  cvd: number;
}

// Running delta over the candles of each UTC day. The current day is anchored so that its end is
// the gateway's cumulative delta: the candles held may begin after midnight.
export function runningDelta(candles: readonly Candle[], cumulative: number | null): DeltaPoint[] {
  const out: DeltaPoint[] = [];
  let day = -1;
  let sum = 0;
  for (const c of candles) {
    const start = candleStart(c);
    const its = Math.floor(start / DAY_MS);
    if (its !== day) {
      day = its;
      sum = 0;
    }
    const delta = c.delta ?? 0;
    sum += delta;
    out.push({ start, delta, cvd: sum });
  }
  if (cumulative !== null) {
    const shift = cumulative - sum;
    for (const p of out) {
      if (Math.floor(p.start / DAY_MS) === day) {
        p.cvd += shift;
      }
    }
  }
  return out;
}

export interface LevelRow {
  key: string;
  label: string;
  price: number | null;
  group: "vwap" | "profile" | "range" | "previous";
  complete: boolean; // false: the numbers behind it have holes, shown grey
}

export function levelRows(l: Levels): LevelRow[] {
  const prev = l.coverage?.prev ?? null;
  const today = l.coverage?.today ?? null;
  const isPrevComplete = prev !== null && prev >= 1;
  const isTodayComplete = today !== null && today >= 1;
  const orComplete = l.OR.complete === true && l.coverage?.or === 1;
  const row = (
    key: string,
    label: string,
    price: number | null | undefined,
    group: LevelRow["group"],
    complete: boolean,
  ): LevelRow => ({ key, label, price: price ?? null, group, complete });
  const bands = (l.bands ?? []).flatMap((b) => [
    row(`up${b.k}`, `+${b.k}σ`, b.upper, "vwap", isTodayComplete),
    row(`dn${b.k}`, `−${b.k}σ`, b.lower, "vwap", isTodayComplete),
  ]);
  return [
    row("vwap", "VWAP", l.VWAP, "vwap", isTodayComplete),
    ...bands,
    row("poc", "POC", l.POCd, "profile", isTodayComplete),
    row("vah", "VAH", l.VAH, "profile", isTodayComplete),
    row("val", "VAL", l.VAL, "profile", isTodayComplete),
    row("orh", "OR high", l.OR.hi, "range", orComplete),
    row("orl", "OR low", l.OR.lo, "range", orComplete),
    row("pdh", "PDH", l.PDH, "previous", isPrevComplete),
    row("pdl", "PDL", l.PDL, "previous", isPrevComplete),
    row("pvah", "VAH prev", l.VAHprev, "previous", isPrevComplete),
    row("pval", "VAL prev", l.VALprev, "previous", isPrevComplete),
    row("ppoc", "POC prev", l.POCprev, "previous", isPrevComplete),
    row("pvwap", "VWAP prev", l.VWAPprev, "previous", isPrevComplete),
  ];
}

export interface StripPart {
  left: number; // fraction of the day
  width: number;
  state: Span["state"];
  from_ms: number;
  to_ms: number;
  reason: string | null;
}

// The day from 00:00 to 24:00 as parts of a strip, holes last: a short one must not be covered.
export function coverageStrip(dayStartMs: number, spans: readonly Span[]): StripPart[] {
  const place = (ms: number): number => Math.max(0, Math.min(1, (ms - dayStartMs) / DAY_MS));
  const rank = (s: StripPart): number => (s.state === "missing" || s.state === "lost" ? 1 : 0);
  return spans
    .map((s) => ({
      left: place(s.from_ms),
      width: place(s.to_ms) - place(s.from_ms),
      state: s.lost === true ? ("lost" as const) : s.state,
      from_ms: s.from_ms,
      to_ms: s.to_ms,
      reason: s.reason ?? null,
    }))
    .sort((a, b) => rank(a) - rank(b));
}

export interface FootprintCell {
  buy: number;
  sell: number;
  imbalance: "buy" | "sell" | null;
  stacked: "buy" | "sell" | null; // one of three or more adjacent imbalances of a side
}

export interface FootprintRule {
  ratio: number;
  minimum: number;
}

const STACK = 3;

function markStacks(
  rows: Map<number, FootprintCell>,
  side: "buy" | "sell",
  marked: ReadonlySet<number>,
): void {
  const indices = [...marked].sort((a, b) => a - b);
  for (let i = 0, end = 0; i < indices.length; i = end) {
    end = i + 1;
    while (end < indices.length && indices[end] === (indices[end - 1] ?? 0) + 1) {
      end++;
    }
    for (const index of end - i >= STACK ? indices.slice(i, end) : []) {
      const row = rows.get(index);
      if (row !== undefined) {
        row.stacked = side;
      }
    }
  }
}

// A candle's cells grouped into rows of `height` (price units) by index, with imbalance as the
// gateway defines it for its own rows: buy(p) against sell(p - 1 row), sell(p) against
// buy(p + 1 row); an empty neighbour leaves it to the minimum; of both the side with more volume.
export function footprintRows(
  cells: readonly CandleCell[],
  height: number,
  rule: FootprintRule,
): Map<number, FootprintCell> {
  const rows = new Map<number, FootprintCell>();
  for (const c of cells) {
    // A hundred-thousandth of a row absorbs what binary fractions leave over.
    const index = Math.floor(c.price / height + 1e-5);
    const row = rows.get(index) ?? { buy: 0, sell: 0, imbalance: null, stacked: null };
    row.buy += c.buy_vol;
    row.sell += c.sell_vol;
    rows.set(index, row);
  }
  const buys = new Set<number>();
  const sells = new Set<number>();
  for (const [index, row] of rows) {
    const isBuy = row.buy >= rule.minimum && row.buy >= (rows.get(index - 1)?.sell ?? 0) * rule.ratio;
    const isSell = row.sell >= rule.minimum && row.sell >= (rows.get(index + 1)?.buy ?? 0) * rule.ratio;
    if (isBuy) {
      buys.add(index);
    }
    if (isSell) {
      sells.add(index);
    }
    row.imbalance =
      isBuy && (!isSell || row.buy > row.sell)
        ? "buy"
        : isSell && (!isBuy || row.sell > row.buy)
          ? "sell"
          : null;
  }
  markStacks(rows, "buy", buys);
  markStacks(rows, "sell", sells);
  return rows;
}

export interface FootprintColumn {
  candle: Candle;
  rows: ReadonlyMap<number, FootprintCell>;
  poc: number | null; // index of its largest row
}

export interface FootprintGrid {
  indices: number[]; // of rows, highest price first; none between lowest and highest is left out
  columns: FootprintColumn[];
  most: number; // largest volume of a cell
}

const MAX_ROWS = 60;

// The last candles side by side over one price axis.
export function footprintGrid(candles: readonly Candle[], height: number): FootprintGrid {
  let low = Infinity;
  let high = -Infinity;
  let most = 1e-12;
  const columns = candles.map((candle) => {
    const rows = footprintRows(candle.footprint ?? [], height, ruleOf(candle));
    let poc: number | null = null;
    let largest = 0;
    for (const [index, row] of rows) {
      low = Math.min(low, index);
      high = Math.max(high, index);
      if (row.buy + row.sell > largest || (row.buy + row.sell === largest && index < (poc ?? 0))) {
        largest = row.buy + row.sell;
        poc = index;
      }
    }
    most = Math.max(most, largest);
    return { candle, rows, poc };
  });
  const indices: number[] = [];
  for (let i = high; i >= low && indices.length < MAX_ROWS; i--) {
    indices.push(i);
  }
  return { indices, columns, most };
}

function ruleOf(c: Candle): FootprintRule {
  return { ratio: c.imbalance_ratio ?? 3, minimum: c.imbalance_min_qty ?? 0 };
}

// Row heights worth offering: multiples of the footprint's own bin that leave between 3 and
// MAX_ROWS rows of the range shown.
export function rowHeights(bin: number, range: number): number[] {
  const fits = [1, 2, 4, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000].filter(
    (k) => range / (bin * k) <= MAX_ROWS - 2 && (k === 1 || range / (bin * k) >= 3),
  );
  return (fits.length === 0 ? [1] : fits).map((k) => bin * k);
}

export function defaultHeight(heights: readonly number[], range: number): number {
  return heights.find((h) => range / h <= 16) ?? heights.at(-1) ?? 1;
}
