"use client";

// CVD since its anchor, with its reset, and volume delta of the last minutes.

import { useCallback, useEffect, useRef, useState } from "react";
import { ApiError, resetCvd } from "@/api-client";
import { Panel, Row } from "@/components/panel";
import { clock, countdown, num, parseTime, signed } from "@/lib/format";
import { useLink, useNow, useSlice } from "@/lib/hooks";
import type { Cvd, DeltaWindow } from "@/types";

type Step = "idle" | "asking" | "waiting";

export function periodName(seconds: number): string {
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`;
}

// Why a reset can not be asked for; null when it can.
export function whyNoReset(cvd: Cvd | null, isConnected: boolean): string | null {
  if (!isConnected || cvd?.redis_up === false) {
    return "no connection";
  }
  if (cvd === null || cvd.cvd === null) {
    return "nothing to reset yet";
  }
  return cvd.reset_wants_token === true ? "the gateway wants a token for it" : null;
}

function Reset(p: { apiUrl: string; symbol: string | null; why: string | null }): React.ReactElement {
  const { apiUrl, symbol, why } = p;
  const [step, setStep] = useState<Step>("idle");
  const [said, setSaid] = useState("");
  const yes = useRef<HTMLButtonElement>(null);
  const first = useRef<HTMLButtonElement>(null);
  const isAlive = useRef(true);
  useEffect(() => {
    isAlive.current = true;
    return () => {
      isAlive.current = false;
    };
  }, []);
  useEffect(() => {
    if (step === "asking") {
      yes.current?.focus();
    }
  }, [step]);
  const cancel = useCallback(() => {
    setStep("idle");
    // The button that had the focus is gone with the question.
    requestAnimationFrame(() => first.current?.focus());
  }, []);
  const reset = useCallback(async () => {
    setStep("waiting");
    setSaid("");
    let text: string;
    try {
      text = (await resetCvd(apiUrl, symbol)) ? "CVD begins anew." : "Asked for; it will begin anew.";
    } catch (e) {
      text = e instanceof ApiError ? `Not reset: ${e.message}` : "Not reset: no answer.";
    }
    if (isAlive.current) {
      setSaid(text);
      cancel();
    }
  }, [apiUrl, symbol, cancel]);

  return (
    <div
      className="reset"
      onKeyDown={(e) => {
        if (e.key === "Escape" && step === "asking") {
          cancel();
        }
      }}
    >
      {step === "asking" ? (
        <div role="group" aria-label="Begin the CVD anew?" className="tools">
          <button ref={yes} type="button" onClick={() => void reset()} data-action="reset-yes">
            Begin anew
          </button>
          <button type="button" onClick={cancel} data-action="reset-no">
            Cancel
          </button>
        </div>
      ) : (
        <button
          ref={first}
          type="button"
          disabled={why !== null || step === "waiting"}
          title={why === null ? "Begin the CVD anew, for everybody" : `Reset: ${why}`}
          onClick={() => {
            setSaid("");
            setStep("asking");
          }}
          data-action="reset"
        >
          {step === "waiting" ? "Resetting …" : "Reset CVD"}
        </button>
      )}
      <span className="note" role="status" data-value="reset-said">
        {why !== null && said === "" ? `Reset: ${why}.` : said}
      </span>
    </div>
  );
}

function WindowRow({ w }: { w: DeltaWindow }): React.ReactElement {
  const tone = w.volume_delta === null ? undefined : w.volume_delta >= 0 ? "buy" : "sell";
  const isMissing = (w.missing_ms ?? 0) > 0;
  return (
    <tr className={isMissing ? "incomplete" : undefined}>
      <th scope="row">
        {periodName(w.period)}
        {isMissing ? " *" : ""}
      </th>
      <td className={tone} data-value={`delta-${w.period}`}>
        {signed(w.volume_delta, 2)}
      </td>
      <td className="buy" data-value={`delta-buy-${w.period}`}>
        {num(w.buy_volume, 2)}
      </td>
      <td className="sell" data-value={`delta-sell-${w.period}`}>
        {num(w.sell_volume, 2)}
      </td>
    </tr>
  );
}

export function DeltaPanel(p: { apiUrl: string; symbol: string | null }): React.ReactElement {
  const cvd = useSlice("cvd");
  const delta = useSlice("delta");
  const link = useLink();
  const now = useNow();
  const c = cvd.data;
  const since = parseTime(c?.reset_time);
  const seconds = c?.seconds_since_reset ?? null;
  // Counted on between two answers.
  const running =
    seconds === null || now === 0 ? seconds : seconds + Math.max(0, Math.floor((now - cvd.at) / 1000));
  const periods = delta.data?.periods ?? [];
  return (
    <Panel title="CVD and volume delta" area="delta" slice={cvd} staleMs={15_000}>
      <div className="delta">
        <dl className="rows">
          <Row
            label={c?.anchor === "reset" ? "CVD since the reset" : "CVD of the day"}
            value={signed(c?.cvd, 2)}
            tone={c?.cvd == null ? undefined : c.cvd >= 0 ? "buy" : "sell"}
            name="cvd"
          />
          <Row
            label="Since"
            value={since === null ? num(null, 0) : `${clock(since)} UTC, ${countdown(running)}`}
            name="cvd-since"
          />
          <Row label="Bought" value={num(c?.buy_volume, 2)} tone="buy" name="cvd-buy" />
          <Row label="Sold" value={num(c?.sell_volume, 2)} tone="sell" name="cvd-sell" />
        </dl>
        <table className="grid-table">
          <caption className="hidden">Volume delta of the last minutes</caption>
          <thead>
            <tr>
              <th scope="col">Last</th>
              <th scope="col">Delta</th>
              <th scope="col">Bought</th>
              <th scope="col">Sold</th>
            </tr>
          </thead>
          <tbody>
            {periods.map((w) => (
              <WindowRow key={w.period} w={w} />
            ))}
          </tbody>
        </table>
      </div>
      <Reset apiUrl={p.apiUrl} symbol={p.symbol} why={whyNoReset(c, link.state !== "disconnected")} />
    </Panel>
  );
}
