// Keeps the store current: the gateway's WebSocket while it is there, polling while it is not, and
// polling always for what is not pushed. Clock, socket and fetch are passed in, so that tests can
// move time by hand.

import { ApiError } from "../api-client";
import type { fetchSlice } from "../api-client";
import type { Candles, SliceName } from "../types";
import { CHANNELS, mergeCandles, parseMessage, reduce } from "./reduce";
import type { PushMessage } from "./reduce";
import type { Store } from "./store";

// The part of WebSocket that is used.
export interface SocketLike {
  addEventListener(type: "open" | "close", listener: () => void): void;
  addEventListener(type: "message", listener: (e: { data: unknown }) => void): void;
  send(text: string): void;
  close(): void;
}

export interface FeedDeps {
  now: () => number;
  openSocket: (url: string) => SocketLike;
  fetchSlice: typeof fetchSlice;
  setTimer: (fn: () => void, ms: number) => unknown;
  clearTimer: (id: unknown) => void;
}

interface Plan {
  slice: SliceName;
  everyMs: number;
  pushed: boolean; // not asked for while the socket is up
}

// What existing dashboards poll, in their rhythm, and the rest more slowly.
const PLANS: readonly Plan[] = [
  { slice: "price", everyMs: 1000, pushed: true },
  { slice: "trades", everyMs: 1000, pushed: true },
  { slice: "book", everyMs: 1000, pushed: true },
  { slice: "footprint", everyMs: 2000, pushed: true },
  { slice: "candles1m", everyMs: 2000, pushed: true },
  { slice: "candles5m", everyMs: 4000, pushed: true },
  { slice: "liquidations", everyMs: 3000, pushed: true },
  { slice: "events", everyMs: 3000, pushed: true },
  { slice: "mark", everyMs: 3000, pushed: true },
  { slice: "health", everyMs: 5000, pushed: true },
  { slice: "strategy", everyMs: 5000, pushed: true },
  { slice: "context", everyMs: 7000, pushed: true },
  { slice: "profile", everyMs: 7000, pushed: true },
  { slice: "metrics", everyMs: 2000, pushed: true },
  { slice: "ready", everyMs: 5000, pushed: false },
  { slice: "feed", everyMs: 5000, pushed: true },
  { slice: "backfill", everyMs: 3000, pushed: false },
  { slice: "coverage", everyMs: 5000, pushed: true },
  { slice: "clusters", everyMs: 5000, pushed: false },
  { slice: "cvd", everyMs: 2000, pushed: true },
  { slice: "cvdHistory", everyMs: 5000, pushed: true },
  { slice: "delta", everyMs: 2000, pushed: true },
  { slice: "symbols", everyMs: 15000, pushed: false },
];

// Candles are many: all of them are asked for once, then once in a while (older ones may have been
// revised), and only the newest in between.
type History = "candles1m" | "candles5m";
const HISTORY_QUERY = "count=1000";
const NEWEST_QUERY = "count=20";
const HISTORY_MS = 60_000;

// An endpoint that is not there is looked for again this often.
const ABSENT_MS = 60_000;
// The gateway pings every 20 s and pushes far more often.
export const SILENT_MS = 25_000;
const RETRY_MIN_MS = 1000;
const RETRY_MAX_MS = 15_000;
const TICK_MS = 250;
// Nothing heard from the gateway by any way for this long: disconnected.
export const DISCONNECTED_MS = 6000;

function isHistory(slice: SliceName): slice is History {
  return slice === "candles1m" || slice === "candles5m";
}

export class Feed {
  private socket: SocketLike | null = null;
  private isOpen = false;
  private stopped = true;
  private heardAt = 0; // of the socket
  private retryAt = 0;
  private attempt = 0;
  private timer: unknown = null;
  private due = new Map<SliceName, number>();
  private underWay = new Set<SliceName>();
  private round = 0; // answers of an earlier instrument are dropped
  private positions = new Map<string, { epoch: string; seq: number }>();
  private historyAt = new Map<SliceName, number>(); // when all candles were got

  constructor(
    private base: string,
    private symbol: string | null,
    private store: Store,
    private deps: FeedDeps,
  ) {}

  start(): void {
    this.stopped = false;
    const now = this.deps.now();
    this.store.setLink({ state: "connecting", since: now, lastAt: now });
    this.connect();
    this.tick();
  }

  stop(): void {
    this.stopped = true;
    this.round++;
    if (this.timer !== null) {
      this.deps.clearTimer(this.timer);
    }
    this.dropSocket();
  }

  setSymbol(symbol: string): void {
    if (symbol === this.symbol) {
      return;
    }
    if (this.isOpen && this.symbol !== null) {
      this.send({ op: "unsubscribe", channels: [...CHANNELS], symbol: this.symbol });
    }
    this.symbol = symbol;
    this.round++;
    this.due.clear();
    this.underWay.clear();
    this.positions.clear();
    this.historyAt.clear();
    this.store.clear(["symbols"]);
    if (this.isOpen) {
      this.subscribe();
    }
  }

  // ---- socket ----------------------------------------------------------------------------------

  private connect(): void {
    const url = `${this.base.replace(/^http/, "ws")}/ws`;
    let socket: SocketLike;
    try {
      socket = this.deps.openSocket(url);
    } catch {
      this.later();
      return;
    }
    this.socket = socket;
    this.heardAt = this.deps.now();
    socket.addEventListener("open", () => {
      if (this.socket === socket) {
        this.isOpen = true;
        this.heardAt = this.deps.now();
        this.subscribe();
      }
    });
    socket.addEventListener("message", (e) => {
      if (this.socket === socket && typeof e.data === "string") {
        this.onText(e.data);
      }
    });
    socket.addEventListener("close", () => {
      if (this.socket === socket) {
        this.dropSocket();
        this.later();
      }
    });
  }

