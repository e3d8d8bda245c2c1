"use client";

import { useEffect, useMemo, useRef, useState } from "react";
import {
  CandlestickSeries,
  ColorType,
  createChart,
  CrosshairMode,
  HistogramSeries,
  LineSeries,
  LineStyle,
} from "lightweight-charts";
import type { IChartApi, IPriceLine, ISeriesApi, UTCTimestamp } from "lightweight-charts";
import { Panel } from "@/components/panel";
import { decimalsOf, num, signed } from "@/lib/format";
import { useSlice, useSlowSlice, useStored } from "@/lib/hooks";
import { deltaBars } from "@/lib/cvd";
import { levelRows } from "@/lib/market";
import type { LevelRow } from "@/lib/market";
import { candleStart } from "@/lib/reduce";
import type { Candle } from "@/types";
import { LabelLayer, ProfileLayer, SessionLayer } from "./primitives";

interface Palette {
  bg: string;
  text: string;
  grid: string;
  buy: string;
  sell: string;
  buySoft: string;
  sellSoft: string;
  vwap: string;
  poc: string;
  va: string;
  or: string;
  prev: string;
  grey: string;
  london: string;
  overlap: string;
}

// The chart draws on a canvas, so the theme's variables are read once per theme.
function readPalette(): Palette {
  const style = getComputedStyle(document.documentElement);
  const get = (name: string): string => style.getPropertyValue(name).trim();
  return {
    bg: get("--panel"),
    text: get("--text-soft"),
    grid: get("--line"),
    buy: get("--buy"),
    sell: get("--sell"),
    buySoft: get("--buy-soft"),
    sellSoft: get("--sell-soft"),
    vwap: get("--vwap"),
    poc: get("--poc"),
    va: get("--va"),
    or: get("--or"),
    prev: get("--prev"),
    grey: get("--text-faint"),
    london: get("--london"),
    overlap: get("--overlap"),
  };
}

const GROUPS = [
  { key: "vwap", label: "VWAP ±σ" },
  { key: "profile", label: "POC / VA" },
  { key: "range", label: "OR" },
  { key: "previous", label: "Prev. day" },
] as const;

function colorOf(row: LevelRow, p: Palette): string {
  if (!row.complete && row.group === "previous") {
    return p.grey;
  }
  if (row.group === "vwap") {
    return p.vwap;
  }
  if (row.group === "range") {
    return p.or;
  }
  return row.group === "previous" ? p.prev : row.key === "poc" ? p.poc : p.va;
}

interface Chart {
  chart: IChartApi;
  candles: ISeriesApi<"Candlestick">;
  delta: ISeriesApi<"Histogram">;
  cvd: ISeriesApi<"Line">;
  sessions: SessionLayer;
  profile: ProfileLayer;
  labels: LabelLayer;
  lines: Map<string, IPriceLine>;
  shown: Candle[]; // what the series hold
  line: (number | null)[]; // and the delta's
  anchor: string | null; // of the line
  fitted: boolean;
}

const seconds = (c: Candle): UTCTimestamp => Math.floor(candleStart(c) / 1000) as UTCTimestamp;

function hasPrices(c: Candle): boolean {
  return c.open !== null && c.high !== null && c.low !== null && c.close !== null;
}

function bar(c: Candle): { time: UTCTimestamp; open: number; high: number; low: number; close: number } {
  return { time: seconds(c), open: c.open ?? 0, high: c.high ?? 0, low: c.low ?? 0, close: c.close ?? 0 };
}

// Index of the first candle that differs; the list is replaced as a whole when that lies far back.
function firstChange(a: readonly Candle[], b: readonly Candle[]): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const x = a[i];
    const y = b[i];
    if (x !== y && (x?.timestamp !== y?.timestamp || x?.close !== y?.close || x?.volume !== y?.volume)) {
      return i;
    }
  }
  return n;
}

function makeChart(element: HTMLElement): Chart {
  const chart = createChart(element, {
    autoSize: true,
    layout: { attributionLogo: false, fontSize: 11, panes: { enableResize: true } },
    crosshair: { mode: CrosshairMode.Normal },
    timeScale: { timeVisible: true, secondsVisible: false, rightOffset: 4 },
    handleScale: { axisPressedMouseMove: true },
  });
  const candles = chart.addSeries(CandlestickSeries, { borderVisible: false });
  const delta = chart.addSeries(HistogramSeries, { priceLineVisible: false, lastValueVisible: false }, 1);
  const cvd = chart.addSeries(LineSeries, { lineWidth: 2, priceLineVisible: false, priceScaleId: "left" }, 1);
  chart.panes()[0]?.setStretchFactor(4);
  chart.panes()[1]?.setStretchFactor(1);
  const sessions = new SessionLayer();
  const profile = new ProfileLayer();
  const labels = new LabelLayer();
  candles.attachPrimitive(sessions);
  candles.attachPrimitive(profile);
  candles.attachPrimitive(labels);
  return {
    chart,
    candles,
    delta,
    cvd,
    sessions,
    profile,
    labels,
    lines: new Map(),
    shown: [],
    line: [],
    anchor: null,
    fitted: false,
  };
}

