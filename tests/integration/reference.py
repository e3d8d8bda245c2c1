"""Every number of the live path, computed a second time from the set of trades.

Nothing here shares code or method with the services: no incremental state, no 128-bit integers,
no rounding tricks. The whole set of trades is sorted, and each number is taken straight from its
definition with integers, fractions.Fraction and, for square roots, decimal with digits to spare.
Sums over trades are made of whole numbers, ten decimals each (whole()), so that days of millions
can be judged; a sum becomes a Fraction when it is complete.
All values leave as text in the form the services store ("" = unknown), so a test compares text.

    python3 reference.py FILE...      prints the day figures of recordings
"""

import collections
import decimal
import functools
import gzip
import json
import operator
import sys
from fractions import Fraction

DAY_MS = 86_400_000
OR_FROM_MS = 8 * 3_600_000
OR_TO_MS = OR_FROM_MS + 600_000
COUNTED_X = ("MARKET", "RPI")  # other kinds of @trade prints (insurance fund, ADL) do not count

# price and qty are Fractions; p_text and q_text the venue's own spelling. Binance numbers its
# trades; Bybit names them by a UUID (id), with a seq (0 = unknown) and flags ("", "block", ...).
Trade = collections.namedtuple(
    "Trade", "ts id price qty side p_text q_text seq flags", defaults=(0, "")
)


PLACES = 10
ONE = 10**PLACES

fraction = functools.lru_cache(maxsize=None)(Fraction)  # of a text; few texts differ


@functools.lru_cache(maxsize=None)
def whole(text):
    """The number that a text spells, times 10^PLACES."""
    value = fraction(text) * ONE
    assert value.denominator == 1, f"{text} has more than {PLACES} decimals"
    return value.numerator


def make_trade(ts, ident, price, qty, side):
    return Trade(ts, ident, fraction(price), fraction(qty), side, price, qty)


# ---- recordings ------------------------------------------------------------------------------


def frames(path):
    """Yields each JSON message of a recording, in file order, without its envelope."""
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8") as f:
        for line in f:
            brace = line.find("{")
            if brace < 0:
                continue
            message = json.loads(line[brace:], parse_float=str)
            yield message.get("data", message) if "stream" in message else message


def served(paths):
    """What a venue replaying these recordings serves: {symbol: [Trade]} in file order.

    aggTrade rows as they are. Single fills (@trade) of a market that has no aggTrade rows become
    aggregates of one fill: a = first t + index, rows that are not market trades left out.
    """
    agg = collections.defaultdict(list)
    single = collections.defaultdict(list)
    first_t = {}
    for path in paths:
        for m in frames(path):
            kind = m.get("e")
            if kind == "aggTrade":
                side = "sell" if m["m"] else "buy"
                agg[m["s"]].append(make_trade(m["T"], m["a"], m["p"], m["q"], side))
            elif kind == "trade" and m["X"] in COUNTED_X:
                symbol = m["s"]
                first_t.setdefault(symbol, m["t"])
                ident = first_t[symbol] + len(single[symbol])
                side = "sell" if m["m"] else "buy"
                single[symbol].append(make_trade(m["T"], ident, m["p"], m["q"], side))
    for symbol, rows in single.items():
        agg.setdefault(symbol, rows)
    return dict(agg)


def bybit_served(paths):
    """The same for recordings of Bybit's publicTrade: {symbol: [Trade]} in file order."""
    out = collections.defaultdict(list)
    for path in paths:
        for m in frames(path):
            if not m.get("topic", "").startswith("publicTrade."):
                continue
            for d in m["data"]:
                flags = ",".join(n for n, k in (("block", "BT"), ("rpi", "RPI")) if d.get(k))
                t = make_trade(d["T"], d["i"], d["p"], d["v"], d["S"].lower())
                out[d["s"]].append(t._replace(seq=int(d.get("seq", 0)), flags=flags))
    return dict(out)