  private later(): void {
    const most = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** this.attempt);
    this.attempt++;
    this.retryAt = this.deps.now() + most;
  }

  private dropSocket(): void {
    const socket = this.socket;
    this.socket = null;
    this.isOpen = false;
    socket?.close();
    for (const plan of PLANS) {
      if (plan.pushed && !this.store.get(plan.slice).absent) {
        this.due.delete(plan.slice); // ask at once for what was pushed so far
      }
    }
  }

  private send(message: Record<string, unknown>): void {
    try {
      this.socket?.send(JSON.stringify(message));
    } catch {
      // Its close is on the way.
    }
  }

  private subscribe(): void {
    const symbol = this.symbol;
    this.send({ op: "subscribe", channels: [...CHANNELS], ...(symbol === null ? {} : { symbol }) });
  }

  private onText(text: string): void {
    const now = this.deps.now();
    this.heardAt = now;
    const m = parseMessage(text);
    if (m === null || m.type === "error") {
      return;
    }
    if (this.symbol !== null && m.symbol !== this.symbol) {
      return;
    }
    this.attempt = 0;
    this.store.setLink({ state: "live", lastAt: now, ...(this.isLive() ? {} : { since: now }) });
    this.apply(m, now);
  }

  private apply(m: PushMessage, now: number): void {
    if (m.type === "gap") {
      this.store.setLink({ gaps: this.store.getLink().gaps + 1 });
      return;
    }
    const at = this.positions.get(m.ch);
    if (m.type === "update" && at !== undefined && m.epoch === at.epoch && m.seq <= at.seq) {
      return; // seen already
    }
    this.positions.set(m.ch, { epoch: m.epoch, seq: m.seq });
    for (const change of reduce(m, (name) => this.store.get(name).data)) {
      this.store.set(change.slice, change.data, now, "push");
    }
  }

  private isLive(): boolean {
    return this.store.getLink().state === "live";
  }

  // ---- polling ---------------------------------------------------------------------------------

  private tick(): void {
    if (this.stopped) {
      return;
    }
    const now = this.deps.now();
    if (this.socket !== null && now - this.heardAt > SILENT_MS) {
      this.dropSocket();
      this.later();
    }
    if (this.socket === null && now >= this.retryAt) {
      this.connect();
    }
    for (const plan of PLANS) {
      if (plan.pushed && this.isOpen && this.store.get(plan.slice).source === "push") {
        // The push channel brings the newest candles; those before them are asked for once.
        if (!isHistory(plan.slice) || this.historyAt.has(plan.slice)) {
          continue;
        }
      }
      if (now >= (this.due.get(plan.slice) ?? 0) && !this.underWay.has(plan.slice)) {
        this.due.set(plan.slice, now + plan.everyMs);
        void this.poll(plan);
      }
    }
    const link = this.store.getLink();
    if (!(this.isOpen && link.state === "live")) {
      const state =
        now - link.lastAt > DISCONNECTED_MS
          ? "disconnected"
          : link.state === "connecting" && now - link.since < 1500
            ? "connecting"
            : "polling";
      this.store.setLink(state === link.state ? {} : { state, since: now });
    }
    this.timer = this.deps.setTimer(() => {
      this.tick();
    }, TICK_MS);
  }

  private async poll(plan: Plan): Promise<void> {
    const round = this.round;
    const { slice } = plan;
    const isAll =
      isHistory(slice) && this.deps.now() - (this.historyAt.get(slice) ?? -HISTORY_MS) >= HISTORY_MS;
    const query = isHistory(slice) ? (isAll ? HISTORY_QUERY : NEWEST_QUERY) : "";
    this.underWay.add(slice);
    try {
      const data = await this.deps.fetchSlice(this.base, slice, this.symbol, query);
      if (round !== this.round) {
        return;
      }
      const now = this.deps.now();
      this.store.setLink({ lastAt: now });
      if (isHistory(slice)) {
        this.takeCandles(slice, data as Candles, isAll, now);
        return;
      }
      // A push that came meanwhile is newer.
      if (!(plan.pushed && this.isOpen && this.store.get(slice).source === "push")) {
        this.store.set(slice, data, now, "poll");
      }
    } catch (e) {
      if (round !== this.round) {
        return;
      }
      const absent = e instanceof ApiError && e.status === 404;
      if (e instanceof ApiError) {
        this.store.setLink({ lastAt: this.deps.now() });
      }
      if (absent) {
        this.due.set(plan.slice, this.deps.now() + ABSENT_MS);
      }
      this.store.fail(plan.slice, e instanceof Error ? e.message : "failed", absent);
    } finally {
      if (round === this.round) {
        this.underWay.delete(plan.slice);
      }
    }
  }

  private takeCandles(slice: History, answer: Candles, isAll: boolean, now: number): void {
    const held = this.store.get(slice);
    if (isAll) {
      this.historyAt.set(slice, now);
    }
    if (this.isOpen && held.source === "push" && held.data !== null) {
      // What was pushed is newer.
      this.store.set(slice, mergeCandles(answer, held.data), held.at, "push");
    } else {
      this.store.set(slice, isAll ? answer : mergeCandles(held.data, answer), now, "poll");
    }
  }
}
