"""Liquidations, mark price and open interest from a generated market to the REST interface."""

import collections
import decimal
import json

import state
from scenario import Scenario
from stack import Stack, http, wait_for

D = decimal.Decimal
BIN = 50
# A generated half hour that trades fast; it is served as fast as it is read.
SPEED, MARKET_FROM = "300", "2024-08-08T09:00:00Z"


class Deriv(Scenario):
    def start(self, s):
        s.redis()
        s.sim("--generate", "--from", MARKET_FROM, "--speed", SPEED)
        s.service("strategy", LIQUIDATION_BIN_SIZE=BIN)
        s.service("context")
        s.api()
        self.collect(s)

    def collect(self, s):
        s.collector(OPEN_INTEREST_SEC="1")

    def entries(self, db, s):
        """[(id, fields)] of :liquidations."""
        out = []
        for ident, flat in db("XRANGE", s.key("liquidations"), "-", "+"):
            out.append((ident, dict(zip(flat[::2], flat[1::2]))))
        return out

    def clusters(self, entries):
        """{bin: (buy, sell, n)} of the day of the newest liquidation, and that day."""
        rows = []
        for ident, f in entries:
            rows.append((int(f.get("ts_ms", ident.split("-")[0])), f))
        last = max(ts for ts, _ in rows)
        sums = collections.defaultdict(lambda: [D(0), D(0), 0])
        for ts, f in rows:
            if ts // 86400000 == last // 86400000:
                row = sums[int(D(f["price"]) // BIN) * BIN]
                row[0 if f["side"] == "buy" else 1] += D(f["qty"])
                row[2] += 1
        return sums, last

    def check(self, s, db):
        entries = self.entries(db, s)
        sums, last = self.clusters(entries)
        stored = db.hash(s.key("liquidation_clusters"))
        bad = []
        got = {k: v for k, v in stored.items() if k[0].isdigit()}
        want = {str(k): v for k, v in sums.items()}
        for k in sorted(set(got) | set(want)):
            have = got.get(k, "0 0 0").split()
            need = want.get(k, [D(0), D(0), 0])
            if [D(have[0]), D(have[1]), int(have[2])] != list(need):
                bad.append((k, have, need))
        if stored.get("last_ts_ms") != str(last):
            bad.append(("last_ts_ms", stored.get("last_ts_ms"), last))
        _, rest = s.get("/liquidations/clusters")
        shown = {str(c["price_level"]): c for c in rest["clusters"]}
        if set(shown) != set(want):
            bad.append(("shown", sorted(shown), sorted(want)))
        for k, c in shown.items():
            if k in want and D(c["total_liquidations"]) != want[k][0] + want[k][1]:
                bad.append((k, c, want[k]))
        if not rest["lower_bound"]:
            bad.append("the lower bound is not said")
        return bad

    def test_generated_market(self):
        """Every entry once through kill -9 of collector and strategy; clusters as recomputed."""
        with Stack(label="deriv") as s:
            self.start(s)
            with s.db() as db:
                liq, mark = s.key("liquidations"), s.key("mark")
                wait_for(lambda: db("XLEN", liq) >= 5, 30, "liquidations arrive")
                wait_for(lambda: db("HGET", mark, "mark"), 20, "a mark price")
                s.procs["collector"].kill()
                self.collect(s)
                seen = db("XLEN", liq)
                wait_for(lambda: db("XLEN", liq) >= seen + 3, 30, "they go on")
                s.procs["strategy"].kill()
                s.service("strategy", LIQUIDATION_BIN_SIZE=BIN)
                seen = db("XLEN", liq)
                wait_for(lambda: db("XLEN", liq) >= seen + 3, 30, "they go on")
                wait_for(lambda: db("HGET", mark, "open_interest"), 20, "open interest by REST")
                s.procs["collector"].term(5)  # nothing moves any more
                left = state.until_no_difference(lambda: self.check(s, db), 15)
                self.assertEqual(list(left), [])
                told = collections.Counter(
                    (i.split("-")[0] if "ts_ms" not in f else f["ts_ms"],)
                    + tuple(f[k] for k in ("price", "qty", "side", "order_price"))
                    for i, f in self.entries(db, s)
                )
                self.assertEqual([k for k, n in told.items() if n > 1], [], "told twice")
                for _, f in self.entries(db, s):
                    self.assertEqual(f["liquidated"], "long" if f["side"] == "sell" else "short")
                    self.assertEqual(f["price_kind"], "fill")
                stored = db.hash(mark)
                self.assertEqual(stored["simulated"], "1")
                _, shown = s.get("/mark")
                for name in ("mark", "index", "funding_rate", "open_interest"):
                    self.assertEqual(D(shown[name]), D(stored[name]), name)
                self.assertTrue(shown["simulated"])
                _, context = s.get("/context")
                self.assertEqual(context["mark"]["mark"], shown["mark"])
