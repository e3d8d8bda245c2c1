"""kill -9 at random moments: nothing lost, nothing twice, the numbers of an undisturbed run."""

import random

import recordings
import reference
import state
from resp import RespError
from scenario import Scenario
from stack import Stack, wait_for

STRETCH_S = 120 if recordings.LONG else 22
KILLS = 40 if recordings.LONG else 9


def stored_id(s):
    """Aggregate id of the newest trade ever stored; -1 while Redis is away or empty."""
    try:
        with s.db() as db:
            return int(db.tip(s.key("trades")).split("-")[1])
    except (OSError, RespError, ConnectionError):
        return -1


def at_random_moments(s, trades, rng, acts, until=0.85):
    """Runs the acts in order at random places of the id range (the same for a seed). Ends early
    enough that undisturbed trades follow."""
    ids = [t.id for t in trades]
    first, span = min(ids), max(ids) - min(ids)
    places = sorted(first + int(span * (0.03 + rng.random() * (until - 0.03))) for _ in acts)
    for place, act in zip(places, acts):
        wait_for(lambda: stored_id(s) >= place, 2 * STRETCH_S + 60,
                 lambda: f"id {place} to be stored; at {stored_id(s)}", every=0.01)
        act()


class Kills(Scenario):
    def seeded(self, name):
        print(f"       {name}: BC4_SEED={recordings.SEED}", flush=True)
        return random.Random(f"{recordings.SEED} {name}")

    def restart(self, s, name, **env):
        """-9, and up again. What it had not committed is gone."""
        def act():
            s.procs[name].kill()
            if name == "redis":
                s.redis()
            else:
                s.service(name, **env)
        return act

    def test_consumers_and_redis(self):
        """context, strategy, api and Redis (append-only file) killed, frames repeated and out of
        order: the state of the undisturbed run, field by field."""
        rec, rng = recordings.DENSE, self.seeded("consumers")
        trades = rec.trades()
        want = self.undisturbed(rec, "calm")
        with Stack(label="kills") as s:
            self.play(s, rec, seconds=STRETCH_S)
            victims = ["context", "strategy", "redis", "api"]
            acts = [self.restart(s, victims[i % 4]) for i in range(KILLS)]
            acts += [lambda: s.fault("duplicate", n=rng.randrange(1, 50)) for _ in range(3)]
            acts += [lambda: s.fault("reorder", n=rng.randrange(2, 50)) for _ in range(3)]
            rng.shuffle(acts)
            at_random_moments(s, trades, rng, acts)
            with s.db() as db:
                self.wait_stored(s, db, trades, seconds=3 * STRETCH_S + 60)
                self.assert_market(s, db, trades)
                self.assert_whole(s, db, trades, in_order=False)
                left = state.until_no_difference(
                    lambda: state.differences(want, state.snapshot(db, s), "calm", "disturbed"))
                self.assertEqual(left, [])
            counts = s.service_metrics("collector")
            for what in ("duplicates", "late"):  # the faults did happen
                name = f'bc4_collector_{what}_total{{instrument="{s.symbols[0]}"}}'
                self.assertGreater(counts[name], 0, name)
            s.stop_all()

    def test_collector(self):
        """collector killed, its socket cut, ids skipped by the venue: each served id is stored or
        inside a declared gap, and the state is that of exactly the stored ids. (Without repair:
        what is missing has to be told of.)"""
        rec, rng = recordings.MIDNIGHT, self.seeded("collector")
        trades = rec.trades()
        off = {"REPAIR_ENABLED": "false"}
        with Stack(label="collector") as s:
            self.play(s, rec, seconds=STRETCH_S, **off)
            acts = [self.restart(s, "collector", **off) for _ in range(max(3, KILLS // 3))]
            acts += [lambda: s.fault("drop") for _ in range(3)]
            acts += [lambda: s.fault("skip", n=rng.randrange(1, 20)) for _ in range(2)]
            acts += [self.restart(s, "redis")]
            rng.shuffle(acts)
            at_random_moments(s, trades, rng, acts)
            with s.db() as db:
                self.wait_stored(s, db, trades, seconds=3 * STRETCH_S + 60)
                stored = state.stored_trades(db, s)
                held = {t.id for t in stored}
                gaps = state.declared_gaps(db, s)
                served = {t.id: t for t in trades}
                self.assertEqual(state.undeclared(served, held, gaps)[:5], [],
                                 "ids served, not stored and not declared")
                for t in stored:
                    self.assertEqual(t, served[t.id])
                self.assertNotEqual(gaps, [], "a skipped id is a gap")
                self.assert_market(s, db, stored)
                _, body = s.get("/health")
                self.assertIn("IMPRECISE", body["metrics_precision"])
            s.stop_all()
