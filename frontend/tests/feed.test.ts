import { beforeEach, describe, expect, it } from "vitest";
import { ApiError } from "@/api-client";
import { DISCONNECTED_MS, Feed, SILENT_MS } from "@/lib/feed";
import type { FeedDeps, SocketLike } from "@/lib/feed";
import { Store } from "@/lib/store";
import type { SliceName } from "@/types";

// A socket, a clock and a gateway that do what the test says.
class FakeSocket implements SocketLike {
  sent: { op: string; symbol?: string; channels: string[] }[] = [];
  closed = false;
  private listeners = new Map<string, ((e: { data: unknown }) => void)[]>();
  addEventListener(type: string, listener: (e: never) => void): void {
    this.listeners.set(type, [
      ...(this.listeners.get(type) ?? []),
      listener as (e: { data: unknown }) => void,
    ]);
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text) as FakeSocket["sent"][number]);
  }
  close(): void {
    this.closed = true;
  }
  fire(type: "open" | "close" | "message", data?: unknown): void {
    for (const listener of this.listeners.get(type) ?? []) {
      listener({ data });
    }
  }
  push(ch: string, data: object, more: object = {}): void {
    const m = { ch, symbol: "s", seq: 1, prev: 0, epoch: "e", type: "snapshot", data, ...more };
    this.fire("message", JSON.stringify(m));
  }
}

interface Asked {
  slice: SliceName;
  symbol: string | null;
  query: string;
  answer: (data: object) => void;
  fail: (e: Error) => void;
}

let now: number;
let timers: { id: number; at: number; fn: () => void }[];
let sockets: FakeSocket[];
let asked: Asked[];
let answers: "ok" | "down" | "held";
let store: Store;
let feed: Feed;

const settle = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) {
    await Promise.resolve();
  }
};

async function pass(ms: number): Promise<void> {
  const end = now + ms;
  for (;;) {
    timers.sort((a, b) => a.at - b.at);
    const next = timers[0];
    if (next === undefined || next.at > end) {
      break;
    }
    timers.shift();
    now = next.at;
    next.fn();
    await settle();
  }
  now = end;
}

const socket = (): FakeSocket => {
  const s = sockets.at(-1);
  if (s === undefined) {
    throw new Error("no socket was opened");
  }
  return s;
};
const polls = (slice: SliceName): number => asked.filter((a) => a.slice === slice).length;
const state = (): string => store.getLink().state;

beforeEach(() => {
  now = 1_000_000;
  timers = [];
  sockets = [];
  asked = [];
  answers = "ok";
  store = new Store((f) => {
    f();
  });
  let ids = 0;
  const deps: FeedDeps = {
    now: () => now,
    openSocket: () => {
      const s = new FakeSocket();
      sockets.push(s);
      return s;
    },
    fetchSlice: ((_base: string, slice: SliceName, symbol: string | null, query = "") =>
      new Promise((answer, fail) => {
        const reply = answer as (data: object) => void;
        asked.push({ slice, symbol, query, answer: reply, fail });
        if (answers === "ok") {
          reply(slice.startsWith("candles") ? { timeframe: "1m", candles: [] } : { price: 1 });
        } else if (answers === "down") {
          fail(new TypeError("fetch failed"));
        }
      })) as FeedDeps["fetchSlice"],
    setTimer: (fn, ms) => {
      timers.push({ id: ++ids, at: now + ms, fn });
      return ids;
    },
    clearTimer: (id) => {
      timers = timers.filter((t) => t.id !== id);
    },
  };
  feed = new Feed("http://gateway", "s", store, deps);
});

describe("without a socket", () => {
  it("polls in the documented rhythm and says so", async () => {
    feed.start();
    await pass(14_000);
    expect(state()).toBe("polling");
    expect(polls("price")).toBeGreaterThanOrEqual(13);
    expect(polls("price")).toBeLessThanOrEqual(16);
    expect(polls("footprint")).toBe(8);
    expect(polls("health")).toBe(3);
    expect(polls("context")).toBe(3);
  });

  it("asks for all candles once a minute, and for the newest in between", async () => {
    feed.start();
    await pass(70_000);
    const queries = asked.filter((a) => a.slice === "candles1m").map((a) => a.query);
    expect(queries.filter((q) => q === "count=1000")).toHaveLength(2);
    expect(queries[0]).toBe("count=1000");
    expect(queries.length).toBeGreaterThan(25);
  });

  it("never asks twice for what is under way", async () => {
    answers = "held";
    feed.start();
    await pass(10_000);
    expect(polls("price")).toBe(1);
  });

  it("is disconnected when nothing answers, and polling again when something does", async () => {
    feed.start();
    await pass(2000);
    answers = "down";
    await pass(DISCONNECTED_MS + 1500);
    expect(state()).toBe("disconnected");
    expect(store.get("price").data).toEqual({ price: 1 }); // old, and kept
    expect(store.get("price").error).toBe("fetch failed");
    answers = "ok";
    await pass(1500);
    expect(state()).toBe("polling");
  });

  it("asks seldom for an endpoint that is not there", async () => {
    answers = "held";
    feed.start();
    await pass(0);
    asked.find((a) => a.slice === "mark")?.fail(new ApiError(404, "unknown path"));
    await settle();
    await pass(30_000);
    expect(polls("mark")).toBe(1);
    expect(store.get("mark").absent).toBe(true);
    await pass(40_000);
    expect(polls("mark")).toBe(2);
  });
});

