"""Bybit's trades through context, strategy and api: the recorded half minute written onto the
streams as the collector writes it, beside a Binance market in the same processes."""

import random
import time
import uuid

import recordings
import reference
import state
from scenario import Scenario
from stack import SHARED, Stack, wait_for

FILE = SHARED / "bybit_linear_BTCUSDT-BTCPERP_20240402_1523_publicTrade.jsonl.gz"
BYBIT, BINANCE = "bybit:BTCUSDT", "binance:BTCUSDT"
UNITS = {"tick": "0.10", "step": "0.001", "price_scale": "3", "qty_scale": "5"}


def recorded():
    """The recorded trades, or made ones of the same kind: several sides and names in one
    millisecond, no seq."""
    if FILE.exists():
        return reference.bybit_served([FILE])["BTCUSDT"]
    print(f"SKIPPED: the recording {FILE} is not there; made trades stand in")
    rng, out, ts = random.Random(441), [], 1712071437871
    for k in range(441):
        ts += rng.choice((0, 0, 1, 40, 200))
        name = str(uuid.UUID(int=rng.getrandbits(128), version=5))
        price = f"{659800 + rng.randrange(80)}"
        price = f"{price[:-1]}.{price[-1]}0"
        qty, side = f"0.{1 + rng.randrange(998):03}", rng.choice(("buy", "sell"))
        out.append(reference.make_trade(ts, name, price, qty, side))
    return out


class Feeder:
    """Writes the streams of an instrument the way the collector does."""

    def __init__(self, db, stack, name):
        self.db, self.stack, self.name, self.rx = db, stack, name, 1_000_000
        venue, symbol = name.split(":")
        fields = dict(UNITS, venue=venue, symbol=symbol, min_qty="0.001", min_notional="5",
                      qty_decimals="3", simulated="1", schema="1",
                      _updated_ms=int(time.time() * 1000))
        db("HSET", stack.key("instrument", name), *[x for kv in fields.items() for x in kv])

    def trade(self, t):
        self.rx = int(time.time() * 1e6)
        row = ["price", t.p_text, "qty", t.q_text, "side", t.side, "id", t.id, "rx_us", self.rx]
        ident = f"{t.ts}-{t.id}"
        if isinstance(t.id, str):
            ident = f"{t.ts}-*"
            row += ["seq", t.seq or "", "flags", t.flags]
        self.db("XADD", self.stack.key("trades", self.name), ident, *row)

    def history(self, kind, from_ms, to_ms, trades=(), source="rest", reason=""):
        lines = "".join(
            f"{t.ts} {t.id} {t.p_text} {t.q_text} {t.side} {t.seq or ''}"
            + (f" {t.flags}\n" if t.flags else "\n")
            for t in trades
        )
        self.db(
            "XADD", self.stack.key("history", self.name), "*", "kind", kind, "from_id", -1,
            "to_id", -1, "from_ms", from_ms, "to_ms", to_ms, "source", source, "reason", reason,
            "n", len(trades), "data", lines,
        )


