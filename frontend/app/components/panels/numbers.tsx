"use client";

// Metrics, levels, mark price: numbers with their names.

import { Panel, Row } from "@/components/panel";
import { clock, countdown, NONE, num, parseTime, percent, signed } from "@/lib/format";
import { useMarketClock, useSlice, useSlowSlice } from "@/lib/hooks";
import { levelRows } from "@/lib/market";
import type { Units } from "@/lib/units";

export function MetricsPanel({ units }: { units: Units }): React.ReactElement {
  const context = useSlowSlice("context", 100);
  const flow = useSlice("metrics");
  const c = context.data;
  const buy = c?.stats.buy_volume ?? null;
  const sell = c?.stats.sell_volume ?? null;
  const total = (buy ?? 0) + (sell ?? 0);
  const share = buy !== null && total > 0 ? buy / total : null;
  const cd = c?.cumulative_delta ?? null;
  return (
    <Panel title="Metrics" area="metrics" slice={context} beside={[flow]} staleMs={15_000} stream="trades">
      <dl className="rows">
        <Row label="VWAP" value={num(c?.levels.VWAP, units.price + 1)} name="vwap" />
        <Row label="POC" value={num(c?.levels.POCd, units.price)} name="poc" />
        <Row
          label="Cumulative delta"
          value={signed(cd, 2)}
          tone={cd === null ? undefined : cd >= 0 ? "buy" : "sell"}
          name="cumulative_delta"
        />
        <Row label="Delta before 08:00" value={signed(c?.stats.cd_pre, 2)} name="cd_pre" />
        <Row label="Buy volume" value={num(buy, 2)} tone="buy" name="buy_volume" />
        <Row label="Sell volume" value={num(sell, 2)} tone="sell" name="sell_volume" />
        <Row label="Range today" value={num(c?.stats.rangeToday, units.price)} name="range" />
        <Row label="Trades today" value={num(c?.stats.trades, 0)} name="trades" />
        <Row
          label="Trades per second"
          value={num(flow.data?.trades_per_second, 2)}
          title="Over the last minute of the market's own time"
          name="tps"
        />
      </dl>
      <div
        className="split"
        role="img"
        aria-label={share === null ? "Buy and sell volume unknown" : `Buyers ${percent(share)} of the volume`}
      >
        <span className="split-buy" style={{ transform: `scaleX(${share ?? 0.5})` }} />
      </div>
    </Panel>
  );
}

export function LevelsPanel({ units }: { units: Units }): React.ReactElement {
  const context = useSlowSlice("context", 250);
  const price = useSlowSlice("price", 250).data?.price ?? context.data?.price.price ?? null;
  const rows = context.data === null ? [] : levelRows(context.data.levels);
  const shown = rows.filter((r) => r.price !== null).sort((a, b) => (b.price ?? 0) - (a.price ?? 0));
  const absent = rows.filter((r) => r.price === null).map((r) => r.label);
  return (
    <Panel title="Levels" area="levels" slice={context} staleMs={15_000} stream="trades">
      <table className="grid-table">
        <thead>
          <tr>
            <th scope="col">Level</th>
            <th scope="col">Price</th>
            <th scope="col">Distance</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((r) => (
            <tr key={r.key} className={r.complete ? undefined : "incomplete"}>
              <th scope="row">
                {r.label}
                {r.complete ? "" : " *"}
              </th>
              <td data-value={`level-${r.key}`}>{num(r.price, units.price)}</td>
              <td className={price !== null && (r.price ?? 0) > price ? "above" : "below"}>
                {price === null || r.price === null ? NONE : signed(r.price - price, units.price)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {shown.some((r) => !r.complete) ? <p className="note">* trades behind this level are missing</p> : null}
      {absent.length > 0 && shown.length > 0 ? <p className="note">Unknown: {absent.join(", ")}</p> : null}
    </Panel>
  );
}

export function MarkPanel({ units }: { units: Units }): React.ReactElement {
  const mark = useSlice("mark");
  const market = useMarketClock();
  const m = mark.data;
  const next = parseTime(m?.next_funding);
  const premium = m?.mark != null && m.index != null && m.index !== 0 ? m.mark / m.index - 1 : null;
  return (
    <Panel title="Mark and funding" area="mark" slice={mark} staleMs={15_000}>
      <dl className="rows">
        <Row label="Mark price" value={num(m?.mark, units.price)} name="mark" />
        <Row label="Index price" value={num(m?.index, units.price)} name="index" />
        <Row label="Premium" value={percent(premium, 4)} />
        <Row
          label="Funding rate"
          value={percent(m?.funding_rate, 4)}
          tone={m?.funding_rate == null ? undefined : m.funding_rate >= 0 ? "buy" : "sell"}
          name="funding"
        />
        <Row
          label="Next funding in"
          value={next === null || market === null ? NONE : countdown((next - market) / 1000)}
          title={next === null ? undefined : `at ${clock(next)} UTC`}
        />
        <Row label="Open interest" value={num(m?.open_interest, 1)} name="open_interest" />
      </dl>
    </Panel>
  );
}
