import { describe, expect, it } from "vitest";
import {
  coverageStrip,
  defaultHeight,
  footprintGrid,
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
  it("lays the spans over the day, clips what lies outside, draws holes last and knows why they are", () => {
    const quarter = 21_600_000;
    const parts = coverageStrip(DAY, [
      { from_ms: DAY - 1000, to_ms: DAY + quarter, state: "complete" },
      { from_ms: DAY + quarter, to_ms: DAY + 2 * quarter, state: "missing", reason: "too old", lost: true },
      { from_ms: DAY + 2 * quarter, to_ms: DAY + 3 * quarter, state: "repaired" },
    ]);
    expect(parts.map((p) => [p.left, p.width, p.state, p.reason])).toEqual([
      [0, 0.25, "complete", null],
      [0.5, 0.25, "repaired", null],
      [0.25, 0.25, "lost", "too old"],
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
  const rule = { ratio: 3, minimum: 1 };

  it("groups prices into rows, no volume lost", () => {
    const rows = footprintRows(cells, 0.2, rule);
    expect([...rows].map(([i, r]) => [i, r.buy, r.sell])).toEqual([
      [500, 3, 5],
      [501, 10, 1],
    ]);
  });

  it("marks a diagonal imbalance at the ratio, and none below the minimum", () => {
    const rows = footprintRows(cells, 0.1, rule);
    expect(rows.get(1002)?.imbalance).toBe("buy"); // 9 bought against 1 sold below
    expect(rows.get(1001)?.imbalance).toBe(null); // 2 against 4
    expect(footprintRows(cells, 0.1, { ratio: 3, minimum: 10 }).get(1002)?.imbalance).toBe(null);
  });

  // The rows of the gateway's own test: the two must mark the same.
  it("marks what the gateway marks", () => {
    const own = [
      { price: 100.0, buy_vol: 3, sell_vol: 3 },
      { price: 100.1, buy_vol: 9, sell_vol: 3 },
      { price: 100.2, buy_vol: 8, sell_vol: 7 },
      { price: 100.3, buy_vol: 2, sell_vol: 0 },
      { price: 101.0, buy_vol: 4, sell_vol: 5 },
    ];
    const rows = footprintRows(own, 0.1, { ratio: 3, minimum: 3 });
    expect([...rows.values()].map((r) => r.imbalance)).toEqual(["buy", "buy", "sell", null, "sell"]);
  });

  it("three adjacent imbalances of a side are stacked, and a gap ends it", () => {
    const of = (price: number, buy: number, sell: number) => ({ price, buy_vol: buy, sell_vol: sell });
    const stack = [of(10, 5, 1), of(11, 5, 1), of(12, 5, 1), of(14, 5, 1), of(15, 5, 1), of(20, 1, 9)];
    const rows = footprintRows(stack, 1, { ratio: 3, minimum: 2 });
    expect([...rows].map(([i, r]) => [i, r.stacked])).toEqual([
      [10, "buy"],
      [11, "buy"],
      [12, "buy"],
      [14, null],
      [15, null],
      [20, null],
    ]);
  });

  it("lays candles over one price axis without leaving out a row", () => {
    const at = (start: number, footprint: typeof cells): Candle => ({ ...candle(start, 0), footprint });
    const grid = footprintGrid([at(DAY, cells.slice(0, 1)), at(DAY + 60_000, cells.slice(3))], 0.1);
    expect(grid.indices).toEqual([1003, 1002, 1001, 1000]);
    expect(grid.columns.map((c) => c.poc)).toEqual([1000, 1003]);
    expect(grid.most).toBe(5);
    expect(footprintGrid([], 1).indices).toEqual([]);
    const wide = [at(DAY, [...cells.slice(0, 1), { price: 1e6, buy_vol: 1, sell_vol: 1 }])];
    expect(footprintGrid(wide, 0.1).indices.length).toBeLessThanOrEqual(60);
  });

  it("offers row heights that fit the range", () => {
    const heights = rowHeights(5, 200);
    expect(heights[0]).toBe(5);
    expect(heights.at(-1)).toBe(50);
    expect(200 / defaultHeight(heights, 200)).toBeLessThanOrEqual(16);
    expect(rowHeights(0.1, 0)).toEqual([0.1]);
    expect(3000 / (rowHeights(5, 3000)[0] ?? 0)).toBeLessThanOrEqual(58);
  });
});
