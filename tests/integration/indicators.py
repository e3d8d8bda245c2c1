"""Footprints, regime and volume delta computed a second time, straight from their definitions, over
the set of trades (reference.Market). Shares no method with the services: the whole day is looked at
anew for each candle."""

import decimal
from fractions import Fraction

import reference

MINUTE_MS = 60_000
WEIGHTS = (Fraction("0.35"), Fraction("0.25"), Fraction("0.2"), Fraction("0.2"))
TREND, RANGE, LOOK_BACK = Fraction("0.6"), Fraction("0.4"), 60
FOOTPRINT_CANDLES, FOOTPRINT_TICKS = 30, 50
RATIO, MIN_QTY = 3, 1


# ---- footprint -------------------------------------------------------------------------------


def footprint(trades, units, ticks=FOOTPRINT_TICKS, ratio=RATIO, minimum=MIN_QTY):
    """([(price, buy, sell, imbalance)], [(side, from, to)]) of the trades of one candle."""
    width = units.bin * ticks
    buy, sell = {}, {}
    for t in trades:
        side = buy if t.side == "buy" else sell
        side[t.price // width] = side.get(t.price // width, 0) + t.qty
    at = sorted(set(buy) | set(sell))
    strong = lambda own, other: own > 0 and own >= minimum and own >= ratio * other
    buys = {i for i in at if strong(buy.get(i, 0), sell.get(i - 1, 0))}
    sells = {i for i in at if strong(sell.get(i, 0), buy.get(i + 1, 0))}
    rows = []
    for i in at:
        b, s = buy.get(i, Fraction(0)), sell.get(i, Fraction(0))
        side = None
        if i in buys and (i not in sells or b > s):
            side = "buy"
        elif i in sells and (i not in buys or s > b):
            side = "sell"
        rows.append((i * width, b, s, side))
    stacks = []
    for side, marked in (("buy", buys), ("sell", sells)):
        for i in sorted(marked):
            if i - 1 not in marked:
                end = i
                while end + 1 in marked:
                    end += 1
                if end - i >= 2:
                    stacks.append((side, i * width, end * width))
    return rows, stacks


def footprints(market, tf_ms):
    """{start: footprint} of the newest candles."""
    buckets = {}
    for t in market.trades:
        buckets.setdefault(t.ts - t.ts % tf_ms, []).append(t)
    newest = sorted(buckets)[-FOOTPRINT_CANDLES:]
    return {start: footprint(buckets[start], market.units) for start in newest}


# ---- regime ----------------------------------------------------------------------------------


def sigmas_over_three(price, vwap, variance):
    """min(|P - VWAP| / sigma, 3) / 3 with far more digits than are printed."""
    if variance == 0:
        return Fraction(0)
    square = (price - vwap) ** 2 / variance
    if square >= 9:
        return Fraction(1)
    with decimal.localcontext() as ctx:
        ctx.prec = 80
        root = (decimal.Decimal(square.numerator) / decimal.Decimal(square.denominator)).sqrt()
        return Fraction(root) / 3


def steps(market, complete_to):
    """One dict per candle of the day that is complete, i.e. starts at or before complete_to."""
    day, units = market.cur, market.units
    minutes = {}
    for t in day.trades:
        minutes.setdefault(t.ts - t.ts % MINUTE_MS, []).append(t)
    out, bins = [], {}
    one, width = reference.ONE, reference.whole(units.tick)
    q = pq = ppq = 0
    for start in sorted(minutes):
        if start > complete_to:
            break
        delta = volume = 0
        for t in minutes[start]:
            p, n = reference.whole(t.p_text), reference.whole(t.q_text)
            q, pq, ppq, volume = q + n, pq + p * n, ppq + p * p * n, volume + n
            delta += n if t.side == "buy" else -n
            row = bins.setdefault(p // width, [0])
            row[0] += n
        val, vah = reference.value_area_of(bins)
        out.append({"start": start, "close": minutes[start][-1].price,
                    "delta": Fraction(delta, one), "volume": Fraction(volume, one)})
        last = out[-LOOK_BACK:]
        closes = [s["close"] for s in last]
        path = sum(abs(b - a) for a, b in zip(closes, closes[1:]))
        price, vwap = closes[-1], Fraction(pq, q * one)
        variance = Fraction(ppq, q * one * one) - vwap * vwap
        shares = (
            abs(closes[-1] - closes[0]) / path if path else Fraction(0),
            sigmas_over_three(price, vwap, variance),
            abs(sum(s["delta"] for s in last)) / sum(s["volume"] for s in last),
            Fraction(sum(not val <= c // units.bin <= vah for c in closes), len(closes)),
        )
        score = Fraction(reference.half_even_8(sum(w * s for w, s in zip(WEIGHTS, shares))))
        before = len(out) > 1 and out[-2]["trend"]
        out[-1].update(shares=shares, score=score, vwap=vwap, val=val, vah=vah,
                       sigma=reference.sum_with_root_8(Fraction(0), 1, variance),
                       trend=score > RANGE if before else score >= TREND)
    return out


def every_step(market):
    """The steps of all its minutes, made once: a step knows nothing of those behind it."""
    if not hasattr(market, "regime_steps"):
        market.regime_steps = steps(market, max(t.ts for t in market.cur.trades))
    return market.regime_steps


def changes(all_steps):
    """[(at_ms, to)] of the day, which begins as range."""
    out, now = [], False
    for s in all_steps:
        if s["trend"] != now:
            now = s["trend"]
            out.append((s["start"] + MINUTE_MS, "trend" if now else "range"))
    return out


def regime_fields(market, complete_to):
    """Fields of :regime."""
    all_steps = [s for s in every_step(market) if s["start"] <= complete_to]
    if not all_steps:
        return {"regime": "range", "score": ""}
    s, u = all_steps[-1], market.units
    last = all_steps[-LOOK_BACK:]
    missing, _, to = market.coverage(market.cur)
    judged = to - market.cur.start_ms
    sure = (s["score"] - RANGE) / (1 - RANGE) if s["trend"] else (TREND - s["score"]) / TREND
    sure = min(max(sure, Fraction(0)), Fraction(1)) * Fraction(judged - missing, judged)
    volume = sum(x["volume"] for x in last)
    if len(all_steps) < 10 or volume < 10:
        sure = min(sure, Fraction("0.3"))
    names = ("path", "distance", "delta", "outside")
    return {
        "regime": "trend" if s["trend"] else "range",
        "score": reference.half_even_8(s["score"]),
        "confidence": reference.half_even_8(sure),
        "candles": str(len(last)), "steps": str(len(all_steps)),
        "volume": u.qty(volume), "price": u.price(s["close"]),
        "vwap": reference.half_even_8(s["vwap"]), "sigma": s["sigma"],
        "val": u.bin_price(s["val"]), "vah": u.bin_price(s["vah"]),
        "at_ms": str(s["start"] + MINUTE_MS),
        "profile_strength": strength(market.cur.bins),
        **{n: reference.half_even_8(v) for n, v in zip(names, s["shares"])},
    }


def strength(bins):
    """Gini over all bins from low to high."""
    every = sorted(bins[i][0] if i in bins else Fraction(0) for i in range(min(bins), max(bins) + 1))
    n = len(every)
    top = sum((2 * i - n - 1) * x for i, x in enumerate(every, start=1))
    return reference.half_even_8(top / (n * sum(every)))


# ---- what is stored ----------------------------------------------------------------------------


# ---- volume by second, CVD -------------------------------------------------------------------


def flow(trades):
    """(bought, sold, count)"""
    buy = sum((t.qty for t in trades if t.side == "buy"), Fraction(0))
    return buy, sum((t.qty for t in trades), Fraction(0)) - buy, len(trades)


def grouped(trades, length_ms):
    out = {}
    for t in trades:
        out.setdefault(t.ts // length_ms, []).append(t)
    return out


def flow_of(text):
    buy, sell, n = text.split(" ")
    return Fraction(buy), Fraction(sell), int(n)


def anchor_of(market, commands):
    """(kind, ms, first ms that counts) in force: the day's begin or its newest reset."""
    resets = [int(f["at_ms"]) for _, f in commands if f.get("type") == "cvd_reset"]
    newest = max(resets, default=-1)
    if newest >= market.cur_start:
        return "reset", newest, newest + 1
    return "day", market.cur_start, market.cur_start


def cvd_history(market, commands):
    """[(minute, CVD at its begin, CVD at its end, flow)]"""
    _, _, begin = anchor_of(market, commands)
    total, rows = Fraction(0), []
    for minute, trades in sorted(grouped([t for t in market.cur.trades if t.ts >= begin],
                                         MINUTE_MS).items()):
        one = flow(trades)
        rows.append((minute * MINUTE_MS, total, total + one[0] - one[1], one))
        total = rows[-1][2]
    return rows


def check_flow(db, key, market, found):
    commands = db.stream(key("commands"))
    kind, anchor_ms, begin = anchor_of(market, commands)
    buy, sell, n = flow([t for t in market.cur.trades if t.ts >= begin])
    qty = market.units.qty
    stored = db.hash(key("cvd"))
    found.fields("cvd", stored, {
        "day": reference.day_name(market.cur_start), "anchor": kind, "anchor_ms": str(anchor_ms),
        "cvd": qty(buy - sell), "volume_delta": qty(buy - sell), "buy_volume": qty(buy),
        "sell_volume": qty(sell), "trades": str(n), "minutes_whole": "1"})
    want = {str(m * MINUTE_MS): flow(t) for m, t in grouped(market.cur.trades, MINUTE_MS).items()}
    got = {k: flow_of(v) for k, v in db.hash(key("cvd:minutes")).items()}
    found.same("cvd:minutes", got, want)
    newest = market.newest // 1000
    kept = [t for t in market.trades if t.ts // 1000 > newest - 7260]
    got = {}
    for second, text in db.hash(key("indicators:seconds")).items():
        head, *parts = text.split(";")
        rows = [p.split(",") for p in parts]
        got[int(second)] = (flow_of(head), {int(r[0]): flow_of(" ".join(r[1:])) for r in rows})
    want = {s: (flow(t), {ms % 1000: flow(v) for ms, v in grouped(t, 1).items()})
            for s, t in grouped(kept, 1000).items()}
    for s in sorted(set(got) | set(want)):
        found.same(f"indicators:seconds {s}", got.get(s), want.get(s))


def check(db, key, market, found, exact, timeframes):
    """Adds differences between Redis and the recomputation to `found`."""
    every_step(market)  # takes its time, so it comes before anything is read
    for name, tf_ms in timeframes.items():
        want = footprints(market, tf_ms)
        stored = {int(k): exact(v) for k, v in db.hash(key(f"footprint:{name}")).items()}
        found.same(f"footprint:{name} candles", sorted(stored), sorted(want))
        for start, (rows, stacks) in want.items():
            got = stored.get(start, {})
            have = [(r["price"], r["buy_vol"], r["sell_vol"], r["imbalance"])
                    for r in got.get("footprint", [])]
            found.same(f"footprint:{name} {start}", have, rows)
            have = [(r["side"], r["from"], r["to"]) for r in got.get("stacked", [])]
            found.same(f"footprint:{name} {start} stacked", have, stacks)
    check_flow(db, key, market, found)
    complete = db.hash(key("strategy")).get("complete_1m", "")
    if complete:
        found.fields("regime", db.hash(key("regime")), regime_fields(market, int(complete)))
