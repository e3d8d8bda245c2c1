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
}

// The day from 00:00 to 24:00 as parts of a strip; what is repaired is laid over what is complete.
export function coverageStrip(
  dayStartMs: number,
  spans: readonly Span[],
  repaired: readonly [number, number][],
): StripPart[] {
  const part = (from: number, to: number, state: Span["state"]): StripPart => ({
    left: Math.max(0, Math.min(1, (from - dayStartMs) / DAY_MS)),
    width: Math.max(0, Math.min(1, (to - dayStartMs) / DAY_MS) - Math.max(0, (from - dayStartMs) / DAY_MS)),
    state,
    from_ms: from,
    to_ms: to,
  });
  return [
    ...spans.map((s) => part(s.from_ms, s.to_ms, s.state)),
    ...repaired
      .filter(([a, b]) => b > dayStartMs && a < dayStartMs + DAY_MS)
      .map(([a, b]) => part(a, b, "repaired")),
  ];
}

export interface FootprintCell {
  price: number; // lower edge of the row
  buy: number;
  sell: number;
  imbalance: "buy" | "sell" | null;
}

// A candle's cells grouped into rows of `height` (price units), highest first, with diagonal
// imbalance at the given ratio: buy(p) against sell(p - 1 row), sell(p) against buy(p + 1 row).
export function footprintRows(
  cells: readonly CandleCell[],
  height: number,
  ratio: number,
  minimum: number,
): FootprintCell[] {
  const rows = new Map<number, FootprintCell>();
  for (const c of cells) {
    // A hundred-thousandth of a row absorbs what binary fractions leave over.
    const index = Math.floor(c.price / height + 1e-5);
    const row = rows.get(index) ?? { price: index * height, buy: 0, sell: 0, imbalance: null };
    row.buy += c.buy_vol;
    row.sell += c.sell_vol;
    rows.set(index, row);
  }
  for (const [index, row] of rows) {
    const below = rows.get(index - 1)?.sell ?? 0;
    const above = rows.get(index + 1)?.buy ?? 0;
    if (row.buy >= minimum && row.buy > 0 && row.buy >= below * ratio) {
      row.imbalance = "buy";
    } else if (row.sell >= minimum && row.sell > 0 && row.sell >= above * ratio) {
      row.imbalance = "sell";
    }
  }
  return [...rows.entries()].sort((a, b) => b[0] - a[0]).map((e) => e[1]);
}

// Row heights worth offering: multiples of the bin up to about a quarter of the range shown.
export function rowHeights(bin: number, range: number): number[] {
  const out: number[] = [];
  for (const k of [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000]) {
    if (k === 1 || bin * k <= Math.max(range / 4, bin)) {
      out.push(bin * k);
    }
  }
  return out;
}

export function defaultHeight(heights: readonly number[], range: number): number {
  return heights.find((h) => range / h <= 14) ?? heights.at(-1) ?? 1;
}
