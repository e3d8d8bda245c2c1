import { describe, expect, it } from "vitest";
import { mergeCandles, mergeEvents, mergeProfile, mergeTape, parseMessage, reduce } from "@/lib/reduce";
import type { PushMessage } from "@/lib/reduce";
import type { Candle, Candles, MarketEvent, ProfileRow } from "@/types";

const row = (price: number, volume: number): ProfileRow => ({ price, volume, buy_vol: volume, sell_vol: 0 });
const at = (start: number, close: number): Candle =>
  ({ timestamp: new Date(start).toISOString(), timestamp_ms: start, close }) as Candle;
const candles = (...list: Candle[]): Candles => ({ timeframe: "1m", count: list.length, candles: list });
const none = (): null => null;

describe("a message", () => {
  it("of no known form is refused, never thrown on", () => {
    for (const bad of [
      "",
      "{",
      "[]",
      "1",
      "null",
      "{}",
      '{"ch":1}',
      '{"ch":"price","symbol":"s","type":"other"}',
    ]) {
      expect(parseMessage(bad), bad).toBeNull();
    }
  });

  it("keeps its place in the channel", () => {
    const m = parseMessage(
      '{"ch":"price","symbol":"s","seq":7,"prev":5,"epoch":"e","type":"update","data":{"price":1}}',
    );
    expect(m).toEqual({
      ch: "price",
      symbol: "s",
      seq: 7,
      prev: 5,
      epoch: "e",
      type: "update",
      data: { price: 1 },
    });
    expect(parseMessage('{"type":"error","error":"no"}')).toEqual({ type: "error", error: "no" });
  });
});

describe("merging", () => {
  it("candles: a changed one replaces, a new one is appended, oldest first", () => {
    const got = mergeCandles(candles(at(0, 1), at(60_000, 2)), candles(at(120_000, 4), at(60_000, 3)));
    expect(got.candles.map((c) => c.close)).toEqual([1, 3, 4]);
    expect(got.count).toBe(3);
  });

  it("profile: a bin with volume 0 is gone", () => {
    expect(mergeProfile([row(1, 5), row(3, 1)], [row(2, 2), row(3, 0)]).map((r) => r.price)).toEqual([1, 2]);
  });

  it("tape: newest first, each id once, bounded", () => {
    const t = (id: number): { id: number; ts_ms: number } => ({ id, ts_ms: id * 10 });
    expect(mergeTape([t(2), t(1)], [t(3), t(2)], 10).map((x) => x.id)).toEqual([3, 2, 1]);
    expect(mergeTape([t(2), t(1)], [t(3)], 2).map((x) => x.id)).toEqual([3, 2]);
  });

  it("events: by when they were told, not by what they are about", () => {
    const e = (id: string, ts: number): MarketEvent => ({ id, ts_ms: ts, type: "t", ts: "", data: {} });
    const got = mergeEvents([e("100-0", 99), e("100-9", 98)], [e("100-10", 1), e("100-0", 99)]);
    expect(got.map((x) => x.id)).toEqual(["100-10", "100-9", "100-0"]);
  });
});

describe("reducing", () => {
  const push = (ch: string, type: PushMessage["type"], data: Record<string, unknown>): PushMessage => ({
    ch,
    symbol: "s",
    seq: 1,
    prev: 0,
    epoch: "e",
    type,
    data,
  });

  it("a snapshot of the tape replaces it, an update adds to it", () => {
    const held = { trades: [{ id: 1, ts_ms: 1 }] };
    const have = (() => held) as unknown as Parameters<typeof reduce>[1];
    const fresh = { trades: [{ id: 2, ts_ms: 2 }] };
    const ids = (type: "snapshot" | "update"): unknown =>
      (reduce(push("trades", type, fresh), have)[0]?.data as typeof held).trades.map((t) => t.id);
    expect(ids("update")).toEqual([2, 1]);
    expect(ids("snapshot")).toEqual([2]);
  });

  it("a profile of another bin size starts anew", () => {
    const have = (() => ({ bin: 1, rows: [row(1, 1)] })) as unknown as Parameters<typeof reduce>[1];
    const [change] = reduce(push("profile", "update", { profile_bin: 2, volume_profile: [row(4, 1)] }), have);
    expect(change?.data).toEqual({ bin: 2, rows: [row(4, 1)] });
  });

  it("a gap and an unknown channel change nothing", () => {
    expect(reduce(push("trades", "gap", {}), none)).toEqual([]);
    expect(reduce(push("weather", "update", {}), none)).toEqual([]);
  });

  it("a list that is none becomes an empty one", () => {
    const [change] = reduce(push("trades", "update", { trades: "many" }), none);
    expect(change?.data).toMatchObject({ trades: [] });
  });
});