def distinct(trades):
    """One copy per venue id, in set order: (ts, id); of Bybit (ts, seq, price in the aggressor's
    direction, UUID), and of two copies the one with the larger seq, with the flags of both."""
    one = {}
    for t in trades:
        have = one.get(t.id)
        if have is not None and isinstance(t.id, str):
            flags = set(filter(None, have.flags.split(",") + t.flags.split(",")))
            t = (t if t.seq > have.seq else have)._replace(flags=",".join(sorted(flags)))
        one[t.id] = t
    by_name = any(isinstance(i, str) for i in one)
    return sorted(one.values(), key=set_order if by_name else operator.itemgetter(0, 1))


def set_order(t):
    if isinstance(t.id, str):
        return (t.ts, t.seq, t.price if t.side == "buy" else -t.price, t.id)
    return (t.ts, t.id)


# ---- printing --------------------------------------------------------------------------------


def decimals_of(text):
    """Decimals that a text like a tickSize needs: 1 for "0.10"."""
    return len(text.split(".")[1].rstrip("0")) if "." in text else 0


def show(value, places):
    """An exact decimal with `places` decimals, and more only where the value needs them."""
    if value is None:
        return ""
    value = value if isinstance(value, Fraction) else Fraction(value)
    n = places
    while 10**n * value.numerator % value.denominator:
        n += 1
        if n > 40:
            raise ValueError(f"{value} is not a decimal")
    return fixed(10**n * value.numerator // value.denominator, n)


def fixed(scaled, places):
    sign, digits = ("-" if scaled < 0 else ""), str(abs(scaled)).rjust(places + 1, "0")
    return sign + (digits[:-places] + "." + digits[-places:] if places else digits)


def half_even_8(value):
    """A rational rounded half-even to 8 places; '' for None. (round() of a Fraction is exact and
    half-even.)"""
    return "" if value is None else fixed(round(Fraction(value) * 10**8), 8)


def sum_with_root_8(base, k, square):
    """base + k * sqrt(square), rounded half-even to 8 places of the exact value."""
    with decimal.localcontext() as ctx:
        ctx.prec = 150
        num, den = decimal.Decimal(square.numerator), decimal.Decimal(square.denominator)
        root = (num / den).sqrt()
        # A rational root could sit exactly on a half: take it as a fraction then. An irrational
        # one never does, and 150 digits are far more than it needs to leave the half.
        near = Fraction(int(num.sqrt()), int(den.sqrt())) if den.sqrt() != 0 else Fraction(0)
        if near * near == square:
            return half_even_8(base + k * near)
        exact = decimal.Decimal(base.numerator) / decimal.Decimal(base.denominator) + k * root
        out = exact.quantize(decimal.Decimal(1).scaleb(-8), rounding=decimal.ROUND_HALF_EVEN)
        return format(out, "f")


# ---- instrument ------------------------------------------------------------------------------


class Units:
    """Tick and step as the venue writes them: bins and printing follow from them."""

    def __init__(self, tick, step):
        self.tick, self.step = tick, step
        self.bin = Fraction(tick)
        self.p_dec, self.q_dec = decimals_of(tick), decimals_of(step)

    def price(self, value):
        return show(value, self.p_dec)

    def qty(self, value):
        return show(value, self.q_dec)

    def bin_price(self, index):
        return self.price(index * self.bin)


# ---- one day ---------------------------------------------------------------------------------


def day_of(ts):
    return ts - ts % DAY_MS


def day_name(start_ms):
    import datetime

    d = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=start_ms)
    return d.strftime("%Y-%m-%d")


