"""What the services stored, and whether it equals the recomputation of reference.py."""

import json
from fractions import Fraction

import indicators
import reference
from stack import wait_for

TIMEFRAMES = {"1m": 60_000, "5m": 300_000}
# Values that move with the instrument clock after the last trade (a candle completes when its time
# is over): compared apart, by completions().
CLOCKED = {"session", "complete_1m", "complete_5m"}


def exact(text):
    """JSON whose decimals stay exact (Fractions)."""
    return json.loads(text, parse_float=Fraction, parse_int=int)


def units_of(db, stack, symbol=None):
    h = db.hash(stack.key("instrument", symbol))
    return reference.Units(h["tick"], h["step"])


def history_rows(db, stack, symbol=None):
    return [fields for _, fields in db.stream(stack.key("history", symbol))]


def stored_trades(db, stack, symbol=None):
    """The truth: :trades united with :history kind=trades, copies included."""
    out = []
    if (symbol or stack.symbols[0]).startswith("bybit:"):
        return stored_bybit_trades(db, stack, symbol)
    for ident, f in db.stream(stack.key("trades", symbol)):
        ts, a = ident.split("-")
        assert a == f["id"], f"entry {ident} holds id {f['id']}"
        out.append(reference.make_trade(int(ts), int(a), f["price"], f["qty"], f["side"]))
    for f in history_rows(db, stack, symbol):
        if f["kind"] == "trades":
            for line in f["data"].splitlines():
                ts, a, price, qty, side = line.split(" ")[:5]
                out.append(reference.make_trade(int(ts), int(a), price, qty, side))
    return out


def stored_bybit_trades(db, stack, symbol=None):
    out = []
    for ident, f in db.stream(stack.key("trades", symbol)):
        t = reference.make_trade(
            int(ident.split("-")[0]), f["id"], f["price"], f["qty"], f["side"]
        )
        out.append(t._replace(seq=int(f["seq"] or 0), flags=f["flags"]))
    for f in history_rows(db, stack, symbol):
        for line in f["data"].splitlines() if f["kind"] == "trades" else ():
            ts, uid, price, qty, side, seq, *flags = line.split(" ")
            t = reference.make_trade(int(ts), uid, price, qty, side)
            out.append(t._replace(seq=int(seq or 0), flags="".join(flags)))
    return out


def stored_times(db, stack, symbol=None):
    """What the streams of a venue without trade numbers say about time."""
    live = [int(i.split("-")[0]) for i, _ in db.stream(stack.key("trades", symbol))]
    rows = history_rows(db, stack, symbol)
    span = lambda f: (int(f["from_ms"]), int(f["to_ms"]))
    return reference.Times(
        min(live),
        [span(f) for f in rows if f["kind"] in ("gap", "lost")],
        [span(f) for f in rows if f["kind"] == "trades"],
    )


def declared_gaps(db, stack, symbol=None):
    """Id ranges that :history says were not received."""
    return [
        (int(f["from_id"]), int(f["to_id"]))
        for f in history_rows(db, stack, symbol)
        if f["kind"] in ("gap", "lost")
    ]


def undeclared(served, held, gaps):
    """Ids served that are neither stored nor inside a declared gap."""
    return [
        i for i in sorted(served) if i not in held and not any(lo <= i <= hi for lo, hi in gaps)
    ]


def positions_reached(db, stack, symbol=None):
    """Both consumers have committed everything that is on the streams."""
    tips = (db.tip(stack.key("trades", symbol)), db.tip(stack.key("history", symbol)))
    if tips[0] == "0-0":
        return False
    for tail in ("context", "strategy"):
        at = db("HMGET", stack.key(tail, symbol), "_pos_trades", "_pos_history")
        if [p or "0-0" for p in at] != list(tips):
            return False
    return True


