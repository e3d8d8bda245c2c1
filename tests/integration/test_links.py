"""The links of the collector: hand-over between sockets, instruments that stop alone, local feeds."""

import json
import os
import signal
import socket
import time

import recordings
from scenario import Scenario
from stack import Stack, http, wait_for


def health(s, name="collector"):
    _, _, body = http(f"http://127.0.0.1:{s.procs[name].health_port}/health")
    return json.loads(body)


class Rotation(Scenario):
    def test_no_hole_and_no_copy(self):
        """Sockets that give way to new ones every second or so, in the middle of a recording: every
        trade once, in order, and no gap was ever declared."""
        rec = recordings.TWO
        symbols = ("BTCUSDT", "BTCUSDC")
        with Stack(symbols=symbols, label="rotate") as s:
            self.play(s, rec, seconds=8, services=(), WS_ROTATE_SEC=1, WS_CONNECT_INTERVAL_MS=50)
            with s.db() as db:
                for symbol in symbols:
                    name = f"binance:{symbol}"
                    self.wait_stored(s, db, rec.trades(symbol), name)
                    self.assert_whole(s, db, rec.trades(symbol), name)
                    entries = db("XRANGE", s.key("trades", name), "-", "+")
                    ids = [e[1][e[1].index("id") + 1] for e in entries]
                    self.assertEqual(len(ids), len(set(ids)))
                    self.assertEqual(db("EXISTS", s.key("history", name)), 0)
            metrics = s.service_metrics("collector")
            self.assertGreaterEqual(metrics["bc4_collector_rotations_total"], 2)
            self.assertEqual(metrics["bc4_collector_rotations_forced_total"], 0)
            self.assertEqual(metrics["bc4_collector_reconnects_total"], 0)
            s.stop_all()


    def test_maintenance(self):
        """After a close that asks for it (1012) the next connection is made at once."""
        rec = recordings.TWO
        with Stack(label="maintenance") as s:
            self.play(s, rec, seconds=2, services=(), RECONNECT_MIN_MS=60000,
                      RECONNECT_MAX_MS=60000)
            with s.db() as db:
                wait_for(lambda: db("XLEN", s.key("trades")), 20, "the first trades")
                s.fault("drop", code=1012)
                row = s.procs["collector"].wait_event(
                    "ws_down", 5, lambda r: r["route"] == "market")
                self.assertEqual(row["retry_ms"], 0, row)
                self.wait_stored(s, db, rec.trades(), seconds=20)
            s.stop_all()

    def rotated(self, venue):
        """Books and trades of a generated market through hand-overs, the state at the end."""
        with Stack(label="rotate2") as s:
            s.redis()
            s.sim("--generate", "--from", int(time.time() * 1000) - 2000, "--speed", "1",
                  "--rate", "10")
            s.collector(
                SYMBOLS=f"{venue}:BTCUSDT", WS_ROTATE_SEC=1, WS_CONNECT_INTERVAL_MS=50,
                BYBIT_WS_BASE_URL=f"ws://127.0.0.1:{s.port}",
                BYBIT_REST_BASE_URL=f"http://127.0.0.1:{s.port}",
            )
            wait_for(lambda: s.service_metrics("collector")["bc4_collector_rotations_total"] >= 2,
                     20, "two rotations")
            said = health(s)
            with s.db() as db:
                gaps = [e for e in db("XRANGE", s.key("history", f"{venue}:BTCUSDT"), "-", "+")
                        if "gap" in e[1]]
            metrics = s.service_metrics("collector")
            s.stop_all()
        self.assertEqual(gaps, [])
        self.assertEqual(metrics["bc4_collector_reconnects_total"], 0)
        self.assertEqual(metrics["bc4_collector_rotations_forced_total"], 0)
        return {k.split(".", 1)[1]: v for k, v in said.items() if k.startswith(f"{venue}:")}

    def test_the_book_goes_on_binance(self):
        said = self.rotated("binance")
        self.assertEqual((said["depth_gaps"], said["depth_snapshots"]), (0, 1), said)
        self.assertEqual(said["depth_state"], "live")

    def test_the_book_goes_on_bybit(self):
        said = self.rotated("bybit")
        self.assertEqual(said["depth_gaps"], 0, said)
        self.assertEqual(said["depth_state"], "live")


