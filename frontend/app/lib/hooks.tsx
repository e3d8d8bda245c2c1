"use client";

import {
  createContext,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useState,
  useSyncExternalStore,
} from "react";
import type { SliceName, Slices } from "../types";
import { parseTime } from "./format";
import type { Link, Slice, Store } from "./store";

export const StoreContext = createContext<Store | null>(null);

function useStore(): Store {
  const store = useContext(StoreContext);
  if (store === null) {
    throw new Error("no store above this component");
  }
  return store;
}

export function useSlice<K extends SliceName>(name: K): Slice<Slices[K]> {
  const store = useStore();
  const subscribe = useCallback((fn: () => void) => store.subscribe(name, fn), [store, name]);
  const get = useCallback(() => store.get(name), [store, name]);
  return useSyncExternalStore(subscribe, get, get);
}

// The same, looked at no more often than every so many ms: for what is costly to draw or read by
// people alone.
export function useSlowSlice<K extends SliceName>(name: K, everyMs: number): Slice<Slices[K]> {
  const store = useStore();
  const source = useMemo(() => {
    let value = store.get(name);
    let timer: ReturnType<typeof setTimeout> | null = null;
    return {
      get: () => value,
      subscribe: (fn: () => void) => {
        value = store.get(name);
        const off = store.subscribe(name, () => {
          timer ??= setTimeout(() => {
            timer = null;
            value = store.get(name);
            fn();
          }, everyMs);
        });
        return () => {
          off();
          if (timer !== null) {
            clearTimeout(timer);
            timer = null;
          }
        };
      },
    };
  }, [store, name, everyMs]);
  return useSyncExternalStore(source.subscribe, source.get, source.get);
}

export function useLink(): Link {
  const store = useStore();
  const subscribe = useCallback((fn: () => void) => store.subscribe("link", fn), [store]);
  const get = useCallback(() => store.getLink(), [store]);
  return useSyncExternalStore(subscribe, get, get);
}

// Local time, twice a second. 0 until the page runs in a browser, so that both renderings agree.
const NowContext = createContext(0);

export function NowProvider({ children }: { children: React.ReactNode }): React.ReactElement {
  const [now, setNow] = useState(0);
  useEffect(() => {
    const update = (): void => {
      setNow(Date.now());
    };
    update();
    const id = setInterval(update, 500);
    return () => {
      clearInterval(id);
    };
  }, []);
  return <NowContext.Provider value={now}>{children}</NowContext.Provider>;
}

export function useNow(): number {
  return useContext(NowContext);
}

// The market's clock in ms: exchange time as the gateway last told it, counted on since. Null before.
export function useMarketClock(): number | null {
  const health = useSlice("health");
  const now = useNow();
  const told = parseTime(health.data?.nowUtc);
  return told === null || now === 0 ? null : told + Math.max(0, now - health.at);
}

// Age of what a slice shows: since it came here, plus what the gateway said of its own memory.
export function ageOf(slice: Slice<{ data_age_ms?: number | null }>, now: number): number | null {
  if (slice.at === 0 || now === 0 || slice.data === null) {
    return null;
  }
  return Math.max(0, now - slice.at) + (slice.data.data_age_ms ?? 0);
}

// A choice kept in this browser.
export function useStored<T extends string>(key: string, initial: T): [T, (v: T) => void] {
  const [value, setValue] = useState<T>(initial);
  useEffect(() => {
    try {
      const kept = window.localStorage.getItem(key);
      if (kept !== null) {
        setValue(kept as T);
      }
    } catch {
      // Storage may be switched off.
    }
  }, [key]);
  const set = useCallback(
    (v: T) => {
      setValue(v);
      try {
        window.localStorage.setItem(key, v);
      } catch {
        // Then it lasts as long as the page.
      }
    },
    [key],
  );
  return [value, set];
}