class BybitTrades(Scenario):
    def stack(self, label):
        s = Stack(label=label)
        s.symbols = [BINANCE, BYBIT]
        return s

    def market(self, s, db):
        trades = state.stored_trades(db, s, BYBIT)
        return reference.Market(trades, reference.Units(UNITS["tick"], UNITS["step"]),
                                times=state.stored_times(db, s, BYBIT))

    def assert_bybit(self, s, db, rest=True):
        state.settle(db, s, BYBIT)
        market = self.market(s, db)
        left = state.until_no_difference(lambda: state.check_redis(db, s, market, BYBIT))
        if rest:
            left += state.until_no_difference(lambda: state.check_rest(s, market, BYBIT))
        self.assertEqual(list(left), [])
        return market

    def test_recorded_trades(self):
        """441 trades, and the numbers of the fresh recomputation; a Binance market beside them."""
        trades = recorded()
        other = recordings.TWO.trades()[:300]
        with self.stack("bybit") as s:
            s.redis()
            for name in ("context", "strategy", "api"):
                s.service(name)
            with s.db() as db:
                bybit, binance = Feeder(db, s, BYBIT), Feeder(db, s, BINANCE)
                for k in range(max(len(trades), len(other))):
                    for feeder, rows in ((bybit, trades), (binance, other)):
                        if k < len(rows):
                            feeder.trade(rows[k])
                market = self.assert_bybit(s, db)
                self.assertEqual(market.cur.n, len({t.id for t in trades}))
                self.assertEqual(market.cur.n, 441)
                self.assert_market(s, db, other, BINANCE, rest=False)
                context = db.hash(s.key("context", BYBIT))
                self.assertEqual(context["holes_today"], "1", "the time before the first trade")
                _, body = s.get(f"/coverage?symbol={BYBIT}")
                first = min(t.ts for t in trades)
                spans = [(x["from_ms"], x["to_ms"], x["state"]) for x in body["coverage"]["spans"]]
                start = first - first % 86_400_000
                want = [(start, first, "missing"), (first, max(t.ts for t in trades), "complete")]
                self.assertEqual([(int(a), int(b), c) for a, b, c in spans], want)
            s.stop_all()

    def test_kills_copies_gaps_and_claims(self):
        """Copies with other seqs and flags, late trades, a gap that is filled, one that is not and
        one that is lost; context and strategy killed at random moments. Then everything once more
        from the same streams, undisturbed: the same state, field by field."""
        rng = random.Random(f"{recordings.SEED} bybit")
        trades = recorded()
        third = len(trades) // 3
        hole = (trades[third].ts + 1, trades[third + 40].ts)
        inside = [t for t in trades if hole[0] <= t.ts < hole[1]]
        lost = (trades[-60].ts + 1, trades[-40].ts)
        late = {t.id for t in rng.sample(trades, 25)}
        live = [t for t in trades if t.id not in late and not hole[0] <= t.ts < hole[1]
                and not lost[0] <= t.ts < lost[1]]
        with self.stack("bybit-kills") as s:
            s.redis()
            for name in ("context", "strategy", "api"):
                s.service(name)
            with s.db() as db:
                feeder, binance = Feeder(db, s, BYBIT), Feeder(db, s, BINANCE)
                binance.trade(recordings.TWO.trades()[0])
                kills = sorted(rng.sample(range(20, len(live)), 5))
                tip = 0
                for k, t in enumerate(live):
                    # An id below the tip is refused: such a trade goes to :history.
                    if t.ts < tip:
                        feeder.history("trades", t.ts, t.ts, [t], "live", "late")
                    else:
                        feeder.trade(t)
                        tip = t.ts
                    if rng.random() < 0.2:  # a copy, told better or worse
                        c = rng.choice(live[max(0, k - 30): k + 1])
                        c = c._replace(seq=rng.choice((0, 5, 6, 7)),
                                       flags=rng.choice(("", "", "block", "block,rpi")))
                        feeder.history("trades", c.ts, c.ts, [c], "rest", "")
                    if k == third:
                        feeder.history("gap", *hole, source="live", reason="no overlap")
                    if k in kills:
                        victim = rng.choice(("context", "strategy"))
                        s.procs[victim].kill()
                        s.service(victim, wait=False)
                    time.sleep(0.004)
                feeder.history("gap", *lost, source="live", reason="no overlap")
                feeder.history("trades", *hole, inside)
                feeder.history("lost", *lost, source="rest", reason="older than the last 1000")
                rest = [t for t in trades if t.id in late]
                feeder.history("trades", rest[0].ts, rest[0].ts, rest, "rest", "late")
                for name in ("context", "strategy"):
                    s.procs[name].wait_event("process_up", 20)
                market = self.assert_bybit(s, db)
                self.assertEqual(market.cur.n, len(trades) - len(
                    [t for t in trades if lost[0] <= t.ts < lost[1] and t.id not in late]))
                self.coverage_tells(s, hole, lost)
                want = state.snapshot(db, s, BYBIT)
                for name in ("context", "strategy"):
                    s.procs[name].kill()
                for key in db.keys(s.key("", BYBIT).replace("[", "\\[") + "*"):
                    if not key.endswith((":trades", ":history", ":instrument")):
                        db("DEL", key)
                for name in ("context", "strategy"):
                    s.service(name)
                self.assert_bybit(s, db)
                left = state.until_no_difference(
                    lambda: state.differences(want, state.snapshot(db, s, BYBIT), "killed", "calm"))
                self.assertEqual(left, [])
            s.stop_all()

    def coverage_tells(self, s, hole, lost):
        _, body = s.get(f"/coverage?symbol={BYBIT}")
        spans = body["coverage"]["spans"]
        cover = lambda state: [(int(x["from_ms"]), int(x["to_ms"])) for x in spans
                               if x["state"] == state]
        self.assertEqual(cover("repaired"), [hole])
        open_spans = [x for x in spans if x["state"] in ("missing", "partial")][1:]
        self.assertEqual((int(open_spans[0]["from_ms"]), int(open_spans[-1]["to_ms"])), lost)
        for x in open_spans:
            self.assertEqual((x["reason"], x["lost"]), ("older than the last 1000", True))

    def test_room_for_names(self):
        """One more trade than TRADE_NAMES_MAX is refused and its time is missing: said, not
        hidden, and no copy is counted."""
        with self.stack("bybit-full") as s:
            s.redis()
            for name in ("context", "strategy"):
                s.service(name, TRADE_NAMES_MAX="1000")
            with s.db() as db:
                Feeder(db, s, BINANCE)
                feeder = Feeder(db, s, BYBIT)
                rows = [reference.make_trade(1712071437000 + k, str(uuid.UUID(int=k + 1)), "65987.30",
                                             "0.010", "buy") for k in range(1003)]
                for t in rows + [rows[5]._replace(ts=1712071437000 + 1003)]:
                    feeder.trade(t)
                state.settle(db, s, BYBIT)
                context = db.hash(s.key("context", BYBIT))
                self.assertEqual(context["trades"], "1000")
                leading = 1712071437000 % 86_400_000
                # Judged to the newest counted trade; what was refused lies behind it.
                self.assertEqual(context["missing_ms_today"], str(leading))
                feeder.trade(rows[0]._replace(ts=1712071437000 + 86_400_000,
                                              id=str(uuid.UUID(int=5000))))
                state.settle(db, s, BYBIT)
                wait_for(lambda: db.hash(s.key("context", BYBIT))["missing_ms_prev"]
                         == str(leading + 3), 10, "three refused milliseconds are missing")
                refused = s.service_metrics("context")[f'bc4_context_refused_total{{instrument="{BYBIT}"}}']
                self.assertEqual(refused, 3)
            s.stop_all()