def snapshot(db, stack, symbol=None):
    """All state of an instrument but the streams and the fields that describe the run."""
    out = {}
    prefix = stack.key("", symbol)
    for key in db.keys(prefix.replace("[", "\\[") + "*"):
        if db("TYPE", key) != "hash":
            continue
        tail = key[len(prefix):]
        if tail in ("book", "mark"):
            continue  # the newest view of a moment, no function of the stored trades
        if tail in ("regime", "minutes"):
            continue  # of complete candles: move with the instrument clock after the last trade
        fields = {k: v for k, v in db.hash(key).items() if not k.startswith("_")}
        for name in CLOCKED:
            if tail == "strategy":
                fields.pop(name, None)
        if tail.startswith("candles:") or tail == "coverage":
            fields = {k: stripped(exact(v)) for k, v in fields.items()}
        out[tail] = fields
    return out


def stripped(value):
    if isinstance(value, dict):
        return {k: stripped(v) for k, v in value.items() if not k.startswith("_")}
    return [stripped(v) for v in value] if isinstance(value, list) else value


def differences(a, b, name_a, name_b, limit=20):
    """Lines that say where two snapshots differ."""
    out = []
    for tail in sorted(set(a) | set(b)):
        left, right = a.get(tail), b.get(tail)
        if left is None or right is None:
            out.append(f"{tail}: only in {name_a if right is None else name_b}")
            continue
        for field in sorted(set(left) | set(right)):
            if left.get(field) != right.get(field):
                out.append(
                    f"{tail} {field}: {name_a} {left.get(field)!r}, {name_b} {right.get(field)!r}"
                )
    return out[:limit] + ([f"... {len(out)} in all"] if len(out) > limit else [])


class Findings(list):
    """Collects differences; same() compares text or numbers."""

    def same(self, where, got, want):
        if got != want:
            self.append(f"{where}: stored {got!r}, recomputed {want!r}")

    def fields(self, where, stored, expected):
        for name, want in expected.items():
            self.same(f"{where} {name}", stored.get(name), want)


def check_redis(db, stack, market, symbol=None):
    """Everything in Redis against the recomputation; a list of differences."""
    found = Findings()
    key = lambda tail: stack.key(tail, symbol)
    context = db.hash(key("context"))
    found.fields("context", context, market.context())
    found.same("context simulated", context.get("simulated"), "1")
    check_days(db, key, market, found)
    check_coverage(db, key, market, found)
    check_metrics(db, key, market, found)
    for name, tf_ms in TIMEFRAMES.items():
        check_candles(db, key, market, name, tf_ms, found)
    indicators.check(db, key, market, found, exact, TIMEFRAMES)
    return found


def check_days(db, key, market, found):
    for day in filter(None, (market.cur, market.prev)):
        name = reference.day_name(day.start_ms)
        for owner in ("", "strategy:"):
            tail = f"{owner}context:{name}" if not owner else f"strategy:{name}"
            stored = db.hash(key(tail))
            found.fields(tail, stored, day.levels())
            found.same(f"{tail} trades", stored.get("trades"), str(day.n))
            for total in ("sum_q", "sum_pq", "sum_ppq"):
                got = stored.get(total, "0")
                found.same(f"{tail} {total}", Fraction(got), getattr(day, total))
            for end, at in (("first", 0), ("last", -1)):
                t = day.trades[at]
                number, uid = (t.seq, f" {t.id}") if isinstance(t.id, str) else (t.id, "")
                text = f"{t.ts} {number} {day.units.price(t.price)} {day.units.qty(t.qty)} {t.side}"
                text += uid
                found.same(f"{tail} {end}", stored.get(end), text)
            profile = db.hash(key(f"{owner}profile:{name}"))
            profile = {k: v for k, v in profile.items() if not k.startswith("_")}
            want = day.profile_fields()
            if profile != want:
                wrong = [k for k in set(want) | set(profile) if want.get(k) != profile.get(k)]
                found.append(
                    f"{owner}profile:{name}: {len(wrong)} bins differ, e.g. {wrong[0]}: stored "
                    f"{profile.get(wrong[0])!r}, recomputed {want.get(wrong[0])!r}"
                )


