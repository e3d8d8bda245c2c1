#!/usr/bin/python3
"""Runs the integration tests: run.py [PATTERN...] keeps the tests whose name holds a pattern.

BC4_BIN      folder of the binaries (build/bin)
BC4_MODE     test (bounded) or test-long (full size)
BC4_SEED     seed of the random choices; printed, so that a failure can be run again
BC4_KEEP     keep the folder of a failed test
BC4_JOBS     tests at a time (3; 1 at full size)
BC4_PATIENCE factor on every waiting bound (sanitizers, slow machines)
"""

import concurrent.futures
import faulthandler
import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import recordings  # noqa: E402
import stack  # noqa: E402


class Result(unittest.TestResult):
    """One line per test as it ends; the story of a failure right below it."""

    def __init__(self):
        super().__init__()
        self.failed = set()

    def startTest(self, test):
        super().startTest(test)
        self.begin = time.monotonic()

    def line(self, word, test):
        name = test.id()
        print(f"  {word:4} {name} ({time.monotonic() - self.begin:.1f} s)", flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.line("ok", test)

    def told(self, test, error):
        self.failed.add(getattr(test, "test_case", test).id())
        self.line("FAIL", test)
        print(self._exc_info_to_string(error, test), flush=True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.told(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self.told(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.told(subtest, err)

    def addSkip(self, test, reason):
        # Nothing here is optional: what can not run has failed.
        super().addSkip(test, reason)
        self.failed.add(test.id())
        self.line("FAIL", test)
        print(f"skipped: {reason}", flush=True)


def flatten(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


def chosen(patterns):
    tests = list(flatten(unittest.defaultTestLoader.discover(str(HERE), "test_*.py")))
    return [t for t in tests if not patterns or any(p in t.id() for p in patterns)]


def run_here(tests):
    """One behind the other in this process; (run, failed)."""
    result = Result()
    for test in tests:
        test.run(result)
    return result.testsRun, len(result.failed)


# What takes longest begins first, so that nothing long is left alone at the end.
LONG_ONES = ("test_kills", "test_storm", "test_redis_full", "test_redis_stopped", "test_repair")


def run_beside_each_other(tests, jobs):
    """Each test in a process of its own, so many at a time: most of them wait most of the time."""
    tests = sorted(tests, key=lambda t: not any(p in t.id() for p in LONG_ONES))
    env = dict(os.environ, BC4_SEED=str(recordings.SEED))
    running = set()

    def one(test):
        p = subprocess.Popen([sys.executable, __file__, "--exactly", test.id()], env=env, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        running.add(p)
        out = p.communicate()[0]
        running.discard(p)
        print(out, end="", flush=True)
        return p.returncode != 0

    def stop(*_):
        for p in list(running):
            p.terminate()
        os._exit(1)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        return len(tests), sum(pool.map(one, tests))


def main():
    faulthandler.register(signal.SIGUSR1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.stdout.reconfigure(line_buffering=True)
    if sys.argv[1:2] == ["--exactly"]:
        tests = [t for t in chosen([]) if t.id() == sys.argv[2]]
        ran, failed = run_here(tests)
        return 0 if ran == 1 and failed == 0 else 1
    tests = chosen(sys.argv[1:])
    print(f"integration tests on {stack.BIN}, mode {recordings.MODE}, BC4_SEED={recordings.SEED}")
    recordings.announce()
    jobs = int(os.environ.get("BC4_JOBS") or (1 if recordings.LONG else 3))
    if not tests:
        print("no test matches")
        print("0 passed, 1 failed")
        return 1
    ran, failed = run_here(tests) if jobs == 1 else run_beside_each_other(tests, jobs)
    print(f"{ran - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
