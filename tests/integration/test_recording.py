"""Own recordings: written by the collector whatever happens to it or to the disk, replayed by the
simulated venue, and history that is restored from them alone."""

import contextlib
import gzip
import json
import os
import pathlib
import random
import subprocess
import time
import uuid
import zlib

import recordings
import state
from bybit_venue import BybitVenue
from scenario import Scenario
from stack import Stack, wait_for

BINANCE, BYBIT = "binance:BTCUSDT", "bybit:BTCUSDT"


def iso(ms):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms / 1000))


def text(path):
    """What a gzip file holds, up to where it ends; it may end anywhere."""
    data, out = path.read_bytes(), b""
    while data:
        z = zlib.decompressobj(31)
        out += z.decompress(data)
        data = z.unused_data
    return out.decode()


def files(folder, venue="*"):
    return sorted(pathlib.Path(folder).glob(f"venue={venue}/*/*.raw.gz"))


def lines(path):
    """[(ns, object)] of the whole lines."""
    whole = text(path).split("\n")[:-1]
    return [(int(s), json.loads(body)) for s, body in (x.split(" ", 1) for x in whole)]


def names(folder, venue):
    """Names of all trades in the recordings, copies included."""
    out = []
    for path in files(folder, venue):
        for _, m in lines(path):
            m = m.get("data", m) if "stream" in m else m
            if isinstance(m, dict) and m.get("e") == "aggTrade":
                out.append(m["a"])
            elif str(m.get("topic", "")).startswith("publicTrade."):
                out += [t["i"] for t in m["data"]]
    return out