def check_coverage(db, key, market, found):
    stored = db.hash(key("coverage"))
    for day in filter(None, (market.cur, market.prev)):
        name = reference.day_name(day.start_ms)
        missing, spans, to = market.coverage(day)
        got = exact(stored.get(name, "{}"))
        found.same(f"coverage {name} missing_ms", got.get("missing_ms"), missing)
        found.same(f"coverage {name} judged_to_ms", got.get("judged_to_ms"), to)
        want_fraction = reference.fraction_8(missing, to - day.start_ms)
        fraction = got.get("fraction")
        found.same(f"coverage {name} fraction", fraction, Fraction(want_fraction or 0))
        rows = [(s["from_ms"], s["to_ms"], s["state"]) for s in got.get("spans", [])]
        found.same(f"coverage {name} spans", merged(rows), merged(spans))


def merged(spans):
    """Touching spans of one kind as one; repaired counts as complete (the recomputation does not
    know how a trade came)."""
    out = []
    for a, b, state in spans:
        state = "complete" if state == "repaired" else state
        if out and out[-1][2] == state and out[-1][1] == a:
            out[-1] = (out[-1][0], b, state)
        else:
            out.append((a, b, state))
    return out


def check_metrics(db, key, market, found):
    stored = db.hash(key("metrics"))
    found.fields("metrics", stored, market.metrics())
    rows = [
        (r["price"], r["volume"], r["buy_vol"], r["sell_vol"], r["rank"])
        for r in exact(stored.get("footprint", "[]"))
    ]
    found.same("metrics footprint", rows, market.cur.footprint())


def check_candles(db, key, market, name, tf_ms, found):
    tail = f"candles:{name}"
    stored = {int(k): exact(v) for k, v in db.hash(key(tail)).items() if not k.startswith("_")}
    want = market.candles(tf_ms)
    kept = sorted(want)[-1500:]
    found.same(f"{tail} buckets", sorted(stored), kept)
    for start in kept:
        got = stored.get(start, {})
        for field, value in want[start].items():
            have = got.get(field)
            if field == "sum_pq" and have is not None:
                have = Fraction(have)
            found.same(f"{tail} {start} {field}", have, value)


def check_events(db, stack, market, symbol=None):
    """Each finished candle was announced once, in order, and only buckets with trades were."""
    found = Findings()
    rows = [f for _, f in db.stream(stack.key("events", symbol))]
    at = db.hash(stack.key("strategy", symbol))
    for name, tf_ms in TIMEFRAMES.items():
        told = []
        for f in rows:
            data = json.loads(f["data"])
            if f["type"] == "candle_complete" and data["timeframe"] == name:
                told.append(data["start_ms"])
        buckets = sorted(market.candles(tf_ms))
        # The last bucket completes when the instrument clock passes its end.
        done = [b for b in buckets if str(b) <= at.get(f"complete_{name}", "")]
        if done[-1:] not in (buckets[-1:], buckets[-2:-1]):
            found.append(f"complete_{name} is {at.get(f'complete_{name}')!r}, buckets end {buckets[-2:]}")
        found.same(f"candle_complete {name}", told, done)
    return found


# ---- REST --------------------------------------------------------------------------------------


def number(text):
    """What REST should answer for a stored text: a number, or None for ''."""
    return None if text in ("", None) else Fraction(text)


def api_number(value):
    return None if value is None else Fraction(value)


