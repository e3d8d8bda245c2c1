"use client";

// The footprint: the last candles side by side over one price axis, sold x bought per row.

import { memo, useEffect, useMemo, useRef, useState } from "react";
import type { RefObject } from "react";
import { Panel } from "@/components/panel";
import { clock, num, signed } from "@/lib/format";
import { useSlowSlice, useStored } from "@/lib/hooks";
import { defaultHeight, footprintGrid, rowHeights } from "@/lib/market";
import type { FootprintCell, FootprintColumn } from "@/lib/market";
import { candleStart } from "@/lib/reduce";
import type { Units } from "@/lib/units";

// Room of the price axis and of one candle, px.
const AXIS_PX = 66;
const CANDLE_PX = 100;
const CANDLES_MAX = 10;

// How many candles fit; measured, because the panel's width is the layout's affair.
function useRoom(box: RefObject<HTMLDivElement>, isThere: boolean): number {
  const [fits, setFits] = useState(4);
  useEffect(() => {
    const element = box.current;
    if (element === null) {
      return;
    }
    const watcher = new ResizeObserver(() => {
      const n = Math.floor((element.clientWidth - AXIS_PX) / CANDLE_PX);
      setFits(Math.min(CANDLES_MAX, Math.max(2, n)));
    });
    watcher.observe(element);
    return () => {
      watcher.disconnect();
    };
  }, [box, isThere]);
  return fits;
}

// Enough digits to tell, few enough to fit: 0.04, 3.1, 128.
function short(v: number): string {
  return num(v, v >= 100 ? 0 : v >= 1 || v === 0 ? 1 : 2);
}

function title(r: FootprintCell): string {
  const mark =
    r.imbalance === null ? "" : `, ${r.imbalance} imbalance${r.stacked === null ? "" : ", stacked"}`;
  return `sold ${num(r.sell, 3)}, bought ${num(r.buy, 3)}${mark}`;
}

interface CellProps {
  name: string;
  sell: number;
  buy: number;
  imbalance: FootprintCell["imbalance"];
  stacked: FootprintCell["stacked"];
  isPoc: boolean;
  weight: number; // of the largest cell, in 32nds: what cannot be seen does not redraw
}

const Cell = memo(function Cell(p: CellProps): React.ReactElement {
  return (
    <td
      className={`fp${p.isPoc ? " fp-poc" : ""}${p.stacked === null ? "" : ` stacked-${p.stacked}`}`}
      style={{ ["--weight" as string]: p.weight / 32 }}
      title={title(p)}
      data-cell={p.name}
    >
      <span className={p.imbalance === "sell" ? "sell marked" : "sell"}>{short(p.sell)}</span>
      <span className="x" aria-hidden="true">
        ×
      </span>
      <span className={p.imbalance === "buy" ? "buy marked" : "buy"}>{short(p.buy)}</span>
    </td>
  );
});

function Head({ column }: { column: FootprintColumn }): React.ReactElement {
  const { candle } = column;
  return (
    <th scope="col">
      {clock(candleStart(candle)).slice(0, 5)}
      {candle.complete ? "" : " …"}
    </th>
  );
}

export function FootprintPanel({ units }: { units: Units }): React.ReactElement {
  const [timeframe, setTimeframe] = useStored<"1m" | "5m">("bc4.footprint", "1m");
  const candles = useSlowSlice(timeframe === "5m" ? "candles5m" : "candles1m", 500);
  const [chosen, setChosen] = useState<number | null>(null);
  const box = useRef<HTMLDivElement>(null);
  const all = useMemo(
    () => (candles.data?.candles ?? []).filter((c) => (c.footprint?.length ?? 0) > 0).slice(-CANDLES_MAX),
    [candles.data],
  );
  const isEmpty = all.length === 0;
  const fits = useRoom(box, !isEmpty);
  const last = useMemo(() => all.slice(-fits), [all, fits]);

  // Where even two do not fit: the newest candle is at the right end.
  useEffect(() => {
    const element = box.current;
    if (element !== null) {
      element.scrollLeft = element.scrollWidth;
    }
  }, [isEmpty, timeframe, fits]);

  const high = Math.max(...last.map((c) => c.high ?? -Infinity));
  const low = Math.min(...last.map((c) => c.low ?? Infinity));
  const range = last.length === 0 ? 0 : Math.max(0, high - low);
  const bin = last.at(-1)?.footprint_bin ?? units.tick ?? 1;
  const heights = rowHeights(bin, range);
  const height = chosen !== null && heights.includes(chosen) ? chosen : defaultHeight(heights, range);
  const grid = useMemo(() => footprintGrid(last, height), [last, height]);

  const tools = (
    <div className="tools">
      <div className="segmented" role="group" aria-label="Footprint timeframe">
        {(["1m", "5m"] as const).map((tf) => (
          <button
            key={tf}
            type="button"
            aria-label={`Footprint ${tf}`}
            aria-pressed={timeframe === tf}
            onClick={() => {
              setTimeframe(tf);
            }}
          >
            {tf}
          </button>
        ))}
      </div>
      <label className="field">
        Row
        <select
          value={height}
          data-value="footprint-row"
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
    </div>
  );
  return (
    <Panel
      title="Footprint"
      area="footprint"
      slice={candles}
      staleMs={15_000}
      stream="trades"
      tools={tools}
      empty={candles.data !== null && isEmpty}
      emptyText="No footprint in these candles."
    >
      <div
        ref={box}
        className="footprint scroll"
        tabIndex={0}
        role="group"
        aria-label="Footprint of the last candles, sold by bought"
      >
        <table>
          <caption className="hidden">
            Volume per price row, sold × bought; imbalances against the diagonal neighbour are marked
          </caption>
          <thead>
            <tr>
              <th scope="col">Price</th>
              {grid.columns.map((c) => (
                <Head key={c.candle.timestamp} column={c} />
              ))}
            </tr>
          </thead>
          <tbody>
            {grid.indices.map((index) => (
              <tr key={index}>
                <th scope="row">{num(index * height, units.price)}</th>
                {grid.columns.map((c) => {
                  const r = c.rows.get(index);
                  return r === undefined ? (
                    <td key={c.candle.timestamp} className="fp" />
                  ) : (
                    <Cell
                      key={c.candle.timestamp}
                      name={`${candleStart(c.candle)}:${index}`}
                      sell={r.sell}
                      buy={r.buy}
                      imbalance={r.imbalance}
                      stacked={r.stacked}
                      isPoc={c.poc === index}
                      weight={Math.round(((r.buy + r.sell) / grid.most) * 32)}
                    />
                  );
                })}
              </tr>
            ))}
          </tbody>
          <tfoot>
            <tr>
              <th scope="row">Delta</th>
              {grid.columns.map((c) => (
                <td key={c.candle.timestamp} className={(c.candle.delta ?? 0) >= 0 ? "buy" : "sell"}>
                  {signed(c.candle.delta, 1)}
                </td>
              ))}
            </tr>
            <tr>
              <th scope="row">Volume</th>
              {grid.columns.map((c) => (
                <td key={c.candle.timestamp}>{num(c.candle.volume, 1)}</td>
              ))}
            </tr>
          </tfoot>
        </table>
      </div>
    </Panel>
  );
}