def whole_profile(trades, units):
    """{bin index: [volume, buy, sell, trades]}, quantities as whole numbers."""
    bins, width = {}, whole(units.tick)
    for t in trades:
        row = bins.setdefault(whole(t.p_text) // width, [0, 0, 0, 0])
        qty = whole(t.q_text)
        row[0] += qty
        row[1 if t.side == "buy" else 2] += qty
        row[3] += 1
    return bins


def profile_of(trades, units):
    """{bin index: [volume, buy, sell, trades]}"""
    return {i: [Fraction(x, ONE) for x in row[:3]] + [row[3]]
            for i, row in whole_profile(trades, units).items()}


def poc_of(bins):
    return min(bins, key=lambda i: (-bins[i][0], i)) if bins else None


def value_area_of(bins):
    """(val, vah) bin indexes, straight from the definition; None without a trade."""
    if not bins:
        return None
    lowest, highest = min(bins), max(bins)
    volumes = {i: row[0] for i, row in bins.items()}
    if isinstance(volumes[lowest], Fraction):  # exactly: quantities have no more decimals
        volumes = {i: int(v * ONE) for i, v in volumes.items()}
    lo = hi = max(sorted(volumes), key=volumes.__getitem__)  # of equal ones the lowest
    area, enough, of = volumes[lo], 7 * sum(volumes.values()), volumes.get
    above = of(hi + 1, 0) + of(hi + 2, 0)  # bins outside of the range hold nothing
    below = of(lo - 1, 0) + of(lo - 2, 0)
    while 10 * area < enough:
        if hi < highest and (lo == lowest or above > below):
            area += above
            hi = min(hi + 2, highest)
            above = of(hi + 1, 0) + of(hi + 2, 0)
        elif lo > lowest:
            area += below
            lo = max(lo - 2, lowest)
            below = of(lo - 1, 0) + of(lo - 2, 0)
        else:
            raise AssertionError("the whole range holds less than 70 % of the volume")
    return lo, hi


class Day:
    """All metrics of one UTC day from its trades (distinct, any order)."""

    def __init__(self, start_ms, trades, units):
        self.start_ms, self.units = start_ms, units
        ts = self.trades = distinct(t for t in trades if start_ms <= t.ts < start_ms + DAY_MS)
        self.n = len(ts)
        q = pq = ppq = buy = block = pre_buy = pre_sell = 0
        high = low = or_high = or_low = None
        early = start_ms + OR_FROM_MS
        for t in ts:
            price, qty = whole(t.p_text), whole(t.q_text)
            q += qty
            pq += price * qty
            ppq += price * price * qty
            if t.side == "buy":
                buy += qty
            if "block" in t.flags:
                block += qty
            if t.ts < early:
                if t.side == "buy":
                    pre_buy += qty
                else:
                    pre_sell += qty
            elif t.ts < start_ms + OR_TO_MS:
                or_high = price if or_high is None or price > or_high else or_high
                or_low = price if or_low is None or price < or_low else or_low
            high = price if high is None or price > high else high
            low = price if low is None or price < low else low
        exact = lambda value, power=1: None if value is None else Fraction(value, ONE**power)
        self.sum_q, self.sum_pq, self.sum_ppq = exact(q), exact(pq, 2), exact(ppq, 3)
        self.buy, self.sell, self.block = exact(buy), exact(q - buy), exact(block)
        self.high, self.low = exact(high), exact(low)
        self.or_high, self.or_low = exact(or_high), exact(or_low)
        self.pre_buy, self.pre_sell = exact(pre_buy), exact(pre_sell)
        self.bins = profile_of(ts, units)
        self.poc = poc_of(self.bins)
        self.area = value_area_of(self.bins)

    def levels(self):
        """Derived values by field name, as text."""
        u, have = self.units, self.n > 0
        vwap = self.sum_pq / self.sum_q if have else None
        out = {
            "vwap": half_even_8(vwap),
            "vwap_quote": half_even_8(self.sum_ppq / self.sum_pq) if have else "",
            "poc": u.bin_price(self.poc) if have else "",
            "poc_volume": u.qty(self.bins[self.poc][0]) if have else "",
            "val": u.bin_price(self.area[0]) if have else "",
            "vah": u.bin_price(self.area[1]) if have else "",
            "high": u.price(self.high),
            "low": u.price(self.low),
            "range": u.price(self.high - self.low) if have else "",
            "or_high": u.price(self.or_high),
            "or_low": u.price(self.or_low),
            "volume": u.qty(self.sum_q),
            "buy_volume": u.qty(self.buy),
            "sell_volume": u.qty(self.sell),
            "block_volume": u.qty(self.block),
            "delta": u.qty(self.buy - self.sell) if have else "",
            "cd_pre": u.qty(self.pre_buy - self.pre_sell) if have else "",
            "price": self.units.price(self.trades[-1].price) if have else "",
        }
        variance = self.sum_ppq / self.sum_q - vwap * vwap if have else None
        out["sigma"] = sum_with_root_8(Fraction(0), 1, variance) if have else ""
        for k in (1, 2, 3):
            known = have and variance != 0
            out[f"band_up_{k}"] = sum_with_root_8(vwap, k, variance) if known else ""
            out[f"band_dn_{k}"] = sum_with_root_8(vwap, -k, variance) if known else ""
        return out

    def profile_fields(self):
        """:profile:<day>"""
        u = self.units
        return {
            u.bin_price(i): f"{u.qty(v)} {u.qty(b)} {u.qty(s)} {n}"
            for i, (v, b, s, n) in self.bins.items()
        }

    def footprint(self, count=20):
        """Rows (bin price, volume, buy, sell, rank) of the largest bins."""
        order = sorted(self.bins, key=lambda i: (-self.bins[i][0], i))[:count]
        return [
            (i * self.units.bin, *self.bins[i][:3], rank) for rank, i in enumerate(order, start=1)
        ]


# ---- coverage --------------------------------------------------------------------------------


def holes_of(held):
    """Missing id ranges between held ids, with their time: [(from_ms, to_ms, lo, hi)].

    held: {id: ts}
    """
    ids = sorted(held)
    out = []
    for a1, a2 in zip(ids, ids[1:]):
        if a2 != a1 + 1:
            t1, t2 = held[a1], held[a2]
            out.append((t1, max(t2, t1 + 1), a1 + 1, a2 - 1))
    return out


def coverage_of(held, start_ms, judged_to):
    """(missing ms, [(from, to, state)]) of one day from the ids held; merged and clipped."""
    judged_to = min(max(judged_to, start_ms), start_ms + DAY_MS)
    missing = []
    if held:
        first_ts = held[min(held)]
        missing.append((start_ms, min(first_ts, judged_to)))
        missing += [(max(a, start_ms), min(b, judged_to)) for a, b, _, _ in holes_of(held)]
    else:
        missing.append((start_ms, judged_to))
    merged = []
    for a, b in sorted(m for m in missing if m[0] < m[1]):
        if merged and a < merged[-1][1]:  # holes that only touch are two: other ids
            merged[-1][1] = max(merged[-1][1], b)
        else:
            merged.append([a, b])
    spans, at = [], start_ms
    for a, b in merged:
        if at < a:
            spans.append((at, a, "complete"))
        spans.append((a, b, "missing"))
        at = b
    if at < judged_to:
        spans.append((at, judged_to, "complete"))
    return sum(b - a for a, b in merged), spans


class Times:
    """What is proven where trades have no numbers: from the first trade of :trades on everything,
    minus the declared gaps, plus what is claimed (claims win). Intervals are half-open."""

    def __init__(self, since, gaps=(), claims=()):
        self.since = since
        self.gaps = [(a, max(b, a + 1)) for a, b in gaps]
        self.claims = list(claims)

    def proven(self, ms):
        if any(a <= ms < b for a, b in self.claims):
            return True
        return ms >= self.since and not any(a <= ms < b for a, b in self.gaps)

    def coverage(self, trades, start_ms, judged_to):
        """(missing ms, spans) of a day; whole seconds of a hole with a trade are partial."""
        judged_to = min(max(judged_to, start_ms), start_ms + DAY_MS)
        edges = {start_ms, judged_to, self.since}
        edges.update(e for span in self.gaps + self.claims for e in span)
        edges = sorted(e for e in edges if start_ms <= e <= judged_to)
        held = {t.ts // 1000 for t in trades}
        holes = []
        for a, b in zip(edges, edges[1:]):
            if not self.proven(a):
                if holes and holes[-1][1] == a:
                    holes[-1][1] = b
                else:
                    holes.append([a, b])
        spans, at = [], start_ms

        def put(a, b, state):
            if a < b and spans and spans[-1][2] == state and spans[-1][1] == a:
                spans[-1] = (spans[-1][0], b, state)
            elif a < b:
                spans.append((a, b, state))

        for a, b in holes:
            put(at, a, "complete")
            whole = [s for s in sorted(held) if a <= s * 1000 and s * 1000 + 1000 <= b]
            at = a
            for s in whole:
                put(at, s * 1000, "missing")
                put(s * 1000, s * 1000 + 1000, "partial")
                at = s * 1000 + 1000
            put(at, b, "missing")
            at = b
        put(at, judged_to, "complete")
        return sum(b - a for a, b in holes), spans


def fraction_8(missing, judged):
    return "" if judged <= 0 else half_even_8(1 - Fraction(missing, judged))


# ---- the whole of an instrument --------------------------------------------------------------


class Market:
    """Everything context and strategy store about one instrument, from the set of trades."""

    def __init__(self, trades, units, also_held=(), times=None):
        """also_held: (id, ts) of ids received and excluded on purpose. times: a Times, for a venue
        that does not number its trades."""
        self.units, self.times = units, times
        self.covered, self.made = {}, {}
        every = distinct(trades)
        self.newest = max((t.ts for t in every), default=None)
        self.cur_start = day_of(self.newest) if every else None
        self.prev_start = self.cur_start - DAY_MS if every else None
        # Trades older than the previous calendar day are refused.
        self.trades = [t for t in every if t.ts >= self.prev_start]
        self.held = {t.id: t.ts for t in self.trades}
        self.held.update(dict(also_held))
        self.cur = Day(self.cur_start, self.trades, units)
        prev = Day(self.prev_start, self.trades, units)
        self.prev = prev if prev.n else None

    def coverage(self, day):
        """(missing ms, spans, judged end) of self.cur or self.prev."""
        to = self.newest if day is self.cur else day.start_ms + DAY_MS
        if self.times:
            missing, spans = self.times.coverage(day.trades, day.start_ms, to)
            return missing, spans, to
        if day.start_ms not in self.covered:  # a look at every id, so but one
            self.covered[day.start_ms] = coverage_of(self.held, day.start_ms, to)
        missing, spans = self.covered[day.start_ms]
        return missing, spans, to

    def opening_range_coverage(self):
        """(fraction text, complete?)"""
        start = self.cur.start_ms
        lo, hi = start + OR_FROM_MS, min(start + OR_TO_MS, self.newest)
        if hi <= lo:
            return "", False
        missing = sum(
            max(0, min(b, hi) - max(a, lo))
            for a, b, state in self.coverage(self.cur)[1]
            if state in ("missing", "partial")
        )
        return fraction_8(missing, hi - lo), missing == 0 and self.newest >= start + OR_TO_MS

    def context(self):
        """:context without the fields that describe the run."""
        cur, prev = self.cur, self.prev
        lv = cur.levels()
        keep = (
            "price vwap vwap_quote sigma poc vah val high low range cd_pre buy_volume sell_volume "
            "block_volume or_high or_low"
        ).split()
        out = {name: lv[name] for name in keep}
        out.update({name: value for name, value in lv.items() if name.startswith("band_")})
        out["cumulative_delta"] = lv["delta"]
        out["day"] = day_name(cur.start_ms)
        out["prev_day"] = day_name(prev.start_ms) if prev else ""
        out["price_ts_ms"] = str(cur.trades[-1].ts)
        out["trades"] = str(cur.n)
        plv = prev.levels() if prev else collections.defaultdict(str)
        out.update(
            pdh=plv["high"],
            pdl=plv["low"],
            vah_prev=plv["vah"],
            val_prev=plv["val"],
            poc_prev=plv["poc"],
            vwap_prev=plv["vwap"],
        )
        missing, spans, to = self.coverage(cur)
        out["coverage_today"] = fraction_8(missing, to - cur.start_ms)
        out["missing_ms_today"] = str(missing)
        out["holes_today"] = str(count_holes(spans, self.times is not None))
        if prev:
            missing, spans, to = self.coverage(prev)
            out["coverage_prev"] = fraction_8(missing, to - prev.start_ms)
            out["missing_ms_prev"] = str(missing)
        else:
            out["coverage_prev"] = ""
        fraction, complete = self.opening_range_coverage()
        out["coverage_or"], out["or_complete"] = fraction, "1" if complete else "0"
        return out

    def metrics(self):
        """:metrics without its footprint, which is compared row by row."""
        lv = self.cur.levels()
        return {
            "day": day_name(self.cur.start_ms),
            "vwap": lv["vwap"],
            "poc": lv["poc"],
            "delta": lv["delta"],
            "buy_volume": lv["buy_volume"],
            "sell_volume": lv["sell_volume"],
            "trade_count": str(self.cur.n),
            "cumulative_volume": lv["volume"],
        }

    def candles(self, tf_ms):
        """{bucket start: {field: int | Fraction | str}} of all buckets with a trade."""
        if tf_ms not in self.made:
            buckets = collections.defaultdict(list)
            for t in self.trades:
                buckets[t.ts - t.ts % tf_ms].append(t)
            self.made[tf_ms] = {start: candle_of(start, ts, self.units)
                                for start, ts in buckets.items()}
        return self.made[tf_ms]


def candle_of(start, trades, units):
    """One candle from its trades in set order."""
    running = least = most = buy = q = pq = 0
    for t in trades:
        qty = whole(t.q_text)
        q += qty
        pq += whole(t.p_text) * qty
        if t.side == "buy":
            buy += qty
            running += qty
            most = running if running > most else most
        else:
            running -= qty
            least = running if running < least else least
    prices = [whole(t.p_text) for t in trades]
    profile = whole_profile(trades, units)
    exact = lambda value: Fraction(value, ONE)
    return {
        "timestamp": start,
        "open": exact(prices[0]),
        "high": exact(max(prices)),
        "low": exact(min(prices)),
        "close": exact(prices[-1]),
        "volume": exact(q),
        "buy_volume": exact(buy),
        "sell_volume": exact(q - buy),
        "delta": exact(2 * buy - q),
        "min_delta": exact(least),
        "max_delta": exact(most),
        "trades": len(trades),
        "vwap": Fraction(half_even_8(Fraction(pq, q * ONE))),
        "poc": poc_of(profile) * units.bin,
        "sum_pq": Fraction(pq, ONE * ONE),
        "first": place_of(trades[0]),
        "last": place_of(trades[-1]),
    }


def place_of(t):
    return f"{t.ts}-{t.seq}-{t.id}" if isinstance(t.id, str) else f"{t.ts}-{t.id}"


def count_holes(spans, by_time):
    """By time, missing and partial spans that touch are one hole; by ids each is its own."""
    n, end = 0, None
    for a, b, state in spans:
        if state in ("missing", "partial"):
            n += not (by_time and a == end)
            end = b
    return n


def main(paths):
    for symbol, trades in served(paths).items():
        units = Units("0.10", "0.001")
        market = Market(trades, units)
        for day in filter(None, (market.prev, market.cur)):
            missing, spans, _ = market.coverage(day)
            print(f"{symbol} {day_name(day.start_ms)} trades {day.n} missing_ms {missing}")
            for name, value in day.levels().items():
                print(f"  {name:12} {value}")
        print(f"  candles 1m {len(market.candles(60_000))}, 5m {len(market.candles(300_000))}")


if __name__ == "__main__":
    main(sys.argv[1:])