class Lanes(Scenario):
    def test_one_broken_of_three(self):
        """A contract the venue does not know and one whose keys belong to a real market stop alone;
        the third is stored whole."""
        rec = recordings.TWO
        with Stack(symbols=("BTCUSDT", "BTCUSDC", "NOSUCHUSDT"), label="lanes") as s:
            s.redis()
            s.sim("--replay", *rec.paths, "--speed", "max")
            with s.db() as db:
                other = s.key("instrument", "binance:BTCUSDC")
                db("HSET", other, *("venue binance symbol BTCUSDC tick 0.10 step 0.001 min_qty "
                   "0.001 min_notional 100 price_scale 4 qty_scale 5 simulated 0 schema 1").split())
                p = s.collector()
                self.wait_stored(s, db, rec.trades())
                self.assert_whole(s, db, rec.trades())
                self.assertEqual(db("EXISTS", s.key("trades", "binance:BTCUSDC")), 0)
                self.assertEqual(db("EXISTS", s.key("trades", "binance:NOSUCHUSDT")), 0)
            said = health(s)
            self.assertEqual(said["binance:BTCUSDT.state"], "running")
            self.assertEqual(said["binance:BTCUSDC.state"], "keyspace_refused")
            self.assertEqual(said["binance:NOSUCHUSDT.state"], "symbol_unknown")
            status, _, body = http(f"http://127.0.0.1:{p.health_port}/ready")
            self.assertEqual(status, 503)
            self.assertIn("binance:BTCUSDC", body)
            self.assertEqual(len(p.events("keyspace_refused")), 1)
            self.assertEqual(len(p.events("symbol_unknown")), 1)
            s.stop_all()

    def test_a_flood_of_garbage(self):
        """One contract whose frames are garbage by the thousand is not listened to for a while; the
        other is stored whole."""
        rec = recordings.TWO
        with Stack(symbols=("BTCUSDT", "BTCUSDC"), label="flood") as s:
            self.play(s, rec, seconds=3, services=())
            with s.db() as db:
                wait_for(lambda: db("EXISTS", s.key("trades")), 20, "the first trade")
                for _ in range(2):
                    s.fault("malformed", kind="no_price", n=1000, symbol="BTCUSDT")
                self.wait_stored(s, db, rec.trades("BTCUSDC"), "binance:BTCUSDC")
                self.assert_whole(s, db, rec.trades("BTCUSDC"), "binance:BTCUSDC")
            said = health(s)
            self.assertEqual(said["binance:BTCUSDT.state"], "lane_rests", said)
            self.assertEqual(said["binance:BTCUSDC.state"], "running")
            self.assertEqual(len(s.procs["collector"].events("lane_rests")), 1)
            s.stop_all()

    def test_all_broken_ends_the_service(self):
        rec = recordings.TWO
        with Stack(symbols=("NOSUCHUSDT", "NEITHERUSDT"), label="alone") as s:
            s.redis()
            s.sim("--replay", *rec.paths, "--speed", "max")
            p = s.collector(wait=False)
            self.assertEqual(p.wait(20), 1)
            self.assertEqual(len(p.events("symbol_unknown")), 2)


def lines_of(rec):
    """The recording as recorders write it, with the time of receipt or without."""
    out = []
    for path in rec.paths:
        with open(path, encoding="utf-8") as f:
            for line in f:
                ns = json.loads(line)["E"] * 1000000 + 5000000
                out.append(f"{ns} {line}" if len(out) % 2 else line)
    return out


