"use client";

import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import dynamic from "next/dynamic";
import { fetchSlice } from "./api-client";
import { PanelBoundary } from "./components/panel";
import { BookPanel, TopBinsPanel } from "./components/panels/book";
import { DeltaPanel } from "./components/panels/delta";
import { EventsPanel } from "./components/panels/events";
import { FootprintPanel } from "./components/panels/footprint";
import { LiquidationsPanel, TapePanel } from "./components/panels/tape";
import { LevelsPanel, MarkPanel, MetricsPanel } from "./components/panels/numbers";
import { CoveragePanel, FeedsPanel, SessionPanel, TrustPanel } from "./components/panels/status";
import { Banners, TopBar } from "./components/top-bar";
import { Feed } from "./lib/feed";
import { decimalsOf } from "./lib/format";
import { NowProvider, StoreContext, useSlice } from "./lib/hooks";
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

// The page's first script chose; "dark" until the page runs in a browser, so that both renderings
// agree. The document changes before anybody draws with the new colours.
function useTheme(): ["dark" | "light", () => void] {
  const [theme, setTheme] = useState<"dark" | "light">("dark");
  useEffect(() => {
    setTheme(document.documentElement.dataset.theme === "light" ? "light" : "dark");
  }, []);
  const toggle = useCallback(() => {
    const next = document.documentElement.dataset.theme === "light" ? "dark" : "light";
    document.documentElement.dataset.theme = next;
    try {
      window.localStorage.setItem("bc4.theme", next);
    } catch {
      // Then it lasts as long as the page.
    }
    setTheme(next);
  }, []);
  return [theme, toggle];
}

function Board(p: { apiUrl: string; feed: Feed; initial: InitialData }): React.ReactElement {
  const symbols = useSlice("symbols").data?.symbols ?? [];
  const first =
    p.initial.symbols?.symbols.find((s) => s.default)?.symbol ?? p.initial.price?.instrument ?? null;
  const [chosen, setChosen] = useState<string | null>(first);
  const [theme, onTheme] = useTheme();
  const symbol = chosen ?? symbols.find((s) => s.default)?.symbol ?? null;
  const its = symbols.find((s) => s.symbol === symbol);
  const { feed } = p;

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

  return (
    <div className="page">
      <a className="skip" href="#board">
        Skip to the panels
      </a>
      <div className="head">
        <Banners />
        <TopBar decimals={units.price} symbol={symbol} onSymbol={setChosen} theme={theme} onTheme={onTheme} />
      </div>
      <main id="board" className="board">
        <div className="column wide">
          <PanelBoundary area="chart">
            <PriceChart theme={theme} />
          </PanelBoundary>
          <PanelBoundary area="delta">
            <DeltaPanel key={symbol} apiUrl={p.apiUrl} symbol={symbol} />
          </PanelBoundary>
          <PanelBoundary area="coverage">
            <CoveragePanel />
          </PanelBoundary>
          <div className="pair">
            <PanelBoundary area="footprint">
              <FootprintPanel units={units} />
            </PanelBoundary>
            <PanelBoundary area="events">
              <EventsPanel units={units} />
            </PanelBoundary>
          </div>
        </div>
        <div className="column">
          <PanelBoundary area="book">
            <BookPanel units={units} />
          </PanelBoundary>
          <PanelBoundary area="tape">
            <TapePanel units={units} />
          </PanelBoundary>
        </div>
        <div className="column">
          <PanelBoundary area="metrics">
            <MetricsPanel units={units} />
          </PanelBoundary>
          <PanelBoundary area="levels">
            <LevelsPanel units={units} />
          </PanelBoundary>
          <PanelBoundary area="top">
            <TopBinsPanel units={units} />
          </PanelBoundary>
        </div>
        <div className="column">
          <PanelBoundary area="session">
            <SessionPanel />
          </PanelBoundary>
          <PanelBoundary area="trust">
            <TrustPanel />
          </PanelBoundary>
          <PanelBoundary area="feeds">
            <FeedsPanel />
          </PanelBoundary>
          <PanelBoundary area="mark">
            <MarkPanel units={units} />
          </PanelBoundary>
          <PanelBoundary area="liquidations">
            <LiquidationsPanel units={units} />
          </PanelBoundary>
        </div>
      </main>
    </div>
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
        <Board apiUrl={apiUrl} feed={feed} initial={initial} />
      </NowProvider>
    </StoreContext.Provider>
  );
}
