// Numbers and times as people read them. Unknown is an en dash, never 0.

export const NONE = "–";

// Decimals after the point of a tick or step: 0.1 -> 1, 0.001 -> 3, 1e-7 -> 7.
export function decimalsOf(step: number | null | undefined): number {
  if (step === null || step === undefined || !(step > 0)) {
    return 2;
  }
  const text = step.toString();
  const exp = /e-(\d+)$/.exec(text);
  if (exp?.[1] !== undefined) {
    return Math.min(10, Number(exp[1]) + (text.split("e")[0]?.split(".")[1]?.length ?? 0));
  }
  return Math.min(10, text.split(".")[1]?.length ?? 0);
}

const formats = new Map<string, Intl.NumberFormat>();

function numberFormat(decimals: number, compact: boolean): Intl.NumberFormat {
  const key = `${decimals}${compact ? "c" : ""}`;
  let f = formats.get(key);
  if (f === undefined) {
    f = new Intl.NumberFormat("en-US", {
      minimumFractionDigits: compact ? 0 : decimals,
      maximumFractionDigits: decimals,
      ...(compact ? { notation: "compact" as const } : {}),
    });
    formats.set(key, f);
  }
  return f;
}

export function num(v: number | null | undefined, decimals: number): string {
  return v === null || v === undefined || !Number.isFinite(v)
    ? NONE
    : numberFormat(decimals, false).format(v);
}

export function signed(v: number | null | undefined, decimals: number): string {
  if (v === null || v === undefined || !Number.isFinite(v)) {
    return NONE;
  }
  const text = numberFormat(decimals, false).format(Math.abs(v));
  return v > 0 ? `+${text}` : v < 0 ? `−${text}` : text;
}

export function compact(v: number | null | undefined): string {
  return v === null || v === undefined || !Number.isFinite(v) ? NONE : numberFormat(2, true).format(v);
}

export function percent(v: number | null | undefined, decimals = 1): string {
  return v === null || v === undefined || !Number.isFinite(v)
    ? NONE
    : `${numberFormat(decimals, false).format(v * 100)} %`;
}

function two(n: number): string {
  return n < 10 ? `0${n}` : `${n}`;
}

export function clock(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) {
    return NONE;
  }
  const d = new Date(ms);
  return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`;
}

// "3 h 04 min", "12 min 05 s", "42 s".
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) {
    return NONE;
  }
  const s = Math.max(0, Math.round(seconds));
  if (s >= 3600) {
    return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} min`;
  }
  return s >= 60 ? `${Math.floor(s / 60)} min ${two(s % 60)} s` : `${s} s`;
}

// hh:mm:ss of what remains.
export function countdown(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) {
    return NONE;
  }
  const s = Math.max(0, Math.floor(seconds));
  return `${two(Math.floor(s / 3600))}:${two(Math.floor((s % 3600) / 60))}:${two(s % 60)}`;
}

// Age of a number: coarse on purpose, it stands beside many of them.
export function age(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) {
    return NONE;
  }
  const v = Math.max(0, ms);
  if (v < 1000) {
    return "<1 s";
  }
  if (v < 60_000) {
    return `${Math.floor(v / 1000)} s`;
  }
  return v < 3_600_000 ? `${Math.floor(v / 60_000)} min` : `${Math.floor(v / 3_600_000)} h`;
}

export function parseTime(iso: string | null | undefined): number | null {
  if (iso === null || iso === undefined || iso === "") {
    return null;
  }
  const ms = Date.parse(iso);
  return Number.isNaN(ms) ? null : ms;
}
