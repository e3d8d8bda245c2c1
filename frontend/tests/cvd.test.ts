import { describe, expect, it } from "vitest";
import { deltaBars, mergePoints } from "@/lib/cvd";
import { periodName, whyNoReset } from "@/components/panels/delta";
import { reduce } from "@/lib/reduce";
import type { PushMessage } from "@/lib/reduce";
import type { Candle, Cvd, CvdHistory, CvdPoint } from "@/types";

const MIN = 60_000;
const T0 = Date.UTC(2024, 7, 8);

const point = (minute: number, cvd: number): CvdPoint => ({
  timestamp: new Date(T0 + minute * MIN).toISOString(),
  timestamp_ms: T0 + minute * MIN,
  open: 0,
  cvd,
  buy_volume: 0,
  sell_volume: 0,
  volume_delta: 0,
  trade_count: 1,
});
const candle = (minute: number, delta: number): { start: number; candle: Candle } => ({
  start: T0 + minute * MIN,
  candle: {
    timestamp: new Date(T0 + minute * MIN).toISOString(),
    timestamp_ms: T0 + minute * MIN,
    delta,
  } as Candle,
});
const history = (reset: number, ...points: CvdPoint[]): CvdHistory => ({
  history: points,
  reset_time: new Date(T0 + reset).toISOString(),
});

describe("the CVD line", () => {
  it("is the gateway's, minute by minute", () => {
    const bars = deltaBars([candle(0, 2), candle(1, -3)], MIN, history(0, point(0, 2), point(1, -1)), 99);
    expect(bars.map((b) => b.cvd)).toEqual([2, -1]);
    expect(bars.map((b) => b.delta)).toEqual([2, -3]);
  });

  it("has nothing before a reset and begins in the reset's minute", () => {
    const served = history(90_000, point(0, 5), point(1, 1), point(2, 4));
    const bars = deltaBars([candle(0, 5), candle(1, 2), candle(2, 3)], MIN, served, 10);
    expect(bars.map((b) => b.cvd)).toEqual([null, 1, 4]);
  });

  it("takes the last minute of a longer candle and goes on through quiet ones", () => {
    const served = history(0, point(0, 1), point(4, 7), point(11, 3));
    const bars = deltaBars([candle(0, 0), candle(5, 0), candle(10, 0)], 5 * MIN, served, null);
    expect(bars.map((b) => b.cvd)).toEqual([7, 7, 3]);
  });

  it("is summed up from candles where the gateway serves none", () => {
    const bars = deltaBars([candle(0, 2), candle(1, -3)], MIN, null, 4);
    expect(bars.map((b) => b.cvd)).toEqual([7, 4]);
  });

  it("takes changed points in order of time", () => {
    const held = [point(0, 1), point(1, 2), point(2, 3)];
    expect(mergePoints(held, [point(3, 9)]).map((p) => p.cvd)).toEqual([1, 2, 3, 9]);
    expect(mergePoints(held, [point(1, 5), point(2, 6)]).map((p) => p.cvd)).toEqual([1, 5, 6]);
    expect(mergePoints([], [point(1, 5)]).map((p) => p.cvd)).toEqual([5]);
    expect(mergePoints(held, [])).toEqual(held);
  });
});

describe("pushed indicators", () => {
  const message = (ch: string, type: "snapshot" | "update", data: object): PushMessage =>
    ({ ch, symbol: "s", seq: 1, prev: 0, epoch: "e", type, data }) as PushMessage;

  it("update what is held, and a snapshot replaces it", () => {
    const held = history(0, point(0, 1), point(1, 2));
    const get = (): never => held as never;
    const update = reduce(message("cvd:history", "update", history(0, point(1, 8))), get);
    expect((update[0]?.data as CvdHistory).history.map((p) => p.cvd)).toEqual([1, 8]);
    const whole = reduce(message("cvd:history", "snapshot", history(0, point(1, 8))), get);
    expect((whole[0]?.data as CvdHistory).history.map((p) => p.cvd)).toEqual([8]);
  });

  it("land in slices of their own", () => {
    const none = (): null => null;
    expect(reduce(message("cvd", "snapshot", { cvd: 1 }), none)[0]?.slice).toBe("cvd");
    expect(reduce(message("volume-delta", "update", { periods: [] }), none)[0]?.slice).toBe("delta");
  });
});

describe("a reset", () => {
  const cvd = { cvd: 1, redis_up: true, reset_wants_token: false } as Cvd;

  it("is offered when it can be done", () => {
    expect(whyNoReset(cvd, true)).toBeNull();
  });

  it("says why it is not", () => {
    expect(whyNoReset(cvd, false)).toContain("connection");
    expect(whyNoReset({ ...cvd, redis_up: false }, true)).toContain("connection");
    expect(whyNoReset(null, true)).toContain("nothing");
    expect(whyNoReset({ ...cvd, cvd: null }, true)).toContain("nothing");
    expect(whyNoReset({ ...cvd, reset_wants_token: true }, true)).toContain("token");
  });

  it("names its periods as people do", () => {
    expect([60, 300, 900, 45].map(periodName)).toEqual(["1 min", "5 min", "15 min", "45 s"]);
  });
});
