"use client";

import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import dynamic from "next/dynamic";
import { fetchSlice } from "./api-client";
import {
  FootprintPanel,
  BookPanel,
  EventsPanel,
  LiquidationsPanel,
  TapePanel,
  TopBinsPanel,
} from "./components/panels/flow";
import { LevelsPanel, MarkPanel, MetricsPanel } from "./components/panels/numbers";
import { CoveragePanel, FeedsPanel, SessionPanel, TrustPanel } from "./components/panels/status";
import { Banners, TopBar } from "./components/top-bar";
import { Feed } from "./lib/feed";
import { decimalsOf } from "./lib/format";
import { NowProvider, StoreContext, useSlice, useStored } from "./lib/hooks";
import { Store } from "./lib/store";
import type { InitialData } from "./types";

// The chart needs a canvas, so it is not rendered on the server; its room is kept.
const PriceChart = dynamic(async () => (await import("./components/chart/price-chart")).PriceChart, {
  ssr: false,
  loading: () => <section className="panel area-chart" aria-busy="true" />,
});

interface Props {
  apiUrl: string;
  initial: InitialData;
  renderedAt: number;
}

function schedule(flush: () => void): void {
  // A hidden tab gets no frames; it still has to keep its state.
  if (typeof document !== "undefined" && document.visibilityState === "visible") {
    requestAnimationFrame(flush);
  } else {
    setTimeout(flush, 250);
  }
}

function Board(p: { feed: Feed; initial: InitialData }): React.ReactElement {
  const symbols = useSlice("symbols").data?.symbols ?? [];
  const first =
    p.initial.symbols?.symbols.find((s) => s.default)?.symbol ?? p.initial.price?.instrument ?? null;
  const [chosen, setChosen] = useState<string | null>(first);
  const [theme, setTheme] = useStored<"dark" | "light">("bc4.theme", "dark");
  const symbol = chosen ?? symbols.find((s) => s.default)?.symbol ?? null;
  const its = symbols.find((s) => s.symbol === symbol);
  const { feed } = p;

  useEffect(() => {
    document.documentElement.dataset.theme = theme;
  }, [theme]);

  useEffect(() => {
    if (symbol !== null) {
      feed.setSymbol(symbol);
    }
  }, [feed, symbol]);

  const units = useMemo(
    () => ({
      price: decimalsOf(its?.tickSize ?? null),
      qty: decimalsOf(its?.stepSize ?? 0.001),
      tick: its?.tickSize ?? null,
    }),
    [its?.tickSize, its?.stepSize],
  );
  const onTheme = useCallback(() => {
    setTheme(theme === "dark" ? "light" : "dark");
  }, [theme, setTheme]);

  return (
    <>
      <a className="skip" href="#board">
        Skip to the panels
      </a>
      <Banners />
      <TopBar decimals={units.price} symbol={symbol} onSymbol={setChosen} theme={theme} onTheme={onTheme} />
      <main id="board" className="board">
        <div className="column">
          <PriceChart theme={theme} />
          <CoveragePanel />
          <FootprintPanel units={units} />
          <EventsPanel units={units} />
        </div>
        <div className="column">
          <MetricsPanel units={units} />
          <LevelsPanel units={units} />
          <FeedsPanel />
          <MarkPanel units={units} />
          <TapePanel units={units} />
        </div>
        <div className="column">
          <SessionPanel />
          <TrustPanel />
          <BookPanel units={units} />
          <TopBinsPanel units={units} />
          <LiquidationsPanel units={units} />
        </div>
      </main>
    </>
  );
}

export function DashboardClient({ apiUrl, initial, renderedAt }: Props): React.ReactElement {
  const made = useRef<{ store: Store; feed: Feed } | null>(null);
  if (made.current === null) {
    const store = new Store(schedule);
    store.seed(initial, renderedAt);
    const feed = new Feed(apiUrl, initial.price?.instrument ?? null, store, {
      now: () => Date.now(),
      openSocket: (url) => new WebSocket(url),
      fetchSlice,
      setTimer: (fn, ms) => window.setTimeout(fn, ms),
      clearTimer: (id) => {
        window.clearTimeout(id as number);
      },
    });
    made.current = { store, feed };
  }
  const { store, feed } = made.current;
  useEffect(() => {
    feed.start();
    return () => {
      feed.stop();
    };
  }, [feed]);
  return (
    <StoreContext.Provider value={store}>
      <NowProvider>
        <Board feed={feed} initial={initial} />
      </NowProvider>
    </StoreContext.Provider>
  );
}
