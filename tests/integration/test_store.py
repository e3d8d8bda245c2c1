"""The history store on disk: what was written comes back, once, in order, or not at all."""

import pathlib
import random
import struct
import subprocess
import tempfile
import unittest

from stack import BIN

ROW = struct.Struct("<qqqqB7x")


class Store(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="bc4-store-")
        self.addCleanup(self.folder.cleanup)
        # A quote in the path must not end a string of SQL.
        self.day = pathlib.Path(self.folder.name) / "it's" / "venue=x" / "symbol=Y" / "date=2026-11-21"
        rng = random.Random(4)
        self.rows = [(1_795_219_200_000 + i // 3, 10**9 + i, rng.randrange(1, 10**12),
                      rng.randrange(1, 10**9), rng.randrange(2)) for i in range(20_000)]

    def child(self, *args, data=b"", code=0):
        r = subprocess.run([BIN / "backfill", "--store-child", *args], input=data, capture_output=True)
        self.assertEqual(r.returncode, code, r.stderr.decode())
        return r

    def write(self, rows):
        data = b"".join(ROW.pack(*r) for r in rows)
        self.child("write", str(self.day), "3", "5", "256", "", "archive", "ab" * 32, data=data)

    def read(self):
        out = self.child("read", str(self.day), "3", "5", "256", "").stdout
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

    def test_without_the_library(self):
        r = self.child("read", str(self.day), "3", "5", "256", "/nowhere/libduckdb.so", code=3)
        self.assertIn("library_absent", r.stderr.decode())
