// What the page knows, one slice per kind of answer. Components subscribe to the slices they show,
// so an update of one redraws only those. Notices are gathered and told once per animation frame,
// of a few slices each: when everything comes at once, no frame has to draw all of it.

import type { InitialData, SliceName, Slices } from "../types";

export type Source = "server" | "poll" | "push";

export interface Slice<T> {
  data: T | null;
  at: number; // local ms when it was received; 0 = never
  source: Source | null;
  absent: boolean; // the gateway does not know this endpoint
  error: string | null; // of the last try, null after a success
}

export type LinkState = "connecting" | "live" | "polling" | "disconnected";

export interface Link {
  state: LinkState;
  since: number;
  lastAt: number; // local ms of the last sign of life from the gateway
  gaps: number; // losses the gateway told on trades and events
}

const EMPTY: Slice<never> = { data: null, at: 0, source: null, absent: false, error: null };

// A market at full speed changes fewer in a frame; only the first snapshots need several.
export const SLICES_PER_FRAME = 6;

type Listener = () => void;
type Schedule = (flush: () => void) => void;

export class Store {
  private slices = new Map<SliceName, Slice<unknown>>();
  private link: Link = { state: "connecting", since: 0, lastAt: 0, gaps: 0 };
  private listeners = new Map<SliceName | "link", Set<Listener>>();
  private dirty = new Set<SliceName | "link">();
  private scheduled = false;

  constructor(private schedule: Schedule) {}

  seed(data: InitialData, at: number): void {
    for (const [name, value] of Object.entries(data)) {
      this.slices.set(name as SliceName, { ...EMPTY, data: value, at, source: "server" });
    }
  }

  get<K extends SliceName>(name: K): Slice<Slices[K]> {
    return (this.slices.get(name) ?? EMPTY) as Slice<Slices[K]>;
  }

  set<K extends SliceName>(name: K, data: Slices[K], at: number, source: Source): void {
    this.slices.set(name, { data, at, source, absent: false, error: null });
    this.mark(name);
  }

  fail(name: SliceName, error: string, absent: boolean): void {
    const before = this.get(name);
    if (before.error !== error || before.absent !== absent) {
      this.slices.set(name, { ...before, error, absent });
      this.mark(name);
    }
  }

  // Another instrument: nothing of the old one may stay on the screen.
  clear(keep: readonly SliceName[]): void {
    for (const name of [...this.slices.keys()]) {
      if (!keep.includes(name)) {
        this.slices.delete(name);
        this.mark(name);
      }
    }
  }

  getLink(): Link {
    return this.link;
  }

  setLink(change: Partial<Link>): void {
    const next = { ...this.link, ...change };
    const same =
      next.state === this.link.state &&
      next.gaps === this.link.gaps &&
      next.since === this.link.since &&
      next.lastAt - this.link.lastAt < 1000;
    if (!same) {
      this.link = next;
      this.mark("link");
    }
  }

  subscribe(name: SliceName | "link", listener: Listener): () => void {
    let set = this.listeners.get(name);
    if (set === undefined) {
      set = new Set();
      this.listeners.set(name, set);
    }
    set.add(listener);
    return () => {
      set.delete(listener);
    };
  }

  private mark(name: SliceName | "link"): void {
    this.dirty.add(name);
    this.ask();
  }

  private ask(): void {
    if (this.scheduled || this.dirty.size === 0) {
      return;
    }
    this.scheduled = true;
    this.schedule(() => {
      this.scheduled = false;
      // Whoever waits longest is first; one that changes again meanwhile keeps its place.
      const names = [...this.dirty].slice(0, SLICES_PER_FRAME);
      for (const n of names) {
        this.dirty.delete(n);
      }
      for (const n of names) {
        for (const listener of this.listeners.get(n) ?? []) {
          listener();
        }
      }
      this.ask();
    });
  }
}
