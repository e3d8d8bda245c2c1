"use client";

// What rests: the order book's best levels; and where most was traded today.

import { Panel } from "@/components/panel";
import { num, percent } from "@/lib/format";
import { useSlowSlice } from "@/lib/hooks";
import type { Units } from "@/lib/units";

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
        <span className={`bar ${side}`} style={{ transform: `scaleX(${l[1] / most})` }} />
        <span>{num(l[1], units.qty)}</span>
      </td>
    </tr>
  );
  const isLive = b?.state === undefined || b.state === null || b.state === "live";
  const tilt = b?.imbalance ?? null;
  return (
    <Panel title="Order book" area="book" slice={book} staleMs={5000} stream="depth">
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
            <td title="Bids less asks of the 20 levels on each side, of both">
              Imbalance{" "}
              <span className={tilt === null ? "" : tilt >= 0 ? "buy" : "sell"} data-value="book-imbalance">
                {percent(tilt, 0)}
              </span>
            </td>
          </tr>
        </tbody>
        <tbody>{bids.map((l) => line("buy", l))}</tbody>
      </table>
      <div className="split" aria-hidden="true">
        <span className="split-buy" style={{ transform: `scaleX(${((tilt ?? 0) + 1) / 2})` }} />
      </div>
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
                <span className="bar both" style={{ transform: `scaleX(${r.volume / most})` }} />
                <span>{num(r.volume, 2)}</span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}