function paint(c: Chart, p: Palette): void {
  c.chart.applyOptions({
    layout: {
      background: { type: ColorType.Solid, color: p.bg },
      textColor: p.text,
      panes: { separatorColor: p.grid },
    },
    grid: { vertLines: { color: p.grid }, horzLines: { color: p.grid } },
    rightPriceScale: { borderColor: p.grid },
    timeScale: { borderColor: p.grid },
  });
  c.candles.applyOptions({
    upColor: p.buy,
    downColor: p.sell,
    wickUpColor: p.buy,
    wickDownColor: p.sell,
  });
  c.cvd.applyOptions({ color: p.vwap });
  c.sessions.setColors({ london: p.london, overlap: p.overlap, text: p.grey });
  c.profile.setColors({ buy: p.buySoft, sell: p.sellSoft, poc: p.poc });
}

export function PriceChart({ theme }: { theme: string }): React.ReactElement {
  const [timeframe, setTimeframe] = useStored<"1m" | "5m">("bc4.timeframe", "1m");
  const [hidden, setHidden] = useStored<string>("bc4.hidden", "");
  const candles = useSlowSlice(timeframe === "5m" ? "candles5m" : "candles1m", 250);
  const context = useSlowSlice("context", 500);
  const profile = useSlowSlice("profile", 1000);
  const cvd = useSlowSlice("cvdHistory", 250);
  const symbols = useSlice("symbols");
  const box = useRef<HTMLDivElement>(null);
  const ref = useRef<Chart | null>(null);
  const palette = useRef<Palette | null>(null);

  const tick =
    symbols.data?.symbols.find((s) => s.symbol === candles.data?.instrument)?.tickSize ??
    symbols.data?.symbols[0]?.tickSize ??
    null;
  const decimals = decimalsOf(tick);
  const list = useMemo(() => (candles.data?.candles ?? []).filter(hasPrices), [candles.data]);
  const last = list.at(-1);

  // An empty chart first, its data a frame later: two short tasks instead of a long one.
  const [isReady, setReady] = useState(false);
  useEffect(() => {
    const element = box.current;
    if (element === null) {
      return;
    }
    const made = makeChart(element);
    ref.current = made;
    let frame = requestAnimationFrame(() => {
      frame = requestAnimationFrame(() => {
        setReady(true);
      });
    });
    return () => {
      cancelAnimationFrame(frame);
      setReady(false);
      ref.current = null;
      made.chart.remove();
    };
  }, []);

  useEffect(() => {
    const c = ref.current;
    if (c !== null) {
      const p = readPalette();
      palette.current = p;
      paint(c, p);
      c.shown = []; // bars carry their colours
    }
  }, [theme]);

  const instrument = candles.data?.instrument ?? "";
  useEffect(() => {
    const c = ref.current;
    if (c !== null) {
      c.shown = [];
      c.fitted = false;
    }
  }, [timeframe, instrument]);

  useEffect(() => {
    ref.current?.candles.applyOptions({
      priceFormat: { type: "price", precision: decimals, minMove: 10 ** -decimals },
    });
  }, [decimals, theme]);

  const cumulative = context.data?.cumulative_delta ?? null;
  const history = cvd.data;
  useEffect(() => {
    const c = ref.current;
    const p = palette.current;
    if (!isReady || c === null || p === null || list.length === 0) {
      return;
    }
    const from = firstChange(c.shown, list);
    // A series takes what is not older than its newest point, and nothing else.
    const newest = c.shown.at(-1);
    const next = list[from];
    const isTail =
      newest !== undefined &&
      from >= c.shown.length - 1 &&
      list.length >= c.shown.length &&
      (next === undefined || candleStart(next) >= candleStart(newest));
    const points = deltaBars(
      list.map((candle) => ({ start: candleStart(candle), candle })),
      timeframe === "5m" ? 300_000 : 60_000,
      history,
      cumulative,
    );
    const bars = points.map((d) => ({
      time: Math.floor(d.start / 1000) as UTCTimestamp,
      value: d.delta,
      color: d.delta >= 0 ? p.buySoft : p.sellSoft,
    }));
    if (isTail) {
      for (const item of list.slice(from)) {
        c.candles.update(bar(item));
      }
    } else {
      c.candles.setData(list.map(bar));
    }
    const line = points.map((d) => {
      const time = Math.floor(d.start / 1000) as UTCTimestamp;
      return d.cvd === null ? { time } : { time, value: d.cvd };
    });
    // The anchor moves with every trade, as does the newest point: only when an older point moved
    // too (trades came from elsewhere) are all points told anew.
    const old = Math.max(0, from - 1);
    const isMoved =
      (history?.reset_time ?? null) !== c.anchor ||
      Math.abs((points[old]?.cvd ?? 0) - (c.line[old] ?? Number.NaN)) > 1e-6;
    if (isTail) {
      for (const item of bars.slice(from)) {
        c.delta.update(item);
      }
    } else {
      c.delta.setData(bars);
    }
    if (isTail && isMoved === false) {
      for (const item of line.slice(from)) {
        c.cvd.update(item);
      }
    } else {
      c.cvd.setData(line);
    }
    c.line = points.map((d) => d.cvd);
    c.anchor = history?.reset_time ?? null;
    c.shown = list;
    c.sessions.setTimes(list.map(seconds));
    if (!c.fitted) {
      c.fitted = true;
      const shown = Math.min(180, list.length);
      c.chart.timeScale().setVisibleLogicalRange({ from: list.length - shown, to: list.length + 24 });
    }
  }, [list, cumulative, history, theme, timeframe, isReady]);

  useEffect(() => {
    const c = ref.current;
    const p = palette.current;
    if (!isReady || c === null || p === null) {
      return;
    }
    const off = hidden.split(",");
    const rows = context.data === null ? [] : levelRows(context.data.levels);
    const wanted = new Map(
      rows.filter((r) => r.price !== null && !off.includes(r.group)).map((r) => [r.key, r] as const),
    );
    for (const [key, line] of c.lines) {
      if (!wanted.has(key)) {
        c.candles.removePriceLine(line);
        c.lines.delete(key);
      }
    }
    for (const [key, r] of wanted) {
      const main = key === "vwap" || key === "poc";
      const options = {
        price: r.price ?? 0,
        color: colorOf(r, p),
        lineWidth: main ? (2 as const) : (1 as const),
        lineStyle: main ? LineStyle.Solid : r.group === "previous" ? LineStyle.Dotted : LineStyle.Dashed,
        axisLabelVisible: main,
        title: "",
      };
      const line = c.lines.get(key);
      if (line === undefined) {
        c.lines.set(key, c.candles.createPriceLine(options));
      } else if (line.options().price !== options.price || line.options().color !== options.color) {
        line.applyOptions(options);
      }
    }
    c.labels.set(
      [...wanted.values()].map((r) => ({
        text: r.complete ? r.label : `${r.label} *`,
        price: r.price ?? 0,
        color: colorOf(r, p),
      })),
    );
  }, [context.data, hidden, theme, isReady]);

  const vah = context.data?.levels.VAH ?? null;
  const val = context.data?.levels.VAL ?? null;
  useEffect(() => {
    const c = ref.current;
    if (!isReady || c === null) {
      return;
    }
    const isHidden = hidden.split(",").includes("histogram");
    c.profile.set(isHidden ? [] : (profile.data?.rows ?? []), profile.data?.bin ?? 0, val, vah);
  }, [profile.data, hidden, isReady, val, vah]);

  const toggle = (key: string): void => {
    const set = new Set(hidden.split(",").filter((k) => k !== ""));
    if (!set.delete(key)) {
      set.add(key);
    }
    setHidden([...set].join(","));
  };

  const tools = (
    <div className="tools">
      <div className="segmented" role="group" aria-label="Timeframe">
        {(["1m", "5m"] as const).map((tf) => (
          <button
            key={tf}
            type="button"
            aria-pressed={timeframe === tf}
            onClick={() => {
              setTimeframe(tf);
            }}
          >
            {tf}
          </button>
        ))}
      </div>
      <div className="segmented" role="group" aria-label="Overlays">
        {[...GROUPS, { key: "histogram", label: "Profile" } as const].map((g) => (
          <button
            key={g.key}
            type="button"
            aria-pressed={!hidden.split(",").includes(g.key)}
            onClick={() => {
              toggle(g.key);
            }}
          >
            {g.label}
          </button>
        ))}
      </div>
    </div>
  );

  return (
    <Panel
      title="Price"
      area="chart"
      slice={candles}
      beside={[context]}
      staleMs={15_000}
      stream="trades"
      tools={tools}
    >
      <p className="ohlc" aria-live="off">
        {last === undefined ? (
          "No candle yet."
        ) : (
          <>
            O <span data-value="candle-open">{num(last.open, decimals)}</span> H{" "}
            <span data-value="candle-high">{num(last.high, decimals)}</span> L{" "}
            <span data-value="candle-low">{num(last.low, decimals)}</span> C{" "}
            <span data-value="candle-close">{num(last.close, decimals)}</span> · vol{" "}
            <span data-value="candle-volume">{num(last.volume, 2)}</span> ·{" "}
            <span className={(last.delta ?? 0) >= 0 ? "buy" : "sell"}>
              Δ <span data-value="candle-delta">{signed(last.delta, 2)}</span>
            </span>
            {last.coverage !== null && last.coverage < 1 ? " · trades missing" : ""}
          </>
        )}
      </p>
      <div
        ref={box}
        className="chart"
        role="img"
        aria-label={`Candles of ${timeframe} with levels and volume profile, cumulative delta below`}
      />
    </Panel>
  );
}
