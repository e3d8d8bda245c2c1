"use client";

import { Component } from "react";
import { ageOf, useLink, useNow, useSlice } from "@/lib/hooks";
import { age } from "@/lib/format";
import type { Slice } from "@/lib/store";

type Aged = Slice<{ data_age_ms?: number | null }>;

interface Props {
  title: string;
  slice?: Aged;
  beside?: readonly Aged[]; // further slices the panel shows: the oldest is the panel's age
  staleMs?: number; // older than this is shown grey
  stream?: "trades" | "depth"; // of the venue that feeds it: down means stale, quiet does not
  area: string;
  tools?: React.ReactNode;
  children: React.ReactNode;
  empty?: boolean; // there is an answer and nothing in it
  emptyText?: string;
}

// Why the numbers are not of now; null when they are.
function useStale(p: Props, its: number | null): string | null {
  const feed = useSlice("feed").data;
  const link = useLink();
  if (its === null) {
    return null;
  }
  const s = p.stream === undefined ? undefined : feed?.[p.stream];
  if (s?.connected === false) {
    return "feed down";
  }
  // A quiet market is not a stale one: its collector knows how long it may be silent.
  const quiet = link.state === "live" && s !== undefined ? (s.deadline_ms ?? 0) : 0;
  return its > Math.max(p.staleMs ?? 10_000, quiet) ? "stale" : null;
}

// The frame of every panel: its title, the age of its numbers, and the states a reader has to tell
// apart: loading, not offered by this gateway, failed, empty, stale.
export function Panel(p: Props): React.ReactElement {
  const now = useNow();
  const { slice } = p;
  const ages = [slice, ...(p.beside ?? [])].flatMap((s) => (s === undefined ? [] : (ageOf(s, now) ?? [])));
  const its = ages.length === 0 ? null : Math.max(...ages);
  const why = useStale(p, its);
  let body = p.children;
  let state = "ready";
  if (slice !== undefined && slice.data === null) {
    state = slice.absent ? "absent" : slice.error !== null ? "error" : "loading";
    body = (
      <p className="note" role={state === "error" ? "alert" : undefined}>
        {state === "absent"
          ? "Not offered by this gateway."
          : state === "error"
            ? `No data: ${slice.error ?? ""}`
            : "Loading …"}
      </p>
    );
  } else if (p.empty === true) {
    state = "empty";
    body = <p className="note">{p.emptyText ?? "Nothing yet."}</p>;
  }
  return (
    <section
      className={`panel area-${p.area}${why === null ? "" : " stale"}`}
      aria-label={p.title}
      data-panel={p.area}
      data-state={why === null ? state : "stale"}
    >
      <header className="panel-head">
        <h2>{p.title}</h2>
        {p.tools}
        {slice !== undefined && slice.data !== null ? (
          <span className="age" title="Age of these numbers">
            {why === null ? "" : `${why}, `}
            {age(its)}
          </span>
        ) : null}
      </header>
      <div className="panel-body">{body}</div>
    </section>
  );
}

// A panel that fails takes no other with it, and says so.
export class PanelBoundary extends Component<
  { area: string; children: React.ReactNode },
  { failed: boolean }
> {
  override state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override componentDidCatch(error: Error): void {
    // eslint-disable-next-line no-console -- whoever looks for the reason looks there
    console.error(`panel failed: ${this.props.area}: ${error.message}`);
  }

  override render(): React.ReactNode {
    if (!this.state.failed) {
      return this.props.children;
    }
    return (
      <section className={`panel area-${this.props.area}`} data-panel={this.props.area} data-state="failed">
        <div className="panel-body">
          <p className="note warn" role="alert">
            This panel failed; the others go on.
          </p>
          <button
            type="button"
            onClick={() => {
              this.setState({ failed: false });
            }}
          >
            Show it again
          </button>
        </div>
      </section>
    );
  }
}

export function Row(p: {
  label: string;
  value: string;
  tone?: "buy" | "sell" | "muted" | "warn" | "good" | undefined;
  title?: string | undefined;
  name?: string | undefined;
}): React.ReactElement {
  return (
    <div className="row" title={p.title}>
      <dt>{p.label}</dt>
      <dd className={p.tone} data-value={p.name}>
        {p.value}
      </dd>
    </div>
  );
}

export function Badge(p: {
  tone: "good" | "warn" | "bad" | "off" | "info";
  children: React.ReactNode;
  title?: string | undefined;
  name?: string | undefined;
}): React.ReactElement {
  return (
    <span className={`badge ${p.tone}`} title={p.title} data-value={p.name}>
      {p.children}
    </span>
  );
}
