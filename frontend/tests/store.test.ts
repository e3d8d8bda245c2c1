import { describe, expect, it, vi } from "vitest";
import { SLICES_PER_FRAME, Store } from "@/lib/store";
import type { Price } from "@/types";

const price = (v: number): Price => ({ price: v, ts: null, symbol: "S" });

describe("the store", () => {
  it("tells a slice's readers once per frame, and nobody else", () => {
    const frames: (() => void)[] = [];
    const store = new Store((f) => frames.push(f));
    const [mine, other] = [vi.fn(), vi.fn()];
    store.subscribe("price", mine);
    store.subscribe("book", other);
    store.set("price", price(1), 1, "push");
    store.set("price", price(2), 2, "push");
    expect(mine).not.toHaveBeenCalled();
    expect(frames).toHaveLength(1);
    frames[0]?.();
    expect(mine).toHaveBeenCalledTimes(1);
    expect(other).not.toHaveBeenCalled();
    expect(store.get("price").data?.price).toBe(2);
  });

  it("tells a few slices per frame when all change at once, each once, the longest waiting first", () => {
    const frames: (() => void)[] = [];
    const store = new Store((f) => frames.push(f));
    const names = ["price", "book", "trades", "context", "profile", "health", "feed", "mark"] as const;
    const told: string[] = [];
    for (const name of names) {
      store.subscribe(name, () => told.push(name));
      store.fail(name, "x", false);
    }
    store.fail("price", "y", false);
    frames.shift()?.();
    expect(told).toEqual(names.slice(0, SLICES_PER_FRAME));
    store.fail("price", "z", false);
    frames.shift()?.();
    expect(told).toEqual([...names, "price"]);
    expect(frames).toHaveLength(0);
  });

  it("keeps the last numbers beside an error, and forgets the error after a success", () => {
    const store = new Store((f) => {
      f();
    });
    store.set("price", price(1), 1, "poll");
    store.fail("price", "HTTP 500", false);
    expect(store.get("price")).toMatchObject({ data: { price: 1 }, at: 1, error: "HTTP 500" });
    store.set("price", price(2), 2, "poll");
    expect(store.get("price").error).toBeNull();
  });

  it("clears all but what is kept", () => {
    const store = new Store((f) => {
      f();
    });
    store.seed({ price: price(1), symbols: { symbols: [] } }, 5);
    store.clear(["symbols"]);
    expect(store.get("price").data).toBeNull();
    expect(store.get("symbols").data).not.toBeNull();
  });

  it("does not redraw the link for every message", () => {
    const store = new Store((f) => {
      f();
    });
    const told = vi.fn();
    store.setLink({ state: "live", since: 0, lastAt: 1000 });
    store.subscribe("link", told);
    store.setLink({ lastAt: 1500 });
    expect(told).not.toHaveBeenCalled();
    store.setLink({ lastAt: 2000 });
    expect(told).toHaveBeenCalledTimes(1);
  });
});