def check_rest(stack, market, symbol=None):
    """The public API against the recomputation; a list of differences."""
    found = Findings()
    q = "symbol=" + (symbol or stack.symbols[0])
    lv = market.cur.levels()
    ctx = market.context()
    num = lambda where, got, want: found.same(where, api_number(got), number(want))

    status, body = stack.get(f"/price?{q}")
    found.same("/price status", status, 200)
    num("/price price", body.get("price"), lv["price"])

    status, body = stack.get(f"/levels?{q}")
    found.same("/levels status", status, 200)
    for name, field in (
        ("VWAP", "vwap"), ("POCd", "poc"), ("POC", "poc"), ("VAH", "vah"), ("VAL", "val"),
        ("PDH", "pdh"), ("PDL", "pdl"), ("VAHprev", "vah_prev"), ("VALprev", "val_prev"),
        ("POCprev", "poc_prev"), ("VWAPprev", "vwap_prev"),
    ):
        num(f"/levels {name}", body.get(name), ctx[field])
    num("/levels OR.hi", (body.get("OR") or {}).get("hi"), ctx["or_high"])
    num("/levels OR.lo", (body.get("OR") or {}).get("lo"), ctx["or_low"])
    num("/levels coverage.today", body["coverage"].get("today"), ctx["coverage_today"])
    num("/levels coverage.prev", body["coverage"].get("prev"), ctx["coverage_prev"])

    status, body = stack.get(f"/context?{q}&profile_rows=0")
    found.same("/context status", status, 200)
    found.same("/context simulated", body.get("simulated"), True)
    num("/context rangeToday", body["stats"].get("rangeToday"), ctx["range"])
    num("/context cd_pre", body["stats"].get("cd_pre"), ctx["cd_pre"])
    num("/context cumulative_delta", body.get("cumulative_delta"), ctx["cumulative_delta"])
    rows = {
        Fraction(r["price"]): tuple(Fraction(r[k]) for k in ("volume", "buy_vol", "sell_vol"))
        for r in body["volume_profile"]
    }
    want = {i * market.units.bin: tuple(b[:3]) for i, b in market.cur.bins.items()}
    if {p: v for p, v in rows.items() if v[0]} != want:
        found.append(f"/context volume_profile: {len(rows)} rows, recomputed {len(want)}")
    _, body = stack.get(f"/context?{q}&vwap_mode=quote&profile_rows=10")
    num("/context quote VWAP", body["levels"].get("VWAP"), ctx["vwap_quote"])

    for name, tf_ms in TIMEFRAMES.items():
        status, body = stack.get(f"/strategy/candles?{q}&timeframe={name}&count=1000")
        found.same("/strategy/candles status", status, 200)
        candles = market.candles(tf_ms)
        kept = sorted(candles)[-1000:]
        found.same(f"/strategy/candles {name} count", len(body["candles"]), len(kept))
        for row, start in zip(body["candles"], kept):
            for field in "open high low close volume buy_volume sell_volume delta vwap poc".split():
                found.same(f"candle {name} {start} {field}", api_number(row.get(field)),
                           Fraction(candles[start][field]))
            found.same(f"candle {name} {start} trades", row.get("trades"), candles[start]["trades"])

    status, body = stack.get(f"/strategy/metrics?{q}")
    m = body.get("metrics") or {}
    for name, field in (("vwap", "vwap"), ("poc", "poc"), ("delta", "delta"),
                        ("buy_volume", "buy_volume"), ("sell_volume", "sell_volume")):
        num(f"/strategy/metrics {name}", m.get(name), lv[field])
    found.same("/strategy/metrics trade_count", m.get("trade_count"), market.cur.n)
    rows = [tuple(Fraction(r[k]) for k in ("price", "volume", "buy_vol", "sell_vol", "rank"))
            for r in m.get("footprint", [])]
    found.same("/strategy/metrics footprint", rows, market.cur.footprint())

    _, body = stack.get(f"/debug/poc?{q}")
    num("/debug/poc poc_price", body.get("poc_price"), lv["poc"])
    num("/debug/poc poc_volume", body.get("poc_volume"), lv["poc_volume"])
    return found


# ---- waiting until it holds ----------------------------------------------------------------------


def settle(db, stack, symbol=None, seconds=30):
    """Waits until both consumers have committed all that is stored."""

    def where():
        tips = (db.tip(stack.key("trades", symbol)), db.tip(stack.key("history", symbol)))
        at = [db("HMGET", stack.key(t, symbol), "_pos_trades", "_pos_history")
              for t in ("context", "strategy")]
        return f"context and strategy reach {tips}; they are at {at}"

    wait_for(lambda: positions_reached(db, stack, symbol), seconds, where)


def until_no_difference(check, seconds=10):
    """Derived state follows the streams within moments: polls, and returns what is left."""
    last = []

    def clean():
        last[:] = check()
        return not last

    try:
        wait_for(clean, seconds, "no difference", every=0.1)
    except AssertionError:
        pass
    return last
