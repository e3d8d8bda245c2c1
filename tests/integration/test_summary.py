"""Previous days by their summaries: the same state as by all their trades, at the price of one entry."""

import os
import random
import signal
import time

import recordings
import state
from history import HistoryVenue
from scenario import Scenario
from stack import Stack, wait_for

DAY_MS = 86_400_000
RATE = "0.6" if recordings.LONG else "0.02"
KILLS = 8 if recordings.LONG else 2
AFTER = {"BACKFILL_SUMMARY_AFTER_MINUTES": "0"}  # whatever the hour


def iso(ms):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms / 1000))


class Summary(Scenario):
    def market(self, s, venue):
        """A feed from a little ago on; archive of the day before. The first ids of both days."""
        now = int(time.time() * 1000)
        self.today = now // DAY_MS * DAY_MS
        s.redis()
        s.sim("--generate", "--from", iso(max(now - 120_000, self.today + 1000)), "--rate", RATE, "--speed",
              "20", "--weight-limit", "1000000000")
        self.consumers(s)
        p0, t0 = venue.first_id(self.today - DAY_MS), venue.first_id(self.today)
        venue.publish(iso(self.today - DAY_MS)[:10], venue.truth(p0, t0 - 1))
        return p0, t0

    def consumers(self, s):
        for name in ("context", "strategy"):
            s.service(name)
        at = f"127.0.0.1:{s.port}"
        s.collector(WEIGHT_LIMIT="1000000", BYBIT_WS_BASE_URL=f"ws://{at}", BYBIT_REST_BASE_URL=f"http://{at}")

    def first_live(self, db, s):
        key = s.key("trades")
        wait_for(lambda: db("XLEN", key) > 0, 60, "the first live trade")
        return int(db("XRANGE", key, "-", "+", "COUNT", "1")[0][0].split("-")[1])

    def previous(self, db, s):
        """Everything derived of the previous day, and what today's levels say of it."""
        day = iso(self.today - DAY_MS)[:10]
        out = {}
        for tail in (f"context:{day}", f"profile:{day}", f"strategy:{day}", f"strategy:profile:{day}"):
            fields = db.hash(s.key(tail))
            out[tail] = {k: v for k, v in fields.items() if not k.startswith("_")}
        coverage = db.hash(s.key("coverage"))
        out["coverage"] = {day: state.stripped(state.exact(coverage.get(day, "{}")))}
        for tf in ("1m", "5m"):
            candles = db.hash(s.key(f"candles:{tf}"))
            out[tf] = {k: state.stripped(state.exact(v)) for k, v in candles.items()
                       if self.today - DAY_MS <= int(k) < self.today}
        if s.symbols[0].startswith("bybit:"):
            # The venue's file tells neither seq nor flags; the feed, asked for its newest trades, tells
            # those of some of yesterday's soon after midnight.
            for tf in ("1m", "5m"):
                for c in out[tf].values():
                    for end in ("first", "last"):
                        ts, _, uid = c[end].split("-", 2)
                        c[end] = f"{ts}-{uid}"
            for tail in (f"context:{day}", f"strategy:{day}"):
                out[tail].pop("block_volume", None)
                for end in ("first", "last"):
                    words = out[tail].get(end, "").split(" ")
                    out[tail][end] = words[:1] + words[2:]
        context = db.hash(s.key("context"))
        out["levels"] = {k: context.get(k) for k in ("prev_day", "pdh", "pdl", "vah_prev", "val_prev", "poc_prev",
                                                     "vwap_prev", "coverage_prev", "missing_ms_prev")}
        return out

    def same(self, want, db, s, what):
        def differs():
            got = self.previous(db, s)
            # The newest 1,500 candles are kept: while today goes on, the oldest of them leave.
            kept = {tf: {k: v for k, v in want[tf].items() if k in got[tf]} for tf in ("1m", "5m")}
            self.assertGreaterEqual(len(kept["5m"]), 200)
            return state.differences({**want, **kept}, got, "by rows", what)

        left = state.until_no_difference(differs, 30)
        self.assertEqual(list(left), [])

    def counted(self, db, s, n):
        """Until both consumers show the whole previous day; how long that took since the call."""
        begin = time.monotonic()
        day = iso(self.today - DAY_MS)[:10]
        for owner in ("context", "strategy"):
            wait_for(lambda: db("HGET", s.key(f"{owner}:{day}"), "trades") == str(n), 120,
                     f"{owner} to hold the day", every=0.005)
        return time.monotonic() - begin

    def kinds(self, db, s):
        return [f["kind"] for f in state.history_rows(db, s)]

    def restart_empty(self, db, s):
        for name in ("backfill", "collector", "context", "strategy"):
            if s.procs.get(name) and s.procs[name].alive():
                s.procs[name].term(5)
        db("FLUSHALL")
        self.consumers(s)
        return self.first_live(db, s)

    def fill_again(self, db, s, venue):
        """Backfill alone forgets what it delivered; the others take everything for copies."""
        s.procs["backfill"].term(5)
        db("DEL", s.key("backfill"))
        p = s.backfill(**venue.env(**AFTER))
        p.wait_event("backfill_complete", 60)
        return p

    def summary_file(self, s):
        day = iso(self.today - DAY_MS)[:10]
        return sorted((s.dir / "history" / "simulated").glob(f"*/*/date={day}/summary-*.txt"))

    def made(self, s):
        return wait_for(lambda: self.summary_file(s), 60, "the summary to be made")[0]

    def test_rows_then_summary(self):
        rng = random.Random(f"{recordings.SEED} summary")
        with Stack(label="summary") as s, HistoryVenue(s) as venue:
            p0, t0 = self.market(s, venue)
            with s.db() as db:
                self.first_live(db, s)
                p = s.backfill(**venue.env(**AFTER))
                by_rows = self.counted(db, s, t0 - p0)
                p.wait_event("backfill_complete", 60)
                want = self.settled(db, s)
                self.assertNotIn("day", self.kinds(db, s))
                path = self.made(s)

                # Again from nothing: one entry instead of rows, and the venue is asked for neither.
                self.restart_empty(db, s)
                seen = len(venue.downloads)
                p = s.backfill(**venue.env(**AFTER))
                by_summary = self.counted(db, s, t0 - p0)
                p.wait_event("backfill_complete", 60)
                self.assertEqual(len(p.events("summary_taken")), 1)
                self.assertEqual(self.kinds(db, s).count("day"), 1)
                rows = [f for f in state.history_rows(db, s) if f["kind"] == "trades"]
                self.assertTrue(all(int(f["from_id"]) >= t0 - 1 for f in rows), "rows of a day that was told")
                self.assertEqual(len(venue.downloads), seen)
                self.same(want, db, s, "by summary")
                print(f"       {t0 - p0} trades by rows {by_rows:.2f} s, by summary {by_summary:.2f} s "
                      f"({path.stat().st_size} bytes)", flush=True)

                # Late live copies of yesterday, history that says it again, kills: all the same.
                entry = [f for f in state.history_rows(db, s) if f["kind"] == "day"][0]
                late = venue.truth(p0, t0 - 1)
                for k in range(KILLS):
                    name = rng.choice(("context", "strategy"))
                    s.procs[name].signal(signal.SIGKILL)
                    for t in rng.sample(late, 200):
                        self.tell_late(db, s, t)
                    if k == 0:
                        db("XADD", s.key("history"), "*", *[x for kv in entry.items() for x in kv])
                    s.service(name)
                self.caught_up(db, s)
                self.same(want, db, s, "after kills")
                # A consumer without any memory reads what the streams hold, in their order.
                for name in ("context", "strategy"):
                    s.procs[name].term(5)
                for key in db.keys(s.key("*")):
                    if not key.endswith((":trades", ":history", ":instrument", ":backfill")):
                        db("DEL", key)
                for name in ("context", "strategy"):
                    s.service(name)
                self.counted(db, s, t0 - p0)
                self.caught_up(db, s)
                self.same(want, db, s, "from the streams")

                # A spoilt summary is not used, and made again as it was.
                text = path.read_bytes()
                spoilt = bytearray(text)
                spoilt[len(text) // 2] ^= 1
                path.write_bytes(spoilt)
                p = self.fill_again(db, s, venue)
                self.assertEqual((p.events("summary_taken"), len(p.events("summary_not_used"))), ([], 1))
                wait_for(lambda: path.exists() and path.read_bytes() == text, 60, "the summary to be made again")
                # It is of these very parts: with another part it is of nothing.
                self.another_part(path)
                p = self.fill_again(db, s, venue)
                self.assertEqual(p.events("summary_taken"), [])
                wait_for(lambda: self.summary_file(s) and self.summary_file(s)[0] != path, 60,
                         "another summary in its place")
                self.assertEqual(self.made(s).read_bytes(), text)
                self.caught_up(db, s)
                self.same(want, db, s, "by rows again")
            s.stop_all()

    def test_bybit_from_its_daily_file(self):
        """Trades that UUIDs name: the same, and what the feed tells of yesterday late is a copy."""
        with Stack(label="summary-bybit") as s:
            s.symbols = ["bybit:BTCUSDT"]
            now = int(time.time() * 1000)
            self.today = now // DAY_MS * DAY_MS
            s.redis()
            s.sim("--generate", "--from", iso(max(now - 40_000, self.today + 1000)), "--rate", "0.05", "--speed", "20")
            self.consumers(s)
            with s.db() as db:
                self.first_live(db, s)
                p = s.backfill(**AFTER)
                p.wait_event("backfill_complete", 60)
                want = self.settled(db, s)
                day = iso(self.today - DAY_MS)[:10]
                n = int(want[f"context:{day}"]["trades"])
                self.assertGreater(n, 1000)
                self.made(s)
                late = [f for f in state.history_rows(db, s) if f["kind"] == "trades" and int(f["n"])][-1]
                self.restart_empty(db, s)
                p = s.backfill(**AFTER)
                self.counted(db, s, n)
                p.wait_event("backfill_complete", 60)
                self.assertEqual(len(p.events("summary_taken")), 1)
                self.assertEqual([f["n"] for f in state.history_rows(db, s) if f["kind"] == "day"], [str(n)])
                self.same(want, db, s, "by summary")
                for name in ("context", "strategy"):
                    s.procs[name].signal(signal.SIGKILL)
                db("XADD", s.key("history"), "*", *[x for kv in late.items() for x in kv])
                for name in ("context", "strategy"):
                    s.service(name)
                self.caught_up(db, s)
                self.same(want, db, s, "after a kill and late copies")
            s.stop_all()

    def settled(self, db, s):
        last = None

        def still():
            nonlocal last
            now = self.previous(db, s)
            same, last = now == last, now
            return same and now["levels"]["coverage_prev"] == "1.00000000" and now

        return wait_for(still, 60, "the day to be whole and still", every=0.2)

    def caught_up(self, db, s):
        def read():
            ends = [db("XREVRANGE", s.key(k), "+", "-", "COUNT", "1")[0][0] for k in ("history",)]
            return all(db("HGET", s.key(o), "_pos_history") == ends[0] for o in ("context", "strategy"))

        wait_for(read, 60, "everything to be read")

    def tell_late(self, db, s, t):
        line = f"{t.ts} {t.id} {t.p_text} {t.q_text} {t.side} \n"
        db("XADD", s.key("history"), "*", "kind", "trades", "from_id", str(t.id), "to_id", str(t.id), "from_ms",
           str(t.ts), "to_ms", str(t.ts), "source", "live", "reason", "late", "n", "1", "data", line)

    def another_part(self, path):
        """The parts of the day under other names: what merging them would do."""
        first = sorted(path.parent.glob("part-*.parquet"))[0]
        other = first.with_name("part-0900.parquet")
        sums = first.with_name(first.name + ".sha256")
        other.with_name(other.name + ".sha256").write_text(sums.read_text().replace(first.name, other.name))
        os.link(first, other)
