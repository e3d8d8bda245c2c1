"use client";

// Session, regime, backfill, trading, feeds, coverage: can these numbers be trusted, and what is on.

import { Badge, Panel, Row } from "@/components/panel";
import { age, clock, compact, countdown, duration, NONE, num, parseTime, percent } from "@/lib/format";
import { useMarketClock, useNow, useSlice, useSlowSlice } from "@/lib/hooks";
import { coverageStrip } from "@/lib/market";
import type { BackfillStatus, FeedHealth, Span, StreamHealth } from "@/types";

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

// "42 %, 280K of 669K"; when all is there, that.
function progressText(b: BackfillStatus | null): string {
  if (b === null) {
    return NONE;
  }
  const { current, total, percentage } = b.progress;
  return percentage === null || total === null || total === 0
    ? NONE
    : current === total
      ? `${num(percentage, 0)} %`
      : `${num(percentage, 0)} %, ${compact(current)} of ${compact(total)}`;
}

export function TrustPanel(): React.ReactElement {
  const health = useSlice("health");
  const backfill = useSlice("backfill");
  const ready = useSlice("ready");
  const h = health.data;
  const b = backfill.data;
  const p = b?.progress.percentage ?? null;
  const blocked = h?.trading_blocked_by ?? [];
  return (
    <Panel title="Trust" area="trust" slice={health} beside={[backfill, ready]} staleMs={20_000}>
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
          label="Held by"
          value={blocked.length === 0 ? NONE : blocked.join(", ")}
          tone={blocked.length === 0 ? "muted" : "warn"}
          name="blocked"
        />
        <Row
          label="Ready"
          value={ready.data?.status ?? NONE}
          tone={ready.data?.status === "ok" ? "good" : "warn"}
        />
        <Row
          label="Backfill"
          value={b?.status ?? NONE}
          tone={b?.status === "complete" ? "good" : b?.status === "error" ? "warn" : undefined}
          name="backfill"
        />
        <Row label="Progress" value={progressText(b)} name="backfill-progress" />
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

function streamWord(s: StreamHealth | undefined): { word: string; tone: "good" | "warn" | "bad" | "off" } {
  if (s === undefined) {
    return { word: "unknown", tone: "off" };
  }
  if (s.connected !== true) {
    return { word: "down", tone: "bad" };
  }
  return s.silent === true ? { word: "silent", tone: "warn" } : { word: "connected", tone: "good" };
}

function Stream(p: { name: string; s: StreamHealth | undefined; market: number | null }): React.ReactElement {
  const { s, market } = p;
  const last = parseTime(s?.last_ts);
  const { word, tone } = streamWord(s);
  const deadline =
    s?.deadline_ms == null ? "" : `, expected at least every ${duration(s.deadline_ms / 1000)}`;
  return (
    <tr>
      <th scope="row">{p.name}</th>
      <td>
        <Badge tone={tone} name={`feed-${p.name}`}>
          {word}
        </Badge>
      </td>
      <td
        title={last === null ? undefined : `newest event ${clock(last)} UTC${deadline}`}
        data-value={`age-${p.name}`}
      >
        {last === null || market === null ? NONE : age(market - last)}
      </td>
      <td data-value={`events-${p.name}`}>{num(s?.events_received, 0)}</td>
    </tr>
  );
}

// Milliseconds while the feed is live; minutes when what came was long past, as in a replay.
function lag(ms: number | null | undefined): string {
  return ms == null || Math.abs(ms) < 10_000 ? `${num(ms, 0)} ms` : duration(ms / 1000);
}

function sum(f: FeedHealth | null, name: "reconnect_attempts" | "gaps"): number | null {
  const known = [f?.trades, f?.depth, f?.connector].flatMap((s) => s?.[name] ?? []);
  return known.length === 0 ? null : known.reduce((a, b) => a + b, 0);
}

export function FeedsPanel(): React.ReactElement {
  const feed = useSlice("feed");
  const flow = useSlice("metrics");
  const market = useMarketClock();
  const f = feed.data;
  const l = flow.data?.latency_ms;
  return (
    <Panel title="Feeds" area="feeds" slice={feed} beside={[flow]} staleMs={20_000}>
      <table className="grid-table feeds">
        <thead>
          <tr>
            <th scope="col">Stream</th>
            <th scope="col">State</th>
            <th scope="col">Last</th>
            <th scope="col">Events</th>
          </tr>
        </thead>
        <tbody>
          {f?.connector !== undefined ? <Stream name="connector" s={f.connector} market={market} /> : null}
          {f?.trades !== undefined || f?.connector === undefined ? (
            <Stream name="trades" s={f?.trades} market={market} />
          ) : null}
          {f?.depth !== undefined ? <Stream name="depth" s={f.depth} market={market} /> : null}
        </tbody>
      </table>
      <p className="note">
        {num(sum(f, "reconnect_attempts"), 0)} reconnects · {num(sum(f, "gaps"), 0)} gaps ·{" "}
        <span title="Venue to here, p99">{lag(l?.feed_p99)}</span>
      </p>
    </Panel>
  );
}

const HOURS = [0, 4, 8, 12, 16, 20];
const STATES = ["complete", "repaired", "partial", "missing", "lost"] as const;

function stateOf(s: Span): Span["state"] {
  return s.lost === true ? "lost" : s.state;
}

// What is not simply complete, newest first: the strip for those who cannot see it, or want numbers.
function Intervals({ spans }: { spans: readonly Span[] }): React.ReactElement {
  const rows = spans.filter((s) => s.state !== "complete").slice(-40);
  return (
    <details className="intervals">
      <summary>{rows.length === 0 ? "No hole and no repair" : `Holes and repairs (${rows.length})`}</summary>
      {rows.length === 0 ? null : (
        <div className="scroll-soft" tabIndex={0} role="group" aria-label="Holes and repairs">
          <table className="grid-table">
            <thead>
              <tr>
                <th scope="col">State</th>
                <th scope="col">From</th>
                <th scope="col">To</th>
                <th scope="col">Length</th>
                <th scope="col">Trades</th>
                <th scope="col">Reason</th>
              </tr>
            </thead>
            <tbody>
              {[...rows].reverse().map((s) => (
                <tr key={s.from_ms} data-value="interval">
                  <td>{stateOf(s)}</td>
                  <td>{clock(s.from_ms)}</td>
                  <td>{clock(s.to_ms)}</td>
                  <td>{duration((s.to_ms - s.from_ms) / 1000)}</td>
                  <td>{s.from_id == null || s.to_id == null ? NONE : num(s.to_id - s.from_id + 1, 0)}</td>
                  <td>{s.reason ?? NONE}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  );
}

export function CoveragePanel(): React.ReactElement {
  const coverage = useSlowSlice("coverage", 1000);
  const c = coverage.data?.coverage ?? null;
  const start = c === null ? 0 : Date.parse(`${c.day}T00:00:00Z`);
  const parts = c === null ? [] : coverageStrip(start, c.spans);
  const missing = c?.missing_ms ?? null;
  const text =
    c === null
      ? "unknown"
      : `${percent(c.fraction, 2)} of the day so far, ${num(c.holes, 0)} holes, ${duration((missing ?? 0) / 1000)} missing`;
  return (
    <Panel
      title="Coverage"
      area="coverage"
      slice={coverage}
      staleMs={20_000}
      tools={
        <ul className="legend" aria-label="Colours">
          {STATES.map((s) => (
            <li key={s}>
              <span className={`swatch span ${s}`} aria-hidden="true" />
              {s}
            </li>
          ))}
        </ul>
      }
    >
      <div className="strip" role="img" aria-label={`Coverage of ${c?.day ?? "the day"}: ${text}`}>
        {parts.map((p) => (
          <span
            key={`${p.state}${p.from_ms}`}
            className={`span ${p.state}`}
            data-state={p.state}
            style={{ left: `${p.left * 100}%`, width: `max(${p.width * 100}%, 2px)` }}
            title={`${p.state} ${clock(p.from_ms)} – ${clock(p.to_ms)} UTC, ${duration((p.to_ms - p.from_ms) / 1000)}${p.reason === null ? "" : `: ${p.reason}`}`}
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
      <div className="coverage-foot">
        <p className="note" data-value="coverage">
          {c === null ? "No day yet." : `${c.day}: ${text}`}
        </p>
        <Intervals spans={c?.spans ?? []} />
      </div>
    </Panel>
  );
}
