"""The history store on disk: what was written comes back, once, in order, or not at all."""

import json
import pathlib
import random
import struct
import subprocess
import tempfile
import unittest
import uuid

from duck import query
from stack import BIN

ROW = struct.Struct("<qqqqBBB5xQQ")  # time, id, price, quantity, kind, buy, flags, UUID (high, low half)
TRADE, CLAIM, END = 0, 1, 2
WHOLE, REPLACE = 1, 2


class Store(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="bc4-store-")
        self.addCleanup(self.folder.cleanup)
        # A quote in the path must not end a string of SQL.
        self.day = pathlib.Path(self.folder.name) / "it's" / "venue=x" / "symbol=Y" / "date=2026-11-21"
        rng = random.Random(4)
        self.rows = [(1_795_219_200_000 + i // 3, 10**9 + i, rng.randrange(1, 10**12),
                      rng.randrange(1, 10**9), TRADE, rng.randrange(2), 0, 0, 0) for i in range(20_000)]

    def child(self, *args, data=b"", code=0):
        r = subprocess.run([BIN / "backfill", "--store-child", *args], input=data, capture_output=True)
        self.assertEqual(r.returncode, code, r.stderr.decode())
        return r

    def write(self, rows, venue="binance", end=None, claims=()):
        rows = list(rows) + [(a, b, 0, 0, CLAIM, 0, 0, 0, 0) for a, b in claims]
        rows += [(0, 0, 0, 0, END, 0, end, 0, 0)] if end is not None else []
        data = b"".join(ROW.pack(*r) for r in rows)
        self.child("write", str(self.day), venue, "3", "5", "256", "", "archive", "ab" * 32, data=data)

    def read(self, venue="binance"):
        out = self.child("read", str(self.day), venue, "3", "5", "256", "").stdout
        return [ROW.unpack_from(out, at) for at in range(0, len(out), ROW.size)]

    def parts(self):
        return sorted(self.day.glob("*.parquet"))

    def test_round_trip_in_any_order_with_copies(self):
        shuffled = self.rows + self.rows[:500]
        random.Random(5).shuffle(shuffled)
        self.write(shuffled[:9000])
        self.write(shuffled[8000:])
        self.assertEqual(self.read(), self.rows)

    def test_nothing_written_nothing_read(self):
        self.write([])
        self.assertEqual(self.parts(), [])
        self.assertEqual(self.read(), [])

    def test_many_parts_become_one(self):
        for k in range(10):
            self.write(self.rows[k * 2000:(k + 1) * 2000])
        self.assertLess(len(self.parts()), 9)
        self.assertEqual(self.read(), self.rows)
        self.assertEqual(len(list(self.day.glob("*.sha256"))), len(self.parts()))

    def test_spoilt_parts_are_set_aside(self):
        self.write(self.rows[:10_000])
        self.write(self.rows[10_000:])
        first, second = self.parts()
        data = bytearray(first.read_bytes())
        data[len(data) // 2] ^= 1  # one bit of a value: the file still looks whole
        first.write_bytes(data)
        self.assertEqual(self.read(), self.rows[10_000:])
        self.assertTrue(first.with_name(first.name + ".bad").exists())
        second.write_bytes(second.read_bytes()[:-100])
        self.assertEqual(self.read(), [])
        (self.day / "part-0007.parquet.tmp").write_bytes(b"what a killed writer left")
        self.write(self.rows)
        self.assertEqual(self.read(), self.rows)

    def meta(self):
        return json.loads((self.day / "day.json").read_text())

    def test_a_whole_day_takes_the_place_of_its_parts(self):
        self.write(self.rows[:500])
        self.assertFalse(self.meta()["whole"])
        extra = (self.rows[-1][0] + 5, 10**9 + 50_000) + self.rows[0][2:]
        self.write([extra])
        self.write(self.rows, end=WHOLE | REPLACE)
        self.assertEqual(self.read(), self.rows)  # what the venue no longer knows is gone
        self.assertEqual(len(self.parts()), 1)
        part = self.meta()["parts"][0]
        self.assertEqual((self.meta()["whole"], part["rows"], part["first_id"], part["last_id"], part["by_id"]),
                         (True, 20_000, 10**9, 10**9 + 19_999, True))
        # Losing day.json loses nothing: the next writer reads the part's own metadata.
        (self.day / "day.json").unlink()
        self.assertEqual(self.read(), self.rows)
        self.write(self.rows[5:7])  # held already
        self.assertEqual(len(self.parts()), 1)
        self.assertTrue(self.meta()["whole"])
        self.assertEqual(self.meta()["parts"][0], part)
        self.assertEqual(self.read(), self.rows)

    def test_what_a_killed_parent_left_is_never_whole(self):
        self.write(self.rows[:700])
        self.assertFalse(self.meta()["whole"])

    def test_bybit_keeps_names_order_flags_and_claims(self):
        rng = random.Random(6)
        rows = [(1_795_219_200_000 + i // 3, 5 * (i // 2) + 7, 10**6 + i, 10**5, TRADE, 1, i % 4,
                 rng.getrandbits(64), rng.getrandbits(64)) for i in range(9_000)]
        shuffled = rows + rows[:100]
        rng.shuffle(shuffled)
        # An archive knows neither seq nor flags; what the feed told of the same trades stays.
        bare = [(r[0], 0, *r[2:6], 0, *r[7:]) for r in rows[:6000]]
        self.write(shuffled[:5000] + rows[:6000], "bybit", claims=[(1_795_219_200_000, 1_795_219_260_000)])
        self.write(shuffled[5000:], "bybit", claims=[(1_795_219_270_000, 1_795_219_280_000)])
        self.write(bare, "bybit", end=WHOLE)
        got = self.read("bybit")
        self.assertEqual([r for r in got if r[4] == TRADE], rows)
        self.assertEqual([r[:2] for r in got if r[4] == CLAIM],
                         [(1_795_219_200_000, 1_795_219_260_000), (1_795_219_270_000, 1_795_219_280_000)])
        self.assertEqual((self.meta()["whole"], len(self.parts())), (True, 1))
        sql = f"""SELECT uid, seq, flags, price FROM read_parquet('{str(self.parts()[0]).replace("'", "''")}') LIMIT 1"""
        hi, lo = rows[0][7], rows[0][8]
        self.assertEqual(query(sql), [[str(uuid.UUID(int=hi << 64 | lo)), "7", "", "1000.000"]])

    def test_finer_numbers_than_the_instrument_s_are_refused_not_rounded(self):
        self.write(self.rows[:100])
        self.child("read", str(self.day), "binance", "2", "5", "256", "", code=1)
        self.assertEqual(len(self.child("read", str(self.day), "binance", "4", "6", "256", "").stdout), 100 * ROW.size)

    def test_without_the_library(self):
        r = self.child("read", str(self.day), "binance", "3", "5", "256", "/nowhere/libduckdb.so", code=3)
        self.assertIn("library_absent", r.stderr.decode())