class Recorded(Scenario):
    def both(self, s, folder, speed="20", from_ms=None, **env):
        """A generated market on both venues, recorded."""
        s.symbols = [BINANCE, BYBIT]
        s.redis()
        from_ms = from_ms or int(time.time() * 1000) - 120_000
        s.sim("--generate", "--from", iso(from_ms), "--speed", speed, "--rate", "3")
        self.collect(s, folder, **env)

    def collect(self, s, folder, **env):
        base = f"127.0.0.1:{s.port}"
        env = {"RECORD_DIR": folder, "WS_SLOW_MS": 0, **env}
        return s.collector(BYBIT_WS_BASE_URL=f"ws://{base}", BYBIT_REST_BASE_URL=f"http://{base}",
                           **env)

    def units(self, db, s, symbol):
        h = db.hash(s.key("instrument", symbol))
        return h["tick"], h["step"]

    def stored(self, db, s, symbol):
        return {t.id: t for t in state.stored_trades(db, s, symbol)}

    def live(self, db, s, symbol):
        """Names of the trades that came by the socket (REST answers of trades are not recorded)."""
        return {f["id"] if symbol == BYBIT else int(f["id"])
                for _, f in db.stream(s.key("trades", symbol))}

    def recorded_all(self, db, s, folder):
        """Paused; returns when everything that is stored was written to the files too."""
        s.fault("pause")
        for symbol in (BINANCE, BYBIT):
            venue = symbol.split(":")[0]
            wait_for(lambda: self.settled(db, s, symbol), 20, "the feed to rest", every=0.3)
            stored = set(self.live(db, s, symbol))
            wait_for(lambda: stored <= set(names(folder, venue)), 20, f"{symbol} on disk", every=0.2)

    def settled(self, db, s, symbol):
        n = db("XLEN", s.key("trades", symbol))
        if n == getattr(self, "last_n", {}).get(symbol):
            return True
        self.last_n = {**getattr(self, "last_n", {}), symbol: n}
        return False

    def test_a_replay_of_a_recording_is_the_same_market(self):
        """Both venues, with hand-overs between sockets and a reconnect: a second stack that is fed
        from the recording holds the same trades and units."""
        with Stack(label="record") as s:
            folder = s.dir / "recordings"
            self.both(s, folder, WS_ROTATE_SEC=1, WS_CONNECT_INTERVAL_MS=10)
            want, units = {}, {}
            with s.db() as db:
                wait_for(lambda: len([p for p in files(folder) if "-rest-" not in p.name]) >= 6, 30,
                         "hand-overs")
                for symbol in s.symbols:
                    wait_for(lambda: db("XLEN", s.key("trades", symbol)) > 800, 30, symbol)
                self.recorded_all(db, s, folder)
                for symbol in s.symbols:
                    held = self.stored(db, s, symbol)
                    want[symbol] = {i: held[i] for i in names(folder, symbol.split(":")[0])}
                    units[symbol] = self.units(db, s, symbol)
            s.stop_all()
            for path in files(folder):
                marks = [m["rec"] for _, m in lines(path) if m.get("rec") in ("open", "close")]
                self.assertEqual((marks[0], marks[-1]), ("open", "close"), path.name)
            copies = names(folder, "binance")
            self.assertGreater(len(copies), len(set(copies)), "no hand-over was recorded")
            for symbol in s.symbols:
                self.replay(folder, symbol, want[symbol], units[symbol])

    def replay(self, folder, symbol, want, units):
        """The market starts with the first subscription to trades, so each venue has its own."""
        with Stack(label="replay") as t:
            t.symbols = [symbol]
            t.redis()
            t.sim("--replay", folder, "--speed", "max")
            self.assertEqual(t.p_exchange_sim.events("bad_line"), [])
            self.collect(t, "")
            with t.db() as db:
                held = lambda: self.stored(db, t, symbol)
                wait_for(lambda: set(held()) >= set(want), 40, f"{symbol} replayed", every=0.3)
                self.assertEqual(held(), want)
                self.assertEqual(self.units(db, t, symbol), units)
            t.stop_all()

    def test_kill_9_leaves_what_was_flushed(self):
        with Stack(label="rec-kill") as s:
            folder = s.dir / "recordings"
            self.both(s, folder)
            with s.db() as db:
                for symbol in s.symbols:
                    wait_for(lambda: db("XLEN", s.key("trades", symbol)) > 100, 30, symbol)
                self.recorded_all(db, s, folder)
                for pid in self.children(s.p_collector.pid):
                    os.kill(pid, 9)
                s.p_collector.kill()
                for symbol in s.symbols:
                    venue = symbol.split(":")[0]
                    self.assertLessEqual(self.live(db, s, symbol), set(names(folder, venue)))
            for path in files(folder):
                self.assertNotEqual(lines(path)[-1][1].get("rec"), "close", path.name)

    def children(self, pid):
        out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
        return [int(x) for x in out.stdout.split()]

    def test_the_folder_is_bounded_and_nothing_else_is_touched(self):
        bound = 1 << 20
        with Stack(label="rec-bound") as s:
            folder = s.dir / "recordings"
            old = folder / "venue=binance" / "2020-01-01"
            old.mkdir(parents=True)
            ours = old / "00-market-1577836800000.raw.gz"
            others = [old / "notes.raw.gz", folder / "venue=binance" / "README", folder / "x.raw.gz"]
            more = [old / f"0{h}-public-{1577836800000 + 3600000 * h}.raw.gz" for h in range(3)]
            for path in (ours, *more, *others):
                path.write_bytes(b"x" * 400_000)
            s.redis()
            s.sim("--generate", "--from", iso(time.time() * 1000 - 600_000), "--speed", "20")
            s.collector(RECORD_DIR=folder, RECORD_MAX_BYTES=bound, WS_SLOW_MS=0)

            metric = lambda name: s.service_metrics("collector")[f"bc4_collector_record_{name}"]
            wait_for(lambda: metric("deleted_total") >= 2, 30, "files to be deleted", every=0.1)
            wait_for(lambda: metric("messages_total") >= 50, 30, "messages", every=0.1)
            self.assertLessEqual(sum(p.stat().st_size for p in self.there(folder)), bound)
            self.assertFalse(ours.exists())
            self.assertTrue(more[2].exists(), "the youngest, for which there is room")
            for path in others:
                self.assertTrue(path.exists(), path)
            with s.db() as db:
                health = lambda: db.hash("bc4:health:collector:binance").get("record")
                wait_for(lambda: health() == "on", 20, "health to say so")
            s.stop_all()

    def there(self, folder):
        """Those of our files that are not deleted while one looks."""
        for path in files(folder):
            if "notes" not in path.name:
                with contextlib.suppress(FileNotFoundError):
                    path.stat()
                    yield path

    def test_a_disk_that_takes_nothing_does_not_stop_the_feed(self):
        """First the folder can not be made, then the disk is full; each is logged once, the feed
        goes on, and recording resumes."""
        with Stack(label="rec-full") as s:
            folder = s.dir / "recordings"
            folder.write_text("in the way")
            s.redis()
            s.sim("--generate", "--from", iso(time.time() * 1000 - 60_000), "--speed", "10")
            s.collector(RECORD_DIR=folder, WS_SLOW_MS=0)
            with s.db() as db, contextlib.ExitStack() as after:
                s.p_collector.wait_event("record_paused", 20)
                n = db("XLEN", s.key("trades"))
                wait_for(lambda: db("XLEN", s.key("trades")) > n + 50, 20, "the feed to go on")
                folder.unlink()
                full = self.small_disk(folder, after)
                s.p_collector.wait_event("record_resumed", 20)
                wait_for(lambda: files(folder), 20, "a file")
                if full:
                    pauses = lambda: len(s.p_collector.events("record_paused"))
                    wait_for(lambda: pauses() >= 2, 60, "the disk to be full", every=0.1)
                    n = db("XLEN", s.key("trades"))
                    wait_for(lambda: db("XLEN", s.key("trades")) > n + 50, 20, "the feed to go on")
                    health = lambda: db.hash("bc4:health:collector:binance")["record_why"]
                    wait_for(lambda: "No space" in health(), 20, "health to say why", every=0.1)
                    for path in files(folder):
                        self.assertGreater(len(lines(path)), 0)
                    self.assertLess(pauses(), 6, "said all the time")
                s.stop_all()

    def small_disk(self, folder, after):
        """A disk of 48 KB at the folder; False where this machine does not let us."""
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", str(folder)]
        if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
            print("SKIPPED: a full disk: no tmpfs can be mounted here")
            return False
        after.callback(subprocess.run, ["umount", "-l", str(folder)], check=True)
        return True

    def test_history_comes_back_from_recordings_alone(self):
        """Redis is emptied, neither REST nor archives answer: what was recorded is delivered again,
        once, and everything derived equals the recomputation."""
        with Stack(label="rec-back") as s:
            folder = s.dir / "recordings"
            s.redis()
            s.sim("--generate", "--from", iso(time.time() * 1000 - 60_000), "--speed", "10")
            s.collector(RECORD_DIR=folder, WS_SLOW_MS=0)
            with s.db() as db:
                wait_for(lambda: db("XLEN", s.key("trades")) > 150, 30, "trades")
                s.fault("pause")
                wait_for(lambda: self.settled(db, s, BINANCE), 20, "the feed to rest", every=0.3)
                before = self.stored(db, s, BINANCE)
                s.p_collector.term(5)
                db("FLUSHALL")
                for name in ("context", "strategy", "api"):
                    s.service(name)
                s.collector(RECORD_DIR=folder, WS_SLOW_MS=0)
                s.fault("resume")
                wait_for(lambda: db("XLEN", s.key("trades")) > 20, 20, "live trades again")
                dead = "http://127.0.0.1:9"
                s.backfill(RECORD_DIR=folder, BINANCE_REST_BASE_URL=dead, BACKFILL_CACHE_ENABLED="false",
                           BINANCE_ARCHIVE_BASE_URL=dead, BACKFILL_ARCHIVE_ENABLED="false")
                held = lambda: self.stored(db, s, BINANCE)
                wait_for(lambda: set(before) <= set(held()), 30, "history from recordings", every=0.3)
                s.fault("pause")
                wait_for(lambda: self.settled(db, s, BINANCE), 20, "the feed to rest", every=0.3)
                after = state.stored_trades(db, s)
                self.assertEqual(len(after), len({t.id for t in after}), "a trade came twice")
                self.assertEqual({i: held()[i] for i in before}, before)
                self.assert_market(s, db, after)
                sources = {f["source"] for f in state.history_rows(db, s)}
                self.assertEqual(sources, {"recording"})
            s.stop_all()

    def test_a_recording_of_a_simulated_market_is_no_history_of_a_real_one(self):
        with Stack(label="rec-kind") as s:
            folder = s.dir / "recordings"
            s.redis()
            s.sim("--generate", "--from", iso(time.time() * 1000 - 60_000), "--speed", "10")
            s.collector(RECORD_DIR=folder, WS_SLOW_MS=0)
            with s.db() as db:
                wait_for(lambda: db("XLEN", s.key("trades")) > 100, 30, "trades")
                s.p_collector.term(5)
                for path in files(folder):
                    real = text(path).replace('"simulated":true', '"simulated":false')
                    path.write_bytes(gzip.compress(real.encode()))
                db("FLUSHALL")
                s.collector(WS_SLOW_MS=0)
                dead = "http://127.0.0.1:9"
                p = s.backfill(RECORD_DIR=folder, BINANCE_REST_BASE_URL=dead,
                               BINANCE_ARCHIVE_BASE_URL=dead, BACKFILL_ARCHIVE_ENABLED="false")
                row = p.wait_event("recording_absent", 20, lambda r: r["files"] > 0)
                self.assertIn("another kind of market", row["why"])
                self.assertEqual([f for f in state.history_rows(db, s) if f["source"] == "recording"],
                                 [])
            s.stop_all()

    def test_a_bybit_day_comes_back_with_what_connections_prove(self):
        """Two connections with a hole between them; then Redis is emptied, there is no archive, and
        recent-trade shows one row. Every recorded trade is delivered once, the time within each
        connection is claimed, the hole is not."""
        rng = random.Random(recordings.SEED)
        clock = int(time.time() * 1000) - 60_000

        def rows(n):
            nonlocal clock
            out = []
            for _ in range(n):
                clock += rng.choice((0, 1, 20, 60))
                out.append({"T": clock, "s": "BTCUSDT", "S": rng.choice(("Buy", "Sell")),
                            "v": f"0.{rng.randrange(1, 999):03}", "p": f"65{rng.randrange(100, 999)}.10",
                            "L": "PlusTick", "i": str(uuid.UUID(int=rng.getrandbits(128), version=5)),
                            "BT": False, "RPI": False, "seq": clock})
            return out

        with Stack(label="rec-bybit") as s, BybitVenue() as venue:
            folder = s.dir / "recordings"
            s.symbols = [BYBIT]
            env = dict(venue.env(), RECORD_DIR=folder, DEPTH_ENABLED="false", MARK_ENABLED="false",
                       RECONNECT_MIN_MS=20, RECONNECT_MAX_MS=50, WS_CONNECT_INTERVAL_MS=1,
                       LIQUIDATIONS_ENABLED="false", BYBIT_AUDIT_SEC=0, REJOIN_HOLD_MS=500)
            s.redis()
            s.collector(**env)
            first, hole, second = rows(700), rows(10), rows(700)
            with s.db() as db:
                for part in (first, second):
                    wait_for(venue.subscribed, 20, "the collector subscribes")
                    venue.limit = 1
                    for k in range(0, len(part), 7):
                        venue.match(part[k:k + 7])
                    wait_for(lambda: {t["i"] for t in part} <= set(names(folder, "bybit")), 20,
                             "the trades on disk", every=0.2)
                    if part is first:
                        venue.cut()
                        venue.match(hole, deliver=False)
                s.p_collector.term(5)
                venue.cut()
                db("FLUSHALL")
                s.collector(**env)
                wait_for(venue.subscribed, 20, "the collector subscribes")
                clock += 5000
                live = rows(2)
                venue.match(live[:1])
                venue.match(live[1:])
                wait_for(lambda: db("XLEN", s.key("trades")) > 0, 20, "a live trade")
                s.backfill(RECORD_DIR=folder, DATA_SOURCE="bybit", BACKFILL_CACHE_ENABLED="false",
                           BACKFILL_ARCHIVE_ENABLED="false")
                want = {t["i"] for t in first + second}
                held = lambda: [t.id for t in state.stored_trades(db, s)]
                wait_for(lambda: want <= set(held()), 30, "history from recordings", every=0.2)
                inner = lambda part: set(range(part[0]["T"] + 1, part[-1]["T"]))
                proven = inner(first) | inner(second)
                claimed = lambda: self.claimed(db, s)
                wait_for(lambda: proven <= claimed(), 20, "the claims", every=0.2)
                told = 'bc4_backfill_trades_total{instrument="bybit:BTCUSDT",source="recording"}'
                self.assertGreaterEqual(s.service_metrics("backfill")[told], len(want))
                # (The first live trade may stand in the recording, too: its ms is asked for.)
                past = [i for i in held() if i in want]
                self.assertEqual(len(past), len(want), "a trade came twice")
                self.assertFalse({t["T"] for t in hole} & claimed() - proven, "a hole is claimed")
                self.assertLessEqual(claimed(), set(range(first[0]["T"] + 1, second[-1]["T"])))
                self.assertFalse(set(range(first[-1]["T"] + 1, second[0]["T"])) & claimed())
            s.stop_all()

    def claimed(self, db, s):
        """Milliseconds of which recordings prove that every trade is there."""
        out = set()
        for f in state.history_rows(db, s):
            if f["kind"] == "trades" and f["source"] == "recording":
                out |= set(range(int(f["from_ms"]), int(f["to_ms"])))
        return out
