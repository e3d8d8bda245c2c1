"use client";

import { useEffect, useRef, useState } from "react";
import { Badge } from "@/components/panel";
import { sessionName, useCountdown } from "@/components/panels/status";
import { age, clock, countdown, num } from "@/lib/format";
import { ageOf, useLink, useMarketClock, useNow, useSlice } from "@/lib/hooks";
import type { LinkState } from "@/lib/store";

const LINK: Record<LinkState, { text: string; tone: "good" | "warn" | "bad" | "info"; title: string }> = {
  connecting: { text: "connecting", tone: "info", title: "Reaching the gateway" },
  live: { text: "live", tone: "good", title: "Numbers are pushed by the gateway" },
  polling: {
    text: "polling",
    tone: "warn",
    title: "No push connection: numbers are asked for every few seconds",
  },
  disconnected: {
    text: "disconnected",
    tone: "bad",
    title: "The gateway does not answer; numbers are old",
  },
};

function LastPrice({ decimals }: { decimals: number }): React.ReactElement {
  const price = useSlice("price");
  const now = useNow();
  const before = useRef<number | null>(null);
  const [direction, setDirection] = useState<"buy" | "sell" | "">("");
  const value = price.data?.price ?? null;
  useEffect(() => {
    if (value !== null && before.current !== null && value !== before.current) {
      setDirection(value > before.current ? "buy" : "sell");
    }
    before.current = value;
  }, [value]);
  const its = ageOf(price, now);
  return (
    <p className="last-price">
      <span className={`price ${direction}`} data-value="price">
        {num(value, decimals)}
      </span>
      <span className="age" title="Age of the price">
        {age(its)}
      </span>
    </p>
  );
}

interface Props {
  decimals: number;
  symbol: string | null;
  onSymbol: (symbol: string) => void;
  theme: string;
  onTheme: () => void;
}

export function TopBar(p: Props): React.ReactElement {
  const link = useLink();
  const now = useNow();
  const health = useSlice("health").data;
  const symbols = useSlice("symbols").data?.symbols ?? [];
  const { state, seconds } = useCountdown();
  const said = LINK[link.state];
  const market = useMarketClock();
  const apart = market === null || link.state !== "live" ? 0 : market - now;
  return (
    <header className="top-bar">
      <h1>botcrypto4</h1>
      <label className="field">
        <span className="hidden">Instrument</span>
        <select
          value={p.symbol ?? ""}
          onChange={(e) => {
            p.onSymbol(e.target.value);
          }}
          data-value="instrument"
        >
          {symbols.length === 0 ? <option value={p.symbol ?? ""}>{p.symbol ?? "…"}</option> : null}
          {symbols.map((s) => (
            <option key={s.symbol} value={s.symbol}>
              {s.symbol}
            </option>
          ))}
        </select>
      </label>
      <LastPrice decimals={p.decimals} />
      <div className="badges">
        <Badge tone={state === "london" || state === "overlap" ? "info" : "off"} name="session-badge">
          {sessionName(state)} {seconds === null ? "" : countdown(seconds)}
        </Badge>
        <Badge
          tone={health?.metrics_precision === "PRECISE" ? "good" : "warn"}
          title="Precision of the day's numbers"
        >
          {health?.metrics_precision ?? "precision unknown"}
        </Badge>
        {Math.abs(apart) > 5000 && market !== null ? (
          <Badge tone="warn" title="The market's clock is not this machine's" name="market-clock">
            market time {new Date(market).toISOString().slice(0, 19).replace("T", " ")}
          </Badge>
        ) : null}
        <Badge
          tone={health?.trading_enabled === true ? "good" : "off"}
          title={
            (health?.trading_blocked_by?.length ?? 0) > 0
              ? `held back by: ${(health?.trading_blocked_by ?? []).join(", ")}`
              : undefined
          }
        >
          trading {health === null ? "unknown" : health.trading_enabled ? "enabled" : "held back"}
        </Badge>
        <Badge tone={said.tone} title={said.title} name="link">
          {said.text}
          {link.state === "disconnected" && now > 0 ? ` for ${age(now - link.lastAt)}` : ""}
        </Badge>
      </div>
      <p className="utc" data-value="utc">
        <time>{now === 0 ? "--:--:--" : clock(now)}</time> UTC
      </p>
      <button type="button" className="plain" onClick={p.onTheme}>
        {p.theme === "dark" ? "Light theme" : "Dark theme"}
      </button>
    </header>
  );
}

export function Banners(): React.ReactElement {
  const link = useLink();
  const health = useSlice("health").data;
  const price = useSlice("price").data;
  const context = useSlice("context").data;
  const isSimulated = health?.simulated === true || price?.simulated === true || context?.simulated === true;
  const isRedisDown = health?.redis_up === false;
  return (
    <div aria-live="polite">
      {isSimulated ? (
        <p className="banner simulated" data-value="simulated" role="alert">
          SIMULATED MARKET: these are not real prices
        </p>
      ) : null}
      {link.state === "disconnected" ? (
        <p className="banner down" data-value="disconnected" role="alert">
          The gateway does not answer. Everything below is old.
        </p>
      ) : null}
      {isRedisDown && link.state !== "disconnected" ? (
        <p className="banner down" data-value="redis-down" role="alert">
          The gateway has lost Redis and shows what it last knew.
        </p>
      ) : null}
    </div>
  );
}
