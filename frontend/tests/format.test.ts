import { describe, expect, it } from "vitest";
import {
  age,
  clock,
  compact,
  countdown,
  decimalsOf,
  duration,
  num,
  parseTime,
  percent,
  signed,
} from "@/lib/format";

describe("numbers", () => {
  it("are an en dash when unknown, never 0", () => {
    for (const f of [
      (v: null) => num(v, 2),
      (v: null) => signed(v, 2),
      compact,
      percent,
      age,
      duration,
      countdown,
    ]) {
      expect(f(null)).toBe("–");
    }
    expect(num(Number.NaN, 2)).toBe("–");
    expect(num(Number.POSITIVE_INFINITY, 2)).toBe("–");
    expect(num(0, 1)).toBe("0.0");
  });

  it("have as many decimals as the tick", () => {
    const cases: [number | null, number][] = [
      [0.1, 1],
      [0.01, 2],
      [1, 0],
      [0.5, 1],
      [0.001, 3],
      [1e-7, 7],
      [2.5e-7, 8],
      [null, 2],
      [0, 2],
      [-1, 2],
    ];
    for (const [tick, decimals] of cases) {
      expect(decimalsOf(tick), String(tick)).toBe(decimals);
    }
    expect(num(92318.6, 1)).toBe("92,318.6");
  });

  it("carry their sign, and none when zero", () => {
    expect(signed(1.25, 1)).toMatch(/^\+1\.[23]$/);
    expect(signed(-3, 2)).toBe("−3.00");
    expect(signed(0, 2)).toBe("0.00");
  });

  it("become shares and thousands", () => {
    expect(percent(0.12345, 2)).toBe("12.35 %");
    expect(compact(80_704.635)).toBe("80.7K");
  });
});

describe("times", () => {
  it("are of UTC", () => {
    expect(clock(Date.UTC(2026, 10, 22, 3, 4, 5))).toBe("03:04:05");
    expect(parseTime("2026-11-22T13:31:00.123+00:00")).toBe(Date.UTC(2026, 10, 22, 13, 31, 0, 123));
    expect(parseTime("yesterday")).toBeNull();
    expect(parseTime("")).toBeNull();
  });

  it("count down to zero and not below", () => {
    expect(countdown(3661.9)).toBe("01:01:01");
    expect(countdown(-5)).toBe("00:00:00");
    expect(duration(3_840)).toBe("1 h 04 min");
    expect(duration(65)).toBe("1 min 05 s");
    expect(duration(-1)).toBe("0 s");
  });

  it("are coarse when an age", () => {
    expect([age(-5), age(999), age(1000), age(59_999), age(60_000), age(7_200_000)]).toEqual([
      "<1 s",
      "<1 s",
      "1 s",
      "59 s",
      "1 min",
      "2 h",
    ]);
  });
});
