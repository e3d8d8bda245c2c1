import { describe, expect, it } from "vitest";
import {
  coverageStrip,
  defaultHeight,
  footprintRows,
  levelRows,
  rowHeights,
  runningDelta,
} from "@/lib/market";
import type { Candle, Levels } from "@/types";

const DAY = Date.UTC(2026, 10, 22);

function candle(start: number, delta: number | null): Candle {
  return { timestamp: new Date(start).toISOString(), timestamp_ms: start, delta } as Candle;
}

describe("running delta", () => {
  it("starts anew at midnight UTC", () => {
    const list = [candle(DAY - 60_000, 5), candle(DAY, 2), candle(DAY + 60_000, -3)];
    expect(runningDelta(list, null).map((p) => p.cvd)).toEqual([5, 2, -1]);
  });

  it("ends at the day's own delta, the day before stays", () => {
    const list = [candle(DAY - 60_000, 5), candle(DAY + 60_000, 2), candle(DAY + 120_000, null)];
    expect(runningDelta(list, 100).map((p) => p.cvd)).toEqual([5, 100, 100]);
  });

  it("of nothing is nothing", () => {
    expect(runningDelta([], 5)).toEqual([]);
  });
});

describe("levels", () => {
  const levels = {
    OR: { hi: 3, lo: 1, startTs: null, endTs: null, complete: true },
    VWAP: 2,
    POCd: 2,
    PDH: 9,
    coverage: { today: 0.5, prev: 1, or: 0.99 },
    bands: [{ k: 1, upper: 3, lower: 1 }],
  } as unknown as Levels;
  const rows = new Map(levelRows(levels).map((r) => [r.key, r]));

  it("are incomplete exactly where trades are missing", () => {
    expect(rows.get("vwap")?.complete).toBe(false);
    expect(rows.get("up1")?.complete).toBe(false);
    expect(rows.get("orh")?.complete).toBe(false);
    expect(rows.get("pdh")?.complete).toBe(true);
  });

  it("that are unknown stay unknown", () => {
    expect(rows.get("vah")?.price).toBeNull();
  });
});

describe("coverage strip", () => {
  it("lays the spans over the day and clips what lies outside", () => {
    const parts = coverageStrip(
      DAY,
      [
        { from_ms: DAY - 1000, to_ms: DAY + 21_600_000, state: "complete" },
        { from_ms: DAY + 21_600_000, to_ms: DAY + 43_200_000, state: "missing" },
      ],
      [[DAY - 5000, DAY - 1]],
    );
    expect(parts.map((p) => [p.left, p.width, p.state])).toEqual([
      [0, 0.25, "complete"],
      [0.25, 0.25, "missing"],
    ]);
  });
});

describe("footprint", () => {
  const cells = [
    { price: 100.0, buy_vol: 1, sell_vol: 4 },
    { price: 100.1, buy_vol: 2, sell_vol: 1 },
    { price: 100.2, buy_vol: 9, sell_vol: 0 },
    { price: 100.3, buy_vol: 1, sell_vol: 1 },
  ];

  it("groups prices into rows, highest first, no volume lost", () => {
    const rows = footprintRows(cells, 0.2, 3, 0);
    expect(rows.map((r) => [Number(r.price.toFixed(1)), r.buy, r.sell])).toEqual([
      [100.2, 10, 1],
      [100.0, 3, 5],
    ]);
  });

  it("marks a diagonal imbalance at the ratio", () => {
    const rows = footprintRows(cells, 0.1, 3, 0);
    const marks = new Map(rows.map((r) => [r.price.toFixed(1), r.imbalance]));
    expect(marks.get("100.2")).toBe("buy"); // 9 bought against 1 sold below
    expect(marks.get("100.1")).toBe(null); // 2 against 4
  });

  it("offers row heights that fit the range", () => {
    const heights = rowHeights(0.1, 20);
    expect(heights[0]).toBe(0.1);
    expect(heights.at(-1)).toBeLessThanOrEqual(5);
    expect(20 / defaultHeight(heights, 20)).toBeLessThanOrEqual(14);
    expect(rowHeights(0.1, 0)).toEqual([0.1]);
  });
});
