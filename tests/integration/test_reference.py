"""The recomputation itself, against figures known from elsewhere and vectors small enough to check
by hand: a yardstick that nobody checked would prove nothing."""

import unittest
from fractions import Fraction

import recordings
import reference
from reference import Day, Market, Units, make_trade

UNITS = Units("0.1", "0.001")


def trade(ident, price, qty, side="buy", ts=1_000):
    return make_trade(ts, ident, price, qty, side)


class Known(unittest.TestCase):
    def test_recorded_evening(self):
        if not recordings.REAL:
            self.assertEqual(len(recordings.DENSE.trades()), 5000)
            return
        market = Market(recordings.DENSE.trades(), UNITS)
        lv = market.cur.levels()
        self.assertEqual(market.cur.n, 21313)
        self.assertEqual((lv["buy_volume"], lv["sell_volume"]), ("1251.576", "1177.790"))
        self.assertEqual(lv["delta"], "73.786")
        self.assertEqual(lv["vwap"][:12], "61680.982153")
        self.assertEqual((lv["poc"], lv["val"], lv["vah"]), ("61640.0", "61590.3", "61706.0"))

    def test_recorded_midnight(self):
        market = Market(recordings.MIDNIGHT.trades(), UNITS)
        counts = (market.prev.n, market.cur.n)
        self.assertEqual(counts, (2197, 10737) if recordings.REAL else (5000, 4005))
        self.assertEqual(market.context()["missing_ms_today"], "0")

    def test_synthetic_edges(self):
        """The fixture has a trade on each side of the opening range's edges, and one print of the
        insurance fund, which is not served."""
        day = Market(recordings.SYN_MIDNIGHT.trades(), UNITS).cur
        offsets = {t.ts - day.start_ms for t in day.trades}
        for edge in (0, 28_799_999, 28_800_000, 29_399_999, 29_400_000):
            self.assertIn(edge, offsets)
        self.assertEqual(day.n, 4005)

    def test_value_area_pairs(self):
        # POC at 10; two above hold 2, two below 3: below first, whole; then above.
        day = Day(0, [trade(i, f"{p}.0", q) for i, (p, q) in enumerate(
            ((10, "5"), (11, "1"), (12, "1"), (9, "2"), (8, "1")))], Units("1", "1"))
        self.assertEqual(day.area, (8, 10))
        one = Day(0, [trade(1, "10.0", "3")], UNITS)
        self.assertEqual((one.levels()["val"], one.levels()["vah"]), ("10.0", "10.0"))
        self.assertEqual(one.levels()["sigma"], "0.00000000")
        self.assertEqual(one.levels()["band_up_1"], "")

    def test_rounding(self):
        self.assertEqual(reference.half_even_8(Fraction(5, 10**9)), "0.00000000")
        self.assertEqual(reference.half_even_8(Fraction(15, 10**9)), "0.00000002")
        self.assertEqual(reference.half_even_8(Fraction(-15, 10**9)), "-0.00000002")
        self.assertEqual(reference.sum_with_root_8(Fraction(1), 1, Fraction(1, 4)), "1.50000000")
        self.assertEqual(reference.sum_with_root_8(Fraction(0), 1, Fraction(2)), "1.41421356")

    def test_printing(self):
        self.assertEqual(reference.show(Fraction("61640"), 2), "61640.00")
        self.assertEqual(reference.show(Fraction("0.0005"), 3), "0.0005")
        self.assertEqual(reference.show(Fraction("-0.5"), 3), "-0.500")

    def test_holes(self):
        held = {1: 100, 2: 110, 5: 105, 9: 200}
        missing, spans = reference.coverage_of(held, 0, 200)
        self.assertEqual(spans, [(0, 100, "missing"), (100, 105, "complete"), (105, 200, "missing")])
        self.assertEqual(missing, 195)

    def test_candles_in_set_order(self):
        rows = [trade(3, "12.0", "1", "sell", 2), trade(1, "10.0", "2", "sell", 1),
                trade(2, "11.0", "5", "buy", 1), trade(2, "11.0", "5", "buy", 1)]
        c = Market(rows, UNITS).candles(60_000)[0]
        self.assertEqual((c["open"], c["close"]), (10, 12))
        self.assertEqual((c["min_delta"], c["max_delta"], c["delta"]), (-2, 3, 2))
        self.assertEqual((c["trades"], c["first"], c["last"]), (3, "1-1", "2-3"))
