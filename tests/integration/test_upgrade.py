"""Versions that meet the state of others: an older layout is made anew from the streams, what a newer
version stored is left alone, with a message that says what to do."""

import json

import recordings
import state
from scenario import Scenario
from stack import Stack, http, wait_for


def ready(s, name):
    code, _, body = http(f"http://127.0.0.1:{s.procs[name].health_port}/ready")
    return code, json.loads(body)["status"]


class Upgrade(Scenario):
    def test_workers(self):
        """context and strategy find state of an older layout with nonsense in it: rebuilt, equal to the
        recomputation. State of a newer one: not a field is touched."""
        rec = recordings.SYN_EVENING
        with Stack(label="upgrade") as s:
            self.play(s, rec, services=("context", "strategy", "api"))
            with s.db() as db:
                self.wait_stored(s, db, rec.trades())
                market = self.assert_market(s, db, rec.trades(), rest=False)
                for name in ("context", "strategy"):
                    self.assertEqual(s.procs[name].term(10)[0], 0)
                    self.assertEqual(db("HGET", s.key(name), "_schema"), "1")
                    db("HSET", s.key(name), "_schema", "0", "_ids", "nonsense", "day", "1999-01-01")
                    s.service(name)
                    s.procs[name].wait_event("state_rebuilt", 10)
                # Events are told anew: whoever reads them knows a candle by its start.
                left = state.until_no_difference(lambda: state.check_redis(db, s, market, None), 15)
                self.assertEqual(list(left), [])

                for name in ("context", "strategy"):
                    self.assertEqual(s.procs[name].term(10)[0], 0)
                    db("HSET", s.key(name), "_schema", "2", "day", "2099-01-01")
                    before = db("HGETALL", s.key(name))
                    s.service(name)
                    row = s.procs[name].wait_event("state_newer", 10)
                    self.assertIn("upgrade this program", row["why"])
                    wait_for(lambda n=name: "newer version" in ready(s, n)[1], 10, lambda n=name: ready(s, n))
                    self.assertEqual(ready(s, name)[0], 503)
                    self.assertEqual(db("HGETALL", s.key(name)), before)
            s.stop_all()

    def test_collector(self):
        """:instrument of an older schema is written anew; of a newer one it ends the lane, also when the
        newer version comes while it runs."""
        with Stack(label="upgrade2") as s:
            s.redis()
            s.sim("--generate", "--rate", "10")
            s.collector()
            with s.db() as db:
                wait_for(lambda: db("XLEN", s.key("trades")), 20, "the first trades")
                self.assertEqual(s.p_collector.term(10)[0], 0)
                db("HSET", s.key("instrument"), "schema", "0")
                s.collector()
                wait_for(lambda: db("HGET", s.key("instrument"), "schema") == "1", 20, "written anew")
                db("HSET", s.key("instrument"), "schema", "2")
                row = s.p_collector.wait_event("keyspace_refused", 20)
                self.assertIn("newer version", json.dumps(row))
                wait_for(lambda: not s.p_collector.alive(), 10, "it leaves: nothing else to do")
                entries = db("XLEN", s.key("trades"))
                s.collector()
                row = s.p_collector.wait_event("keyspace_refused", 20)
                self.assertIn("schema 2 is stored by a newer version", json.dumps(row))
                self.assertEqual(db("XLEN", s.key("trades")), entries)
                self.assertEqual(db("HGET", s.key("instrument"), "schema"), "2")
                wait_for(lambda: not s.p_collector.alive(), 10, "it leaves")
                db("HSET", s.key("instrument"), "schema", "1")
                s.collector()
                wait_for(lambda: db("XLEN", s.key("trades")) > entries, 20, "the right version goes on")
            s.stop_all()
