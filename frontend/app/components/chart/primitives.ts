// What the chart library does not draw by itself: session shading behind the candles, and the
// day's volume profile along the right edge, split by aggressor.

import type {
  IChartApi,
  IPrimitivePaneRenderer,
  IPrimitivePaneView,
  ISeriesApi,
  ISeriesPrimitive,
  PrimitivePaneViewZOrder,
  SeriesAttachedParameter,
  Time,
  UTCTimestamp,
} from "lightweight-charts";
import type { ProfileRow } from "@/types";

type Target = Parameters<IPrimitivePaneRenderer["draw"]>[0];
type Series = ISeriesApi<"Candlestick">;

abstract class Layer implements ISeriesPrimitive<Time>, IPrimitivePaneView, IPrimitivePaneRenderer {
  protected chart: IChartApi | null = null;
  protected series: Series | null = null;
  private request: (() => void) | null = null;

  constructor(private order: PrimitivePaneViewZOrder) {}

  attached(p: SeriesAttachedParameter<Time>): void {
    this.chart = p.chart as IChartApi;
    this.series = p.series as Series;
    this.request = p.requestUpdate;
  }
  detached(): void {
    this.chart = this.series = this.request = null;
  }
  paneViews(): readonly IPrimitivePaneView[] {
    return [this];
  }
  zOrder(): PrimitivePaneViewZOrder {
    return this.order;
  }
  renderer(): IPrimitivePaneRenderer {
    return this;
  }
  redraw(): void {
    this.request?.();
  }
  abstract draw(target: Target): void;
}

const HOUR = 3600;
const DAY = 24 * HOUR;
const SESSIONS = [
  { from: 8 * HOUR, to: 12 * HOUR, color: "london", name: "London" },
  { from: 13 * HOUR, to: 17 * HOUR, color: "overlap", name: "London / New York" },
] as const;

type SessionColors = Record<"london" | "overlap" | "text", string>;

export class SessionLayer extends Layer {
  private colors: SessionColors = { london: "", overlap: "", text: "" };
  private times: readonly number[] = [];

  constructor() {
    super("bottom");
  }

  setColors(colors: SessionColors): void {
    this.colors = colors;
    this.redraw();
  }

  // Begin times of the bars, ascending.
  setTimes(times: readonly number[]): void {
    this.times = times;
  }

  // Left edge of the first bar that begins at or after a moment; behind the last bar its right edge.
  // Bars stand side by side whatever time lies between them, so there is nothing to interpolate.
  private x(time: number): number | null {
    const scale = this.chart?.timeScale();
    const last = this.times.at(-1);
    if (scale === undefined || last === undefined) {
      return null;
    }
    const half = scale.options().barSpacing / 2;
    let low = 0;
    let high = this.times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.times[middle] ?? 0) < time) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    const at = scale.timeToCoordinate((this.times[low] ?? last) as UTCTimestamp);
    return at === null ? null : low < this.times.length ? at - half : at + half;
  }

  draw(target: Target): void {
    const first = this.times[0];
    const last = this.times.at(-1);
    if (first === undefined || last === undefined) {
      return;
    }
    target.useBitmapCoordinateSpace((scope) => {
      const { context: ctx, horizontalPixelRatio: ratio, bitmapSize } = scope;
      for (let day = first - (first % DAY); day <= last; day += DAY) {
        for (const s of SESSIONS) {
          const from = day + s.from;
          const to = day + s.to;
          if (to <= first || from > last) {
            continue;
          }
          const a = this.x(from);
          const b = this.x(to);
          if (a !== null && b !== null && b > a) {
            ctx.fillStyle = this.colors[s.color];
            ctx.fillRect(Math.round(a * ratio), 0, Math.round((b - a) * ratio), bitmapSize.height);
            const left = Math.max(a * ratio, 0);
            if (b * ratio - left > 110 * ratio) {
              ctx.fillStyle = this.colors.text;
              ctx.font = `${Math.round(10 * ratio)}px sans-serif`;
              ctx.fillText(s.name, left + 6 * ratio, 14 * ratio);
            }
          }
        }
      }
    });
  }
}