describe("with a socket", () => {
  it("subscribes, is live with the first message and stops polling what is pushed", async () => {
    feed.start();
    socket().fire("open");
    expect(socket().sent[0]).toMatchObject({ op: "subscribe", symbol: "s" });
    socket().push("price", { price: 5 });
    expect(state()).toBe("live");
    const before = polls("price");
    const ready = polls("ready");
    for (let i = 0; i < 10; i++) {
      await pass(1000);
      socket().push("price", { price: i }, { seq: 2 + i, type: "update" });
    }
    expect(polls("price")).toBe(before);
    expect(polls("ready")).toBe(ready + 2);
    expect(store.get("price").data).toEqual({ price: 9 });
  });

  it("falls back to polling when it is cut, and is live again when it is back", async () => {
    feed.start();
    socket().fire("open");
    socket().push("price", { price: 5 });
    await pass(1000);
    const before = polls("price");
    socket().fire("close");
    await pass(900);
    expect(polls("price")).toBeGreaterThan(before);
    expect(sockets).toHaveLength(1);
    await pass(600);
    expect(sockets).toHaveLength(2);
    socket().fire("open");
    socket().push("price", { price: 6 });
    expect(state()).toBe("live");
    expect(store.get("price").data).toEqual({ price: 6 });
  });

  it("tries again ever more seldom, at least every 15 s", async () => {
    feed.start();
    const opened: number[] = [];
    for (let i = 0; i < 8; i++) {
      const had = sockets.length;
      socket().fire("close");
      const since = now;
      while (sockets.length === had) {
        await pass(250);
      }
      opened.push(now - since);
    }
    expect(opened.slice(0, 4)).toEqual([1000, 2000, 4000, 8000]);
    expect(Math.max(...opened)).toBeLessThanOrEqual(15_250);
  });

  it("is given up when it is silent", async () => {
    feed.start();
    socket().fire("open");
    socket().push("price", { price: 5 });
    await pass(SILENT_MS + 2000);
    expect(sockets[0]?.closed).toBe(true);
    expect(sockets.length).toBeGreaterThan(1);
  });

  it("drops what it has seen, takes what a new gateway says", () => {
    feed.start();
    socket().fire("open");
    socket().push("price", { price: 5 }, { seq: 9 });
    socket().push("price", { price: 4 }, { seq: 8, type: "update" });
    expect(store.get("price").data).toEqual({ price: 5 });
    socket().push("price", { price: 6 }, { seq: 1, epoch: "other", type: "update" });
    expect(store.get("price").data).toEqual({ price: 6 });
  });

  it("counts the losses it is told", () => {
    feed.start();
    socket().fire("open");
    socket().push("trades", {}, { type: "gap" });
    socket().push("events", {}, { type: "gap" });
    expect(store.getLink().gaps).toBe(2);
  });

  it("survives what is no message", () => {
    feed.start();
    socket().fire("open");
    for (const bad of ["", "{", "[]", '{"type":"error","error":"x"}', 7]) {
      socket().fire("message", bad);
    }
    expect(state()).toBe("connecting");
  });
});

describe("another instrument", () => {
  it("clears the board, subscribes anew and drops late answers of the old one", async () => {
    answers = "held";
    feed.start();
    await pass(0);
    socket().fire("open");
    const late = asked.find((a) => a.slice === "price");
    feed.setSymbol("t");
    expect(socket().sent.map((m) => [m.op, m.symbol])).toEqual([
      ["subscribe", "s"],
      ["unsubscribe", "s"],
      ["subscribe", "t"],
    ]);
    late?.answer({ price: 1 });
    await settle();
    socket().push("price", { price: 2 });
    expect(store.get("price").data).toBeNull();
    socket().push("price", { price: 3 }, { symbol: "t" });
    expect(store.get("price").data).toEqual({ price: 3 });
  });

  it("after stop nothing is asked and nothing opened", async () => {
    feed.start();
    await pass(500);
    feed.stop();
    const [a, b] = [asked.length, sockets.length];
    await pass(60_000);
    expect([asked.length, sockets.length]).toEqual([a, b]);
    expect(socket().closed).toBe(true);
  });
});
