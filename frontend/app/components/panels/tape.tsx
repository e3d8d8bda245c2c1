"use client";

// Who traded: time and sales; who was made to: liquidations and where they cluster.

import { useMemo } from "react";
import { Panel } from "@/components/panel";
import { clock, compact, num } from "@/lib/format";
import { useSlice, useSlowSlice, useStored } from "@/lib/hooks";
import type { Units } from "@/lib/units";
import type { Cluster, Trade } from "@/types";

// In base units; what a trader filters by is a matter of the instrument.
const SIZES = ["0", "0.1", "1", "5", "10", "50"];

// A trade at least as large as the largest fiftieth of those held stands out.
function largeSize(trades: readonly Trade[]): number {
  const sizes = trades.map((t) => t.qty).sort((a, b) => b - a);
  return sizes.length < 50 ? Infinity : (sizes[Math.floor(sizes.length / 50)] ?? Infinity);
}

export function TapePanel({ units }: { units: Units }): React.ReactElement {
  const trades = useSlowSlice("trades", 100);
  const [minimum, setMinimum] = useStored<string>("bc4.tape", "0");
  const least = Number(minimum) || 0;
  const rows = (trades.data?.trades ?? []).filter((t) => t.qty >= least).slice(0, 40);
  const large = useMemo(() => largeSize(trades.data?.trades ?? []), [trades.data]);
  const tools = (
    <label className="field">
      <span className="hidden">Least size</span>
      <select
        value={minimum}
        onChange={(e) => {
          setMinimum(e.target.value);
        }}
      >
        {SIZES.map((s) => (
          <option key={s} value={s}>
            {s === "0" ? "all" : `≥ ${s}`}
          </option>
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
      stream="trades"
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
              <tr key={t.id} className={t.qty >= large ? `large ${t.side}` : t.side} data-value="trade">
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
  const most = Math.max(1e-12, ...groups.map((g) => g.total_liquidations ?? 0));
  const slice = tape.data === null && clusters.data !== null ? clusters : tape;
  return (
    <Panel
      title="Liquidations"
      area="liquidations"
      slice={slice}
      beside={[clusters]}
      staleMs={3_600_000}
      empty={slice.data !== null && rows.length === 0 && groups.length === 0}
      emptyText="No liquidation today."
    >
      {clusters.data === null ? null : (
        <p
          className="note"
          title="Nearest clusters below (support) and above (resistance) the price; at least: the venue does not push every liquidation"
        >
          Below {num(near(clusters.data.nearest_support), units.price)} · above{" "}
          {num(near(clusters.data.nearest_resistance), units.price)}
          {clusters.data.lower_bound === true ? " · at least" : ""}
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
                <td className="buy bar-cell">
                  <span
                    className="bar both"
                    style={{ transform: `scaleX(${(g.total_liquidations ?? 0) / most})` }}
                  />
                  <span>{compact(g.buy_liquidations)}</span>
                </td>
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
