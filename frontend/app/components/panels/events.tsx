"use client";

// What the system told: candles, sessions, regime, in the order it told it.

import { Panel } from "@/components/panel";
import { clock, NONE, num, percent, signed } from "@/lib/format";
import { useMarketClock, useSlowSlice, useStored } from "@/lib/hooks";
import type { Units } from "@/lib/units";

const DAY_MS = 86_400_000;

// What an event says, in a line.
function describe(type: string, data: Record<string, unknown>, decimals: number): string {
  const n = (key: string): number | null => (typeof data[key] === "number" ? data[key] : null);
  const s = (key: string): string => (typeof data[key] === "string" ? data[key] : "");
  if (type === "candle_complete" || type === "candle_revised") {
    const candle = (data.candle ?? {}) as Record<string, unknown>;
    const of = (key: string): number | null => (typeof candle[key] === "number" ? candle[key] : null);
    return `${s("timeframe")} close ${num(of("close"), decimals)}, delta ${signed(of("delta"), 1)}`;
  }
  if (type === "session_change") {
    return `${s("from") || "?"} → ${s("to") || s("session") || "?"}`;
  }
  if (type === "regime_change") {
    return `${s("from") || "?"} → ${s("to") || s("regime") || "?"}, confidence ${percent(n("confidence"), 0)}`;
  }
  return Object.entries(data)
    .slice(0, 4)
    .map(([k, v]) => `${k} ${String(v)}`)
    .join(", ");
}

const KINDS = [
  ["all", "all"],
  ["session_change", "sessions"],
  ["regime_change", "regime"],
  ["candle_complete", "candles"],
  ["candle_revised", "revisions"],
] as const;

export function EventsPanel({ units }: { units: Units }): React.ReactElement {
  const events = useSlowSlice("events", 500);
  const market = useMarketClock();
  const [kind, setKind] = useStored<string>("bc4.events", "all");
  const today = Math.floor((market ?? 0) / DAY_MS);
  const rows = (events.data?.events ?? []).filter((e) => kind === "all" || e.type === kind).slice(0, 40);
  const tools = (
    <label className="field">
      <span className="hidden">Show</span>
      <select
        value={kind}
        onChange={(e) => {
          setKind(e.target.value);
        }}
      >
        {KINDS.map(([value, label]) => (
          <option key={value} value={value}>
            {label}
          </option>
        ))}
      </select>
    </label>
  );
  return (
    <Panel
      title="Events"
      area="events"
      slice={events}
      staleMs={600_000}
      tools={tools}
      emptyText="No event of that kind yet."
      empty={events.data !== null && rows.length === 0}
    >
      <ul className="events scroll" tabIndex={0} aria-label="Events, newest first">
        {rows.map((e) => (
          <li key={e.id} data-value="event">
            <time dateTime={e.ts} title={e.ts}>
              {clock(e.ts_ms)}
            </time>
            <strong className={e.type}>{e.type.replaceAll("_", " ")}</strong>
            <span>
              {describe(e.type, e.data, units.price) || NONE}
              {market !== null && Math.floor(e.ts_ms / DAY_MS) !== today ? ` · ${e.ts.slice(0, 10)}` : ""}
            </span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