export interface ProfileColors {
  buy: string;
  sell: string;
  poc: string;
}

export class ProfileLayer extends Layer {
  private colors: ProfileColors = { buy: "", sell: "", poc: "" };
  private rows: readonly ProfileRow[] = [];
  private bin = 0;
  private low = -Infinity; // of the value area
  private high = Infinity;

  constructor() {
    super("normal");
  }

  setColors(colors: ProfileColors): void {
    this.colors = colors;
    this.redraw();
  }

  set(rows: readonly ProfileRow[], bin: number, low: number | null, high: number | null): void {
    this.rows = rows;
    this.bin = bin;
    this.low = low ?? -Infinity;
    this.high = high ?? Infinity;
    this.redraw();
  }

  draw(target: Target): void {
    const { series, rows, bin } = this;
    if (series === null || rows.length === 0 || !(bin > 0)) {
      return;
    }
    let most = 0;
    for (const r of rows) {
      most = Math.max(most, r.volume);
    }
    target.useBitmapCoordinateSpace((scope) => {
      const { context: ctx, horizontalPixelRatio: hr, verticalPixelRatio: vr, bitmapSize } = scope;
      const room = bitmapSize.width * 0.17;
      for (const r of rows) {
        const top = series.priceToCoordinate(r.price + bin);
        const bottom = series.priceToCoordinate(r.price);
        if (top === null || bottom === null) {
          continue;
        }
        const y = Math.round(top * vr);
        const height = Math.max(1, Math.round(bottom * vr) - y - (bottom - top > 3 ? Math.ceil(hr) : 0));
        if (y + height < 0 || y > bitmapSize.height) {
          continue;
        }
        const buy = (r.buy_vol / most) * room;
        const sell = (r.sell_vol / most) * room;
        // What lies outside the value area stands back.
        ctx.globalAlpha = r.price + bin > this.low && r.price <= this.high ? 1 : 0.45;
        ctx.fillStyle = this.colors.buy;
        ctx.fillRect(bitmapSize.width - buy, y, buy, height);
        ctx.fillStyle = this.colors.sell;
        ctx.fillRect(bitmapSize.width - buy - sell, y, sell, height);
        ctx.globalAlpha = 1;
        if (r.volume === most) {
          ctx.fillStyle = this.colors.poc;
          ctx.fillRect(bitmapSize.width - buy - sell - 2 * hr, y, 2 * hr, height);
        }
      }
    });
  }
}

export interface Label {
  text: string;
  price: number;
  color: string;
}

const LABEL_PX = 10;

// Names of the level lines along the left edge; those that would overlap stand side by side.
export class LabelLayer extends Layer {
  private labels: readonly Label[] = [];

  constructor() {
    super("top");
  }

  set(labels: readonly Label[]): void {
    this.labels = labels;
    this.redraw();
  }

  draw(target: Target): void {
    const { series } = this;
    if (series === null) {
      return;
    }
    target.useBitmapCoordinateSpace((scope) => {
      const { context: ctx, horizontalPixelRatio: hr, verticalPixelRatio: vr, bitmapSize } = scope;
      ctx.font = `600 ${Math.round(LABEL_PX * vr)}px sans-serif`;
      const placed: { y: number; right: number }[] = [];
      const at = this.labels
        .map((l) => ({ ...l, y: series.priceToCoordinate(l.price) }))
        .sort((a, b) => (a.y ?? 0) - (b.y ?? 0));
      for (const l of at) {
        if (l.y === null || l.y * vr < 0 || l.y * vr > bitmapSize.height) {
          continue;
        }
        const y = Math.max(l.y - 3, LABEL_PX);
        let x = 6;
        for (const p of placed) {
          if (Math.abs(p.y - y) < LABEL_PX + 1) {
            x = Math.max(x, p.right + 8);
          }
        }
        ctx.fillStyle = l.color;
        ctx.fillText(l.text, x * hr, y * vr);
        placed.push({ y, right: x + ctx.measureText(l.text).width / hr });
      }
    });
  }
}
