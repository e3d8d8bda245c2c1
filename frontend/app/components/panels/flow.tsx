"use client";

// Order book, footprint, tape, liquidations: who traded what, and what rests.

import { useMemo, useState } from "react";
import { Panel } from "@/components/panel";
import { clock, compact, NONE, num, percent, signed } from "@/lib/format";
import { useSlice, useSlowSlice, useStored } from "@/lib/hooks";
import { defaultHeight, footprintRows, rowHeights } from "@/lib/market";
import { candleStart } from "@/lib/reduce";
import type { Candle, Cluster } from "@/types";

interface Units {
  price: number;
  qty: number;
  tick: number | null;
}

export function BookPanel({ units }: { units: Units }): React.ReactElement {
  const book = useSlowSlice("book", 100);
  const b = book.data;
  const depth = 8;
  const asks = (b?.asks ?? []).slice(0, depth).reverse();
  const bids = (b?.bids ?? []).slice(0, depth);
  const most = Math.max(1e-12, ...[...asks, ...bids].map((l) => l[1]));
  const line = (side: "buy" | "sell", l: [number, number]): React.ReactElement => (
    <tr key={`${side}${l[0]}`} data-value={side === "buy" ? "bid" : "ask"}>
      <td className={side}>{num(l[0], units.price)}</td>
      <td className="bar-cell">
        <span className={`bar ${side}`} style={{ width: `${(l[1] / most) * 100}%` }} />
        <span>{num(l[1], units.qty)}</span>
      </td>
    </tr>
  );
  const isLive = b?.state === undefined || b.state === null || b.state === "live";
  return (
    <Panel title="Order book" area="book" slice={book} staleMs={5000}>
      {isLive ? null : (
        <p className="note warn" role="status">
          The book is being rebuilt ({b?.state}); these are its last levels.
        </p>
      )}
      <table className={`grid-table${isLive ? "" : " incomplete"}`}>
        <caption className="hidden">Best levels of the order book, asks above bids</caption>
        <thead>
          <tr>
            <th scope="col">Price</th>
            <th scope="col">Quantity</th>
          </tr>
        </thead>
        <tbody>{asks.map((l) => line("sell", l))}</tbody>
        <tbody>
          <tr className="spread">
            <td>
              Spread <span data-value="spread">{num(b?.spread, units.price)}</span>
            </td>
            <td>
              Imbalance <span data-value="book-imbalance">{percent(b?.imbalance, 0)}</span>
            </td>
          </tr>
        </tbody>
        <tbody>{bids.map((l) => line("buy", l))}</tbody>
      </table>
    </Panel>
  );
}

