"""Which recordings the tests play: real ones where they are at hand, else the synthetic one."""

import os
import random

import reference
from stack import SHARED, SYNTHETIC

MODE = os.environ.get("BC4_MODE") or "test"
LONG = MODE == "test-long"
SEED = int(os.environ.get("BC4_SEED") or random.SystemRandom().randrange(1_000_000)) \
    if LONG or os.environ.get("BC4_SEED") else 20240808
REAL = (SHARED / "SOURCES.md").exists()


class Recording:
    def __init__(self, *paths):
        self.paths = [str(p) for p in paths]
        self._served = None

    @property
    def served(self):
        """{symbol: trades} a venue that replays it serves."""
        if self._served is None:
            self._served = reference.served(self.paths)
        return self._served

    def trades(self, symbol="BTCUSDT"):
        return self.served[symbol]

    def span_ms(self, symbol="BTCUSDT"):
        ts = [t.ts for t in self.trades(symbol)]
        return max(ts) - min(ts)


SYN_EVENING = Recording(SYNTHETIC / "BTCUSDT_20240311_2350_trade.raw.gz")
SYN_MIDNIGHT = Recording(
    SYNTHETIC / "BTCUSDT_20240311_2350_trade.raw.gz", SYNTHETIC / "BTCUSDT_20240312_0000_trade.raw.gz"
)
SYN_TWO = Recording(SYNTHETIC / "BTCUSDT-BTCUSDC_20240312_1500_aggTrade.jsonl")

if REAL:
    USDM = SHARED / "binance_usdm_BTCUSDT_20230404_2358_trade-depth0ms-bookTicker-markPrice.raw.gz"
    USDM2 = SHARED / "binance_usdm_BTCUSDT_20230405_0000_trade-depth0ms-bookTicker-markPrice.raw.gz"
    DENSE = Recording(SHARED / "binance_usdm_BTCUSDT_20240808_2354_trade-depth0ms-bookTicker.raw.gz")
    MIDNIGHT = Recording(USDM, USDM2)
    TWO = Recording(SHARED / "binance_usdm_BTCUSDT-BTCUSDC_20240402_1503_aggTrade.jsonl")
else:
    DENSE, MIDNIGHT, TWO = SYN_EVENING, SYN_MIDNIGHT, SYN_TWO


def announce():
    if REAL:
        print(f"recordings: {SHARED}")
    else:
        print(
            f"recordings: NOT FOUND at {SHARED}; the synthetic recording of "
            "tests/fixtures/market-synthetic stands in, figures of the real ones are not checked"
        )
