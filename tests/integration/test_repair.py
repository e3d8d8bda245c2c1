"""Ids that did not arrive are fetched from the venue's REST, within its request weight."""

import json
import random
import time

import recordings
import state
from scenario import Scenario
from stack import Stack, http, wait_for
from test_kills import at_random_moments

STRETCH_S = 60 if recordings.LONG else 20


class Repair(Scenario):
    def sim_status(self, s):
        return json.loads(http(f"http://127.0.0.1:{s.control_port}/status")[2])

    def assert_repaired(self, s, db, trades):
        """No id is missing between the first and the last stored one, none was given up."""
        served = {t.id: t for t in trades}

        def holes():
            held = {t.id for t in state.stored_trades(db, s)}
            return sorted(set(served) - held)

        wait_for(lambda: not holes(), 90, lambda: f"still missing: {holes()[:5]}", every=0.2)
        for t in state.stored_trades(db, s):
            self.assertEqual(t, served[t.id])
        lost = [f for f in state.history_rows(db, s) if f["kind"] == "lost"]
        self.assertEqual(lost, [])

    def restart(self, s):
        def act():
            s.procs["collector"].kill()
            s.collector()
        return act

    def test_holes_are_filled(self):
        """Frames withheld, sockets cut, kill -9: afterwards the state of the undisturbed run."""
        rec = recordings.DENSE
        rng = random.Random(f"{recordings.SEED} repair")
        trades = rec.trades()
        want = self.undisturbed(rec, "calm-repair")
        with Stack(label="repair") as s:
            self.play(s, rec, seconds=STRETCH_S)
            acts = [lambda: s.fault("skip", n=rng.randrange(1, 40)) for _ in range(4)]
            acts += [lambda: s.fault("skip", n=1500)]  # more than one page
            acts += [lambda: s.fault("drop") for _ in range(3)]
            acts += [self.restart(s) for _ in range(3)]
            rng.shuffle(acts)
            at_random_moments(s, trades, rng, acts)
            with s.db() as db:
                self.wait_stored(s, db, trades, seconds=3 * STRETCH_S + 60)
                self.assert_repaired(s, db, trades)
                gaps = state.declared_gaps(db, s)
                self.assertGreater(sum(b - a + 1 for a, b in gaps), 1500, "the faults happened")
                self.assert_market(s, db, trades)
                left = state.until_no_difference(
                    lambda: state.differences(want, state.snapshot(db, s), "calm", "repaired"))
                self.assertEqual(left, [])
                repaired = json.loads(db.hash(s.key("coverage"))["_repaired"])
                self.assertNotEqual(repaired, [])
                _, body = s.get("/coverage")
                self.assertEqual(body["repaired"], repaired)
                # What is missing is what lies before the first trade, and nothing else.
                first = min(t.ts for t in trades)
                missing = [x for x in body["coverage"]["spans"] if x["state"] == "missing"]
                self.assertEqual([x["to_ms"] for x in missing], [first])
                before_s = (first % 86_400_000 + 999) // 1000
                self.assertEqual(s.get("/health")[1]["metrics_precision"],
                                 f"IMPRECISE ({before_s} s missing)")
            health = s.service_metrics("collector")
            name = s.symbols[0]
            self.assertEqual(health[f'bc4_collector_repair_holes{{instrument="{name}"}}'], 0)
            self.assertEqual(self.sim_status(s)["rest_refused"], 0)
            s.stop_all()

    def test_weight_is_never_exceeded(self):
        """A storm of small holes on a venue that grants little: requests wait for the next minute,
        the venue never has to refuse one, and in the end every hole is filled and the numbers are
        precise again."""
        rec = recordings.MIDNIGHT
        trades = rec.trades()
        limit = 250
        # All holes fall into one minute: more of them than it has room for.
        time.sleep(max(0, 60 - time.time() % 60) if time.time() % 60 > 35 else 0)
        with Stack(label="weight") as s:
            s.redis()
            s.sim("--replay", *rec.paths, "--stretch", 12000, "--weight-limit", limit)
            for name in ("context", "api"):
                s.service(name)
            s.collector(REPAIR_DELAY_MS=0)
            most = 0
            with s.db() as db:
                wait_for(lambda: db("XLEN", s.key("trades")) > 100, 30, "some trades")
                for _ in range(14):
                    s.fault("skip", n=3)
                    time.sleep(0.4)
                self.wait_stored(s, db, trades, seconds=90)
                served = {t.id for t in trades}

                def whole():
                    nonlocal most
                    for field, value in db.hash("bc4:budget:binance:default").items():
                        if field.startswith("used:"):
                            most = max(most, int(value))
                    return served <= {t.id for t in state.stored_trades(db, s)}

                wait_for(whole, 150, "every hole is filled", every=0.5)
                precision = lambda: s.get("/health")[1]["metrics_precision"]
                wait_for(lambda: precision() == "PRECISE", 10, precision)
                self.assertEqual(int(db.hash("bc4:budget:binance:default")["limit"]), limit)
            counts = s.service_metrics("collector")
            self.assertGreater(counts['bc4_budget_refused_total{venue="binance"}'], 0)
            self.assertEqual(counts['bc4_budget_bans_total{venue="binance"}'], 0)
            self.assertEqual(self.sim_status(s)["rest_refused"], 0)
            self.assertLessEqual(most, limit)
            s.stop_all()