export function TopBinsPanel({ units }: { units: Units }): React.ReactElement {
  const metrics = useSlowSlice("footprint", 250);
  const rows = (metrics.data?.metrics?.footprint ?? []).slice(0, 8);
  const most = Math.max(1e-12, ...rows.map((r) => r.volume));
  return (
    <Panel
      title="Top 8 bins"
      area="top"
      slice={metrics}
      staleMs={15_000}
      empty={metrics.data !== null && rows.length === 0}
      emptyText="No trades today."
    >
      <table className="grid-table">
        <thead>
          <tr>
            <th scope="col">#</th>
            <th scope="col">Price</th>
            <th scope="col">Buy</th>
            <th scope="col">Sell</th>
            <th scope="col">Volume</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((r) => (
            <tr key={r.rank} data-value="bin">
              <td>{r.rank}</td>
              <td>{num(r.price, units.price)}</td>
              <td className="buy">{num(r.buy_vol, 2)}</td>
              <td className="sell">{num(r.sell_vol, 2)}</td>
              <td className="bar-cell">
                <span className="bar both" style={{ width: `${(r.volume / most) * 100}%` }} />
                <span>{num(r.volume, 2)}</span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}

function CandleCells(p: { candle: Candle; height: number; units: Units }): React.ReactElement {
  const { candle, height, units } = p;
  const rows = useMemo(() => footprintRows(candle.footprint ?? [], height, 3, 0), [candle, height]);
  const most = Math.max(1e-12, ...rows.map((r) => r.buy + r.sell));
  return (
    <table className="cells" data-value="candle-cells">
      <caption>
        {clock(candleStart(candle)).slice(0, 5)}
        <span className={(candle.delta ?? 0) >= 0 ? "buy" : "sell"}> {signed(candle.delta, 1)}</span>
        {candle.complete ? "" : " …"}
      </caption>
      <thead className="hidden">
        <tr>
          <th scope="col">Price</th>
          <th scope="col">Sell</th>
          <th scope="col">Buy</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((r) => (
          <tr key={r.price} style={{ ["--weight" as string]: (r.buy + r.sell) / most }}>
            <th scope="row">{num(r.price, units.price)}</th>
            <td className={r.imbalance === "sell" ? "sell marked" : "sell"}>{num(r.sell, 1)}</td>
            <td className={r.imbalance === "buy" ? "buy marked" : "buy"}>{num(r.buy, 1)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function FootprintPanel({ units }: { units: Units }): React.ReactElement {
  const candles = useSlowSlice("candles1m", 500);
  const [chosen, setChosen] = useState<number | null>(null);
  const last = useMemo(() => {
    const all = (candles.data?.candles ?? []).filter((c) => (c.footprint?.length ?? 0) > 0);
    return all.slice(-5);
  }, [candles.data]);
  const range = Math.max(0, ...last.map((c) => (c.high ?? 0) - (c.low ?? 0)));
  const heights = rowHeights(units.tick ?? 1, range);
  const height = chosen !== null && heights.includes(chosen) ? chosen : defaultHeight(heights, range);
  const tools = (
    <label className="field">
      Row
      <select
        value={height}
        onChange={(e) => {
          setChosen(Number(e.target.value));
        }}
      >
        {heights.map((h) => (
          <option key={h} value={h}>
            {num(h, units.price)}
          </option>
        ))}
      </select>
    </label>
  );
  return (
    <Panel
      title="Footprint"
      area="footprint"
      slice={candles}
      staleMs={15_000}
      tools={last.length > 0 ? tools : null}
      empty={candles.data !== null && last.length === 0}
      emptyText="No footprint in these candles."
    >
      <div
        className="candle-cells"
        tabIndex={0}
        role="group"
        aria-label="Footprint of the last candles, sell by buy"
      >
        {last.map((c) => (
          <CandleCells key={c.timestamp} candle={c} height={height} units={units} />
        ))}
      </div>
    </Panel>
  );
}

const SIZES = ["0", "0.1", "1", "5", "10", "50"];

export function TapePanel({ units }: { units: Units }): React.ReactElement {
  const trades = useSlowSlice("trades", 100);
  const [minimum, setMinimum] = useStored<string>("bc4.tape", "0");
  const least = Number(minimum) || 0;
  const rows = (trades.data?.trades ?? []).filter((t) => t.qty >= least).slice(0, 40);
  const tools = (
    <label className="field">
      Min.
      <select
        value={minimum}
        onChange={(e) => {
          setMinimum(e.target.value);
        }}
      >
        {SIZES.map((s) => (
          <option key={s}>{s}</option>
        ))}
      </select>
    </label>
  );
  return (
    <Panel
      title="Time and sales"
      area="tape"
      slice={trades}
      staleMs={15_000}
      tools={tools}
      empty={trades.data !== null && rows.length === 0}
      emptyText="No trade of that size yet."
    >
      <div className="scroll" tabIndex={0} role="group" aria-label="Trades, newest first">
        <table className="grid-table">
          <thead>
            <tr>
              <th scope="col">Time</th>
              <th scope="col">Price</th>
              <th scope="col">Size</th>
              <th scope="col">Side</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((t) => (
              <tr key={t.id} className={t.side} data-value="trade">
                <td>{clock(t.ts_ms)}</td>
                <td className={t.side}>{num(t.price, units.price)}</td>
                <td>{num(t.qty, units.qty)}</td>
                <td>
                  {t.side}
                  {t.block === true ? " (block)" : ""}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

function near(c: number | Cluster | null | undefined): number | null {
  return c === null || c === undefined ? null : typeof c === "number" ? c : c.price_level;
}

export function LiquidationsPanel({ units }: { units: Units }): React.ReactElement {
  const tape = useSlice("liquidations");
  const clusters = useSlice("clusters");
  const rows = (tape.data?.liquidations ?? []).slice(0, 20);
  const groups = [...(clusters.data?.clusters ?? [])]
    .sort((a, b) => (b.total_liquidations ?? 0) - (a.total_liquidations ?? 0))
    .slice(0, 5);
  const slice = tape.data === null && clusters.data !== null ? clusters : tape;
  return (
    <Panel
      title="Liquidations"
      area="liquidations"
      slice={slice}
      staleMs={3_600_000}
      empty={slice.data !== null && rows.length === 0 && groups.length === 0}
      emptyText="No liquidation today."
    >
      {clusters.data === null ? null : (
        <p className="note">
          Support {num(near(clusters.data.nearest_support), units.price)} · resistance{" "}
          {num(near(clusters.data.nearest_resistance), units.price)}
          {clusters.data.lower_bound === true ? " · totals are a lower bound" : ""}
        </p>
      )}
      {groups.length === 0 ? null : (
        <table className="grid-table">
          <caption className="hidden">Clusters of liquidations</caption>
          <thead>
            <tr>
              <th scope="col">Cluster</th>
              <th scope="col">Longs</th>
              <th scope="col">Shorts</th>
            </tr>
          </thead>
          <tbody>
            {groups.map((g) => (
              <tr key={g.price_level} data-value="cluster">
                <td>{num(g.price_level, units.price)}</td>
                <td className="sell">{compact(g.sell_liquidations)}</td>
                <td className="buy">{compact(g.buy_liquidations)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {rows.length === 0 ? null : (
        <div className="scroll" tabIndex={0} role="group" aria-label="Liquidations, newest first">
          <table className="grid-table">
            <thead>
              <tr>
                <th scope="col">Time</th>
                <th scope="col">Liquidated</th>
                <th scope="col">Price</th>
                <th scope="col">Size</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((l) => (
                <tr key={l.id} data-value="liquidation">
                  <td>{clock(l.ts_ms)}</td>
                  <td className={l.liquidated === "long" ? "sell" : "buy"}>{l.liquidated}</td>
                  <td title={l.price_kind}>{num(l.price, units.price)}</td>
                  <td>{num(l.qty, units.qty)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}

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

export function EventsPanel({ units }: { units: Units }): React.ReactElement {
  const events = useSlowSlice("events", 500);
  const rows = (events.data?.events ?? []).slice(0, 40);
  return (
    <Panel
      title="Events"
      area="events"
      slice={events}
      staleMs={600_000}
      empty={events.data !== null && rows.length === 0}
    >
      <ul className="events scroll" tabIndex={0} aria-label="Events, newest first">
        {rows.map((e) => (
          <li key={e.id} data-value="event">
            <time dateTime={e.ts}>{clock(e.ts_ms)}</time>
            <strong>{e.type.replaceAll("_", " ")}</strong>
            <span>{describe(e.type, e.data, units.price) || NONE}</span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
