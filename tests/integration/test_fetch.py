"""One-shot history for quants: --fetch makes days whole in the store, --verify checks and repairs it."""

import csv
import hashlib
import io
import json
import random
import shutil
import signal
import subprocess
import time
import unittest
import urllib.request
import zipfile

import duck
from stack import BIN, ROOT, Stack, http, wait_for

NOW = "2026-11-22T16:00:00Z"
DAYS = ("2026-11-19", "2026-11-20", "2026-11-21")
RANGE = f"{DAYS[0]}..{DAYS[-1]}"
BINANCE = "binance:BTCUSDT"


class Fetch(unittest.TestCase):
    def setUp(self):
        self.s = Stack(label="fetch")
        self.enterContext(self.s)
        self.s.sim("--generate", "--now", NOW, "--from", "2026-11-22T15:50:00Z", "--speed", "600",
                   "--rate", "0.01", "--symbols", "BTCUSDT")
        self.s.fault("start")
        status = lambda: json.loads(http(f"http://127.0.0.1:{self.s.control_port}/status")[2])
        wait_for(lambda: status()["position"] > 0, 60, "the first trade")
        self.store = self.s.dir / "history" / "simulated" / "venue=binance" / "symbol=BTCUSDT"

    def start(self, *args, **env):
        # No Redis anywhere: nothing of this needs one.
        env = self.s.env(REDIS_URL="unix:///nowhere/redis.sock", BACKFILL_RETRY_BASE="0.02",
                         BYBIT_ARCHIVE_BASE_URL=f"http://127.0.0.1:{self.s.port}", **env)
        return subprocess.Popen([BIN / "backfill", *args], env=env, cwd=self.s.dir, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run_(self, *args, code=0, **env):
        p = self.start(*args, "--json", **env)
        out, err = p.communicate(timeout=60)
        self.assertEqual(p.returncode, code, f"{out}\n{err}")
        return [json.loads(line) for line in out.splitlines()]

    def fetch(self, days=RANGE, code=0, what=BINANCE, **env):
        rows = self.run_("--fetch", what, days, code=code, **env)
        return {r["day"]: r for r in rows[:-1]}

    def results(self, **kw):
        return [r["result"] for r in self.fetch(**kw).values()]

    def archive(self, day):
        url = f"http://127.0.0.1:{self.s.port}/data/futures/um/daily/aggTrades/BTCUSDT/"
        with urllib.request.urlopen(f"{url}BTCUSDT-aggTrades-{day}.zip", timeout=60) as r:
            data = r.read()
        with zipfile.ZipFile(io.BytesIO(data)) as z:
            text = z.read(z.namelist()[0]).decode()
        rows = [r for r in csv.reader(io.StringIO(text)) if r[0].isdigit()]
        return hashlib.sha256(data).hexdigest(), [
            (int(r[5]), int(r[0]), r[1], r[2], "sell" if r[6].lower() == "true" else "buy") for r in rows]

    def stored(self, day):
        rows = duck.query(f"SELECT * FROM read_parquet('{self.store}/date={day}/*.parquet')")
        strip = lambda t: t.rstrip("0").rstrip(".")
        return [(int(r[0]), int(r[1]), strip(r[2]), strip(r[3]), r[4]) for r in rows]

    def assert_whole(self, day):
        strip = lambda t: t.rstrip("0").rstrip(".") if "." in t else t
        sha, rows = self.archive(day)
        self.assertEqual(self.stored(day), [(t, i, strip(p), strip(q), s) for t, i, p, q, s in rows])
        meta = json.loads((self.store / f"date={day}" / "day.json").read_text())
        self.assertTrue(meta["whole"])
        self.assertEqual(meta["parts"][0]["sha256"], sha)

    def parts(self, day):
        return sorted((self.store / f"date={day}").glob("part-*.parquet"))

    def test_days_become_whole_and_stay_so(self):
        got = self.fetch()
        self.assertEqual([r["result"] for r in got.values()], ["fetched"] * 3)
        for day in DAYS:
            self.assert_whole(day)
            self.assertEqual(got[day]["trades"], len(self.stored(day)))
        self.assertEqual(list(self.s.dir.glob("history/archive/**/*.zip")), [], "a zip stays although its day is whole")
        self.assertEqual(self.results(), ["held"] * 3)
        # Published anew: noticed by its checksum, replaced.
        self.s.fault("archive", symbol="BTCUSDT", day=DAYS[1], version=2, drop=7)
        self.assertEqual(self.results(), ["held", "replaced", "held"])
        self.assert_whole(DAYS[1])
        self.assertEqual(len(self.parts(DAYS[1])), 1)
        # Today has no archive.
        today = self.fetch(days=f"{DAYS[-1]}..2026-11-22", code=1)["2026-11-22"]
        self.assertEqual(today["result"], "absent")
        self.assertIn("404", today["why"])

    def test_a_torn_download_goes_on(self):
        self.s.fault("http", kind="torn", path="/data/", n=3)
        self.assertEqual(self.results(days=DAYS[0]), ["fetched"])
        self.assert_whole(DAYS[0])
        # A venue whose checksum is wrong is not believed.
        self.s.fault("archive", symbol="BTCUSDT", day=DAYS[1], checksum="bad")
        bad = self.fetch(days=DAYS[1], code=1, BACKFILL_MAX_RETRIES="2")[DAYS[1]]
        self.assertEqual(bad["result"], "failed")
        self.assertIn("SHA-256", bad["why"])
        self.assertEqual(self.parts(DAYS[1]), [])
        self.s.fault("archive/clear")
        self.assertEqual(self.results(days=DAYS[1]), ["fetched"])

    def test_killed_or_interrupted_it_goes_on(self):
        rng = random.Random(11)
        for k in range(4):
            p = self.start("--fetch", BINANCE, RANGE)
            time.sleep(rng.random() * 0.5)
            p.send_signal(signal.SIGKILL if k % 2 else signal.SIGINT)
            p.communicate(timeout=20)
            self.assertIn(p.returncode, (-9, -2, 0, 130))  # -2: before it listened to signals
        self.fetch()
        for day in DAYS:
            self.assert_whole(day)
        rows = self.run_("--verify", "--dry-run")
        self.assertEqual(rows[-1], {"days": 3, "bad": 0, "repaired": 0})

    def test_verify_finds_and_repairs(self):
        self.fetch()
        good = {day: self.stored(day) for day in DAYS}
        rows = self.run_("--verify")
        self.assertEqual([(r["day"], r["whole"], r["missing"], r["problems"]) for r in rows[:-1]],
                         [(day, True, 0, []) for day in DAYS])
        # A flipped byte, a missing part, a torn part.
        flipped, torn = self.parts(DAYS[0])[0], self.parts(DAYS[2])[0]
        data = bytearray(flipped.read_bytes())
        data[len(data) // 3] ^= 0x10
        flipped.write_bytes(data)
        self.parts(DAYS[1])[0].unlink()
        torn.write_bytes(torn.read_bytes()[:-50])
        rows = self.run_("--verify", "--dry-run", code=1)
        self.assertEqual([len(r["problems"]) > 0 for r in rows[:-1]], [True] * 3)
        self.assertEqual(rows[-1]["bad"], 3)
        self.assertTrue(torn.exists(), "a dry run changes nothing")
        rows = self.run_("--verify")
        self.assertEqual(rows[-1], {"days": 3, "bad": 3, "repaired": 3})
        self.assertEqual({day: self.stored(day) for day in DAYS}, good)
        # A day that is not its own.
        shutil.copytree(self.store / f"date={DAYS[0]}", self.store / "date=2026-11-18")
        rows = self.run_("--verify", "--dry-run", "2026-11-18", code=1)
        self.assertIn("another day", rows[0]["problems"][0])

    def test_bybit_s_days_too(self):
        bybit = dict(what="bybit:BTCUSDT", days=f"{DAYS[0]}..{DAYS[1]}")
        self.assertEqual(self.results(**bybit), ["fetched"] * 2)
        self.assertEqual(self.results(**bybit), ["held"] * 2)
        files = f"{self.s.dir}/history/simulated/venue=bybit/symbol=BTCUSDT/date={DAYS[0]}/*.parquet"
        (row,) = duck.query(f"SELECT count(*), count(DISTINCT uid), min(ts_ms), max(ts_ms) FROM read_parquet('{files}')")
        self.assertGreater(int(row[0]), 1000)
        self.assertEqual(row[0], row[1])
        self.assertEqual(self.run_("--verify", "bybit:BTCUSDT")[-1], {"days": 2, "bad": 0, "repaired": 0})

    def test_the_sql_of_the_readme(self):
        self.fetch()
        text = (ROOT / "services" / "backfill" / "README.md").read_text()
        sql = text.split("```sql\n", 1)[1].split("```", 1)[0].replace("build/history", f"{self.s.dir}/history/simulated")
        rows = duck.query(sql)
        self.assertEqual([r[0] for r in rows], list(DAYS))
        self.assertEqual([int(r[1]) for r in rows], [len(self.stored(day)) for day in DAYS])

    def test_people_read_it(self):
        p = self.start("--fetch", BINANCE, DAYS[0], LOG_LEVEL="WARN")
        out, err = p.communicate(timeout=60)
        self.assertRegex(out, rf"binance:BTCUSDT +{DAYS[0]} +fetched +\d+ trades\n1 of 1 days are whole in ")
        self.assertEqual((p.returncode, err), (0, ""))
        for args in ((), (BINANCE,), (DAYS[0],), (BINANCE, "2026-13-01"), (BINANCE, f"{DAYS[1]}..{DAYS[0]}")):
            p = self.start("--fetch", *args)
            self.assertEqual((p.communicate(timeout=20)[0], p.returncode), ("", 2), args)
        out = self.start("--verify").communicate(timeout=60)[0]
        self.assertRegex(out, r"whole +1 parts +\d+ trades +0 missing  good\n1 days checked, 0 bad, 0 repaired")

    def test_a_running_service_makes_older_days_whole(self):
        s = self.s
        s.redis()
        s.collector()
        p = s.backfill(BACKFILL_DAYS="4", BACKFILL_PUBLIC_DELAY_MS="0", WEIGHT_LIMIT="1000000")
        p.wait_event("backfill_complete", 60)
        with s.db() as db:
            wait_for(lambda: db.hash(s.key("backfill")).get("days_whole") == "3", 60, "three days to be whole")
        for day in DAYS:
            self.assert_whole(day)
        health = json.loads(http(f"http://127.0.0.1:{p.health_port}/health")[2])
        self.assertEqual((health["days_wanted"], health["days_whole"]), (3, 3))
        self.assertEqual(s.service_metrics("backfill")["bc4_backfill_days_whole"], 3)
