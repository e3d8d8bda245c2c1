"use client";

// Session, regime, backfill, trading, feeds, coverage: can these numbers be trusted, and what is on.

import { Badge, Panel, Row } from "@/components/panel";
import { age, clock, countdown, duration, NONE, num, parseTime, percent } from "@/lib/format";
import { useNow, useSlice, useSlowSlice } from "@/lib/hooks";
import { coverageStrip } from "@/lib/market";
import type { StreamHealth } from "@/types";

const SESSION_NAMES: Record<string, string> = {
  off: "No session",
  waiting_for_session: "No session",
  london: "London",
  overlap: "London / New York overlap",
};

export function sessionName(state: string | null | undefined): string {
  return state === null || state === undefined ? NONE : (SESSION_NAMES[state] ?? state);
}

// Seconds to the next change: counted on from when the answer came.
export function useCountdown(): { state: string | null; seconds: number | null; next: string | null } {
  const now = useNow();
  const strategy = useSlice("strategy");
  const s = strategy.data?.scheduler_state;
  if (s === undefined || s.time_to_change_seconds === null) {
    return { state: s?.current_session ?? null, seconds: null, next: null };
  }
  const passed = now === 0 ? 0 : (now - strategy.at) / 1000;
  return {
    state: s.current_session,
    seconds: s.time_to_change_seconds - passed,
    next: s.next_session,
  };
}

export function SessionPanel(): React.ReactElement {
  const strategy = useSlice("strategy");
  const { state, seconds, next } = useCountdown();
  const a = strategy.data?.context_analysis ?? null;
  return (
    <Panel title="Session and regime" area="session" slice={strategy} staleMs={15_000}>
      <p className={`session-name session-${state ?? "none"}`} data-value="session">
        {sessionName(state)}
      </p>
      <dl className="rows">
        <Row
          label={state === "waiting_for_session" ? "Opens in" : "Ends in"}
          value={countdown(seconds)}
          name="countdown"
        />
        <Row label="Next" value={sessionName(next)} />
        <Row label="Regime" value={a?.regime ?? NONE} name="regime" />
        <Row label="Confidence" value={percent(a?.confidence, 0)} name="confidence" />
        <Row label="Profile strength" value={num(a?.volume_profile_strength, 3)} />
      </dl>
    </Panel>
  );
}

export function TrustPanel(): React.ReactElement {
  const health = useSlice("health");
  const backfill = useSlice("backfill");
  const ready = useSlice("ready");
  const h = health.data;
  const b = backfill.data;
  const p = b?.progress.percentage ?? null;
  return (
    <Panel title="Trust" area="trust" slice={health} staleMs={20_000}>
      <dl className="rows">
        <Row
          label="Precision"
          value={h?.metrics_precision ?? NONE}
          tone={h?.metrics_precision === "PRECISE" ? "good" : "warn"}
          name="precision"
        />
        <Row
          label="Trading"
          value={h === null ? NONE : h.trading_enabled ? "enabled" : "held back"}
          tone={h?.trading_enabled === true ? "good" : "muted"}
          name="trading"
        />
        <Row
          label="Ready"
          value={ready.data?.status ?? NONE}
          tone={ready.data?.status === "ok" ? "good" : "warn"}
        />
        <Row label="Backfill" value={b?.status ?? NONE} name="backfill" />
        <Row label="Trades loaded" value={num(b?.trades_loaded, 0)} name="backfill-loaded" />
        <Row
          label="Time left"
          value={b?.running === true ? duration(b.progress.estimated_seconds_remaining) : NONE}
          name="backfill-eta"
        />
        {b?.breaker !== undefined && b.breaker.state !== "closed" ? (
          <Row label="Venue" value={`breaker ${b.breaker.state}`} tone="warn" />
        ) : null}
      </dl>
      <progress className="progress" max={100} value={p ?? 0} aria-label="Backfill progress" />
      {b?.error != null && b.error !== "" ? (
        <p className="note warn" role="alert">
          {b.error}
        </p>
      ) : null}
    </Panel>
  );
}

function Stream(p: { name: string; s: StreamHealth | undefined; now: number }): React.ReactElement {
  const { s } = p;
  const last = parseTime(s?.last_ts);
  const tone = s?.connected !== true ? "bad" : s.silent === true ? "warn" : "good";
  return (
    <li>
      <strong>{p.name}</strong>
      <Badge tone={s === undefined ? "off" : tone} name={`feed-${p.name}`}>
        {s === undefined
          ? "unknown"
          : s.connected === true
            ? s.silent === true
              ? "silent"
              : "connected"
            : "down"}
      </Badge>
      <span title="Time of the newest event at the venue">{last === null ? NONE : `${clock(last)} UTC`}</span>
      <span>{last === null || p.now === 0 ? NONE : `${age(p.now - last)} ago`}</span>
      <span>
        <span data-value={`events-${p.name}`}>{num(s?.events_received, 0)}</span> events,{" "}
        {num(s?.reconnect_attempts, 0)} reconnects
        {s?.gaps !== undefined ? `, ${num(s.gaps, 0)} gaps` : ""}
      </span>
    </li>
  );
}

export function FeedsPanel(): React.ReactElement {
  const feed = useSlice("feed");
  const now = useNow();
  const f = feed.data;
  return (
    <Panel title="Feeds" area="feeds" slice={feed} staleMs={20_000}>
      <ul className="feeds">
        {f?.connector !== undefined ? <Stream name="connector" s={f.connector} now={now} /> : null}
        {f?.trades !== undefined || f?.connector === undefined ? (
          <Stream name="trades" s={f?.trades} now={now} />
        ) : null}
        {f?.depth !== undefined ? <Stream name="depth" s={f.depth} now={now} /> : null}
      </ul>
    </Panel>
  );
}

const HOURS = [0, 4, 8, 12, 16, 20];

export function CoveragePanel(): React.ReactElement {
  const coverage = useSlowSlice("coverage", 1000);
  const c = coverage.data?.coverage ?? null;
  const start = c === null ? 0 : Date.parse(`${c.day}T00:00:00Z`);
  const parts = c === null ? [] : coverageStrip(start, c.spans, coverage.data?.repaired ?? []);
  const missing = c?.missing_ms ?? null;
  const text =
    c === null
      ? "unknown"
      : `${percent(c.fraction, 2)} of the day so far, ${num(c.holes, 0)} holes, ${duration((missing ?? 0) / 1000)} missing`;
  return (
    <Panel title="Coverage" area="coverage" slice={coverage} staleMs={20_000}>
      <div className="strip" role="img" aria-label={`Coverage of ${c?.day ?? "the day"}: ${text}`}>
        {parts.map((p) => (
          <span
            key={`${p.state}${p.from_ms}`}
            className={`span ${p.state}`}
            data-state={p.state}
            style={{ left: `${p.left * 100}%`, width: `max(${p.width * 100}%, 2px)` }}
            title={`${p.state} ${clock(p.from_ms)} – ${clock(p.to_ms)} UTC`}
          />
        ))}
      </div>
      <div className="hours" aria-hidden="true">
        {HOURS.map((h) => (
          <span key={h} style={{ left: `${(h / 24) * 100}%` }}>
            {h < 10 ? `0${h}` : h}
          </span>
        ))}
      </div>
      <p className="note" data-value="coverage">
        {c === null ? "No day yet." : `${c.day}: ${text}`}
      </p>
    </Panel>
  );
}
