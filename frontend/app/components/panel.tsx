"use client";

import { ageOf, useNow } from "@/lib/hooks";
import { age } from "@/lib/format";
import type { Slice } from "@/lib/store";

type Aged = Slice<{ data_age_ms?: number | null }>;

interface Props {
  title: string;
  slice?: Aged;
  staleMs?: number; // older than this is shown grey
  area: string;
  tools?: React.ReactNode;
  children: React.ReactNode;
  empty?: boolean; // there is an answer and nothing in it
  emptyText?: string;
}

// The frame of every panel: its title, the age of its numbers, and the states a reader has to tell
// apart: loading, not offered by this gateway, failed, empty, stale.
export function Panel(p: Props): React.ReactElement {
  const now = useNow();
  const { slice } = p;
  const its = slice === undefined ? null : ageOf(slice, now);
  const isStale = its !== null && its > (p.staleMs ?? 10_000);
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
      className={`panel area-${p.area}${isStale ? " stale" : ""}`}
      aria-label={p.title}
      data-panel={p.area}
      data-state={isStale ? "stale" : state}
    >
      <header className="panel-head">
        <h2>{p.title}</h2>
        {p.tools}
        {slice !== undefined && slice.data !== null ? (
          <span className="age" title="Age of these numbers">
            {isStale ? "stale, " : ""}
            {age(its)}
          </span>
        ) : null}
      </header>
      <div className="panel-body">{body}</div>
    </section>
  );
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
