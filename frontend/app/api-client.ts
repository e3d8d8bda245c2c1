// The gateway's REST interface. Answers are checked for being objects, nothing more is assumed:
// every reader treats each field as possibly null.

import type { InitialData, SliceName, Slices } from "./types";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

const PATHS: Record<SliceName, string> = {
  health: "/health",
  ready: "/ready",
  feed: "/ws/health",
  backfill: "/backfill/status",
  price: "/price",
  levels: "/levels",
  context: "/context?profile_rows=-1",
  profile: "/context?profile_rows=240",
  metrics: "/metrics",
  strategy: "/strategy/status",
  footprint: "/strategy/metrics",
  candles1m: "/strategy/candles?timeframe=1m",
  candles5m: "/strategy/candles?timeframe=5m",
  coverage: "/coverage",
  symbols: "/symbols",
  trades: "/trades?limit=200",
  book: "/book",
  mark: "/mark",
  liquidations: "/liquidations?limit=100",
  clusters: "/liquidations/clusters",
  cvd: "/indicators/cvd",
  cvdHistory: "/indicators/cvd/history?limit=1440",
  delta: "/indicators/volume-delta/multi?periods=60,300,900",
  events: "/events?limit=100",
};

// Slices of the process as a whole take no symbol.
const GLOBAL: readonly SliceName[] = ["symbols"];

export function pathOf(slice: SliceName, symbol: string | null, query = ""): string {
  const path = PATHS[slice];
  const parts: string[] = [];
  if (symbol !== null && !GLOBAL.includes(slice)) {
    parts.push(`symbol=${encodeURIComponent(symbol)}`);
  }
  if (query !== "") {
    parts.push(query);
  }
  if (parts.length === 0) {
    return path;
  }
  return `${path}${path.includes("?") ? "&" : "?"}${parts.join("&")}`;
}

function isObject(v: unknown): v is Record<string, unknown> {
  return typeof v === "object" && v !== null && !Array.isArray(v);
}

export async function fetchJson(
  url: string,
  timeoutMs: number,
  method: "GET" | "POST" = "GET",
): Promise<Record<string, unknown>> {
  const control = new AbortController();
  const timer = setTimeout(() => {
    control.abort();
  }, timeoutMs);
  try {
    const reply = await fetch(url, {
      method,
      signal: control.signal,
      cache: "no-store",
      headers: { Accept: "application/json" },
    });
    const body: unknown = await reply.json().catch(() => null);
    // /ready says with 503 what is not ready, in the same shape.
    if (!reply.ok && !(reply.status === 503 && isObject(body) && "status" in body)) {
      const why = isObject(body) && typeof body.error === "string" ? body.error : `HTTP ${reply.status}`;
      throw new ApiError(reply.status, why);
    }
    if (!isObject(body)) {
      throw new ApiError(reply.status, "not a JSON object");
    }
    return body;
  } finally {
    clearTimeout(timer);
  }
}

// An answer of REST as the slice holds it.
export function toSlice<K extends SliceName>(slice: K, body: Record<string, unknown>): Slices[K] {
  if (slice === "profile") {
    const rows = Array.isArray(body.volume_profile) ? body.volume_profile : [];
    const profile = { bin: typeof body.profile_bin === "number" ? body.profile_bin : null, rows };
    return profile as unknown as Slices[K];
  }
  return body as unknown as Slices[K];
}

export async function fetchSlice<K extends SliceName>(
  base: string,
  slice: K,
  symbol: string | null,
  query = "",
  timeoutMs = 5000,
): Promise<Slices[K]> {
  return toSlice(slice, await fetchJson(base + pathOf(slice, symbol, query), timeoutMs));
}

// The page arrives with what the first look needs; older candles are asked for by the client.
const FIRST_QUERY: Partial<Record<SliceName, string>> = { candles1m: "count=180" };

// Begins the CVD anew. True: done; false: it is written and will be.
export async function resetCvd(base: string, symbol: string | null): Promise<boolean> {
  const query = symbol === null ? "" : `?symbol=${encodeURIComponent(symbol)}`;
  const body = await fetchJson(`${base}/indicators/cvd/reset${query}`, 15_000, "POST");
  return body.status === "applied";
}

const FIRST: readonly SliceName[] = [
  "health",
  "price",
  "context",
  "profile",
  "strategy",
  "footprint",
  "candles1m",
  "coverage",
  "symbols",
  "feed",
  "backfill",
];

// All at once; what fails stays away and the client asks again.
export async function fetchInitial(base: string, symbol: string | null): Promise<InitialData> {
  const data: Record<string, unknown> = {};
  await Promise.all(
    FIRST.map(async (slice) => {
      try {
        data[slice] = await fetchSlice(base, slice, symbol, FIRST_QUERY[slice] ?? "", 1500);
      } catch {
        // The page is rendered without it.
      }
    }),
  );
  return data as InitialData;
}
