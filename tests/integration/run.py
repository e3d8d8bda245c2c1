#!/usr/bin/python3
"""Runs the integration tests: run.py [PATTERN...] keeps the tests whose name holds a pattern.

BC4_BIN      folder of the binaries (build/bin)
BC4_MODE     test (bounded) or test-long (full size)
BC4_SEED     seed of the random choices; printed, so that a failure can be run again
BC4_KEEP     keep the folder of a failed test
BC4_PATIENCE factor on every waiting bound (sanitizers, slow machines)
"""

import faulthandler
import os
import pathlib
import signal
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


def main():
    faulthandler.register(signal.SIGUSR1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.stdout.reconfigure(line_buffering=True)
    patterns = sys.argv[1:]
    tests = list(flatten(unittest.defaultTestLoader.discover(str(HERE), "test_*.py")))
    if patterns:
        tests = [t for t in tests if any(p in t.id() for p in patterns)]
    print(f"integration tests on {stack.BIN}, mode {recordings.MODE}, BC4_SEED={recordings.SEED}")
    recordings.announce()
    result = Result()
    for test in tests:
        test.run(result)
    failed = len(result.failed)
    if not tests:
        print("no test matches")
        failed = 1
    print(f"{result.testsRun - failed if tests else 0} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
