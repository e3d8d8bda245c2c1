"""What the scenarios share: a running stack over a recording, and the questions asked at its end."""

import unittest

import reference
import state
from stack import Stack, wait_for


class Scenario(unittest.TestCase):
    maxDiff = None

    def play(self, s, recording, seconds=0, services=("context", "strategy", "api"), **collector):
        """Redis, the venue with the recording, and the services; returns when all are up. The
        venue starts to play when somebody has subscribed: in so many seconds, 0 = at full speed.
        `collector` goes into the collector's environment."""
        s.redis()
        pace = ("--stretch", int(seconds * 1000)) if seconds else ("--speed", "max")
        s.sim("--replay", *recording.paths, *pace)
        for name in services:
            s.service(name)
        # A recording at another pace has any latency; that is no reason to change the socket.
        s.collector(**{"WS_SLOW_MS": 0, **collector})

    def wait_stored(self, s, db, trades, symbol=None, seconds=60):
        """Until the last served trade is on the stream."""
        last = max(trades, key=lambda t: t.id)
        ident = f"{last.ts}-{last.id}"
        key = s.key("trades", symbol)
        wait_for(
            lambda: db("XRANGE", key, ident, ident),
            seconds,
            lambda: f"{ident} on {key}; the newest is {db.tip(key)}, {db('XLEN', key)} entries",
            every=0.05,
        )

    def assert_market(self, s, db, trades, symbol=None, rest=True, seconds=15):
        """Everything stored and served equals the recomputation over `trades`."""
        state.settle(db, s, symbol)
        market = reference.Market(trades, state.units_of(db, s, symbol))
        left = state.until_no_difference(lambda: state.check_redis(db, s, market, symbol), seconds)
        left += state.until_no_difference(lambda: state.check_events(db, s, market, symbol), seconds)
        if rest:
            left += state.until_no_difference(lambda: state.check_rest(s, market, symbol), seconds)
        self.assertEqual(list(left), [])
        return market

    def assert_whole(self, s, db, trades, symbol=None, in_order=True):
        """Every served id is stored and nothing else is; served in order, no gap was declared.
        (A frame that overtakes another declares one, which the other then fills.)"""
        stored = {t.id: t for t in state.stored_trades(db, s, symbol)}
        served = {t.id: t for t in trades}
        self.assertEqual(sorted(set(served) - set(stored))[:5], [], "served but not stored")
        self.assertEqual(sorted(set(stored) - set(served))[:5], [], "stored but never served")
        for ident, t in served.items():
            self.assertEqual(stored[ident], t)
        if in_order:
            self.assertEqual(state.declared_gaps(db, s, symbol), [])

    def undisturbed(self, recording, label):
        """The state after an undisturbed run at full speed."""
        with Stack(label=label) as s:
            self.play(s, recording, services=("context", "strategy"))
            with s.db() as db:
                self.wait_stored(s, db, recording.trades())
                self.assert_market(s, db, recording.trades(), rest=False)
                out = state.snapshot(db, s)
            s.stop_all()
        return out