class LocalFeed(Scenario):
    def test_a_file_that_grows(self):
        rec = recordings.TWO
        symbols = ("BTCUSDT", "BTCUSDC")
        lines = lines_of(rec)
        with Stack(symbols=symbols, label="file") as s:
            s.redis()
            path = s.dir / "feed.jsonl"
            half = len(lines) // 2
            path.write_text("".join(lines[:half]) + lines[half][:40])
            s.collector(DATA_SOURCE="hft_connector", CONNECTOR_PATH=path,
                        CONNECTOR_POLL_INTERVAL_MS=10)
            with s.db() as db:
                wait_for(lambda: db("XLEN", s.key("trades")), 20, "the first half")
                with open(path, "a") as f:
                    f.write(lines[half][40:] + "".join(lines[half + 1:]))
                for symbol in symbols:
                    name = f"binance:{symbol}"
                    self.wait_stored(s, db, rec.trades(symbol), name)
                    self.assert_whole(s, db, rec.trades(symbol), name)
                    self.assertEqual(db.hash(s.key("instrument", name))["simulated"], "1")
                # Replaced by another one: all of it is known.
                again = s.dir / "again.jsonl"
                again.write_text("".join(lines))
                os.replace(again, path)
                wait_for(lambda: health(s)["binance:BTCUSDT.duplicates"] >=
                         len(rec.trades("BTCUSDT")), 20, "copies")
                self.assert_whole(s, db, rec.trades("BTCUSDT"), "binance:BTCUSDT")
            s.stop_all()

    def test_a_socket_that_comes_and_goes(self):
        rec = recordings.TWO
        trades = rec.trades("BTCUSDT")
        lines = lines_of(rec)
        with Stack(label="socket") as s:
            s.redis()
            path = str(s.dir / "feed.sock")
            server = socket.socket(socket.AF_UNIX)
            s.collector(DATA_SOURCE="hft_connector", CONNECTOR_PATH=f"unix://{path}",
                        RECONNECT_MIN_MS=20, RECONNECT_MAX_MS=50, WS_CONNECT_INTERVAL_MS=10,
                        SYMBOLS="BTCUSDT,BTCUSDC")
            s.procs["collector"].wait_event("ws_down", 10)
            server.bind(path)
            server.listen(4)
            # The second connection begins a little before the end of the first.
            third = len(lines) // 3
            for part in (lines[:third], lines[third - 5:]):
                server.settimeout(20)
                peer, _ = server.accept()
                peer.sendall("".join(part).encode())
                peer.close()
            with s.db() as db:
                self.wait_stored(s, db, trades)
                self.assert_whole(s, db, trades)
            server.close()
            s.stop_all()


class SlowRest(Scenario):
    def test_rest_that_never_answers(self):
        """What is stored opens the socket: a venue whose REST takes connections and never answers
        delays nothing."""
        rec = recordings.TWO
        with Stack(label="slowrest") as s:
            self.play(s, rec, seconds=3, services=())
            with s.db() as db:
                wait_for(lambda: db("XLEN", s.key("trades")), 20, "the first trades")
                self.assertEqual(s.procs["collector"].term(5)[0], 0)
                silent = socket.create_server(("127.0.0.1", 0))
                port = silent.getsockname()[1]
                s.collector(BINANCE_REST_BASE_URL=f"http://127.0.0.1:{port}")
                s.procs["collector"].wait_event("ws_open", 2)
                s.procs["collector"].wait_event("lane_open", 2)
                self.wait_stored(s, db, rec.trades())
                silent.close()
            s.stop_all()


class Venues(Scenario):
    def test_a_process_per_venue(self):
        """Two venues in one list: a child each, a killed one comes back, SIGTERM ends all."""
        with Stack(label="venues") as s:
            s.redis()
            s.sim("--generate", "--from", int(time.time() * 1000) - 2000, "--speed", "1",
                  "--rate", "10")
            p = s.collector(
                SYMBOLS="BTCUSDT,bybit:BTCUSDT",
                BYBIT_WS_BASE_URL=f"ws://127.0.0.1:{s.port}",
                BYBIT_REST_BASE_URL=f"http://127.0.0.1:{s.port}",
            )
            with s.db() as db:
                for venue in ("binance", "bybit"):
                    wait_for(lambda: db("XLEN", s.key("trades", f"{venue}:BTCUSDT")), 20,
                             f"trades of {venue}")
                    wait_for(lambda: db("EXISTS", f"bc4:health:collector:{venue}"), 10,
                             f"health key of {venue}")
                before = wait_for(lambda: health(s) if health(s)["binance.ready"] else None, 15,
                                  lambda: health(s))
                os.kill(before["binance.pid"], signal.SIGKILL)
                wait_for(lambda: health(s)["binance.restarts"] == 1, 10, lambda: health(s))
                after = wait_for(lambda: health(s) if health(s)["binance.ready"] else None, 15,
                                 lambda: health(s))
                self.assertNotEqual(after["binance.pid"], before["binance.pid"])
                self.assertEqual(after["bybit.pid"], before["bybit.pid"])
                self.assertEqual(after["bybit.restarts"], 0)
                self.assertEqual(s.service_metrics("collector")
                                 ['bc4_collector_child_restarts_total{venue="binance"}'], 1)
            code, took = p.term(5)
            self.assertEqual(code, 0)
            for venue in ("binance", "bybit"):
                with self.assertRaises(ProcessLookupError):
                    os.kill(after[f"{venue}.pid"], 0)
            s.stop_all()
