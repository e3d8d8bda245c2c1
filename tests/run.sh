#!/bin/bash
# `make test` and `make test-long`: everything the project claims, in stages, each with a log in
# build/test. Prints what each stage counted; the last line is "N passed, N failed" over all.
#
# A stage's command says "N passed, N failed" on a line of its own; one that does not is counted as
# one test, passed when it ended with 0.

set -u
cd "$(dirname "$0")/.." || exit 1
mode=${1:-test}
make=${MAKE:-make}
jobs=$(nproc)
logs=build/test
mkdir -p "$logs"
passed=0
failed=0
began=$SECONDS

stage() { # name, command...
    local name=$1 log=$logs/$1.log counts code start=$SECONDS
    shift
    echo "== $name"
    "$@" 2>&1 | tee "$log"
    code=${PIPESTATUS[0]}
    counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1)
    if [ -n "$counts" ]; then
        passed=$((passed + ${counts%% passed*}))
        counts=${counts#*, }
        failed=$((failed + ${counts%% failed*}))
        # A stage that fails without naming a failed test is a failure all the same.
        if [ "$code" -ne 0 ] && [ "${counts%% failed*}" = 0 ]; then
            failed=$((failed + 1))
            echo "== $name ended with $code"
        fi
    elif [ "$code" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "== $name FAILED ($code), log in $log"
    fi
    echo "== $name: $((SECONDS - start)) s"
    return "$code"
}

finish() {
    echo "== all: $((SECONDS - began)) s"
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
    exit
}

has_target() { grep -qE "^$1:" Makefile; }

if has_target deps; then
    stage deps "$make" --no-print-directory deps || finish
fi
stage build "$make" --no-print-directory -j"$jobs" build unit-bins || finish
if has_target test-unit; then
    stage unit "$make" --no-print-directory test-unit
fi
if has_target fuzz-replay; then
    stage fuzz-replay "$make" --no-print-directory -j"$jobs" fuzz-replay
fi
stage integration "$make" --no-print-directory "test-integration" MODE="$mode"
if [ -x tests/integration/ccxt/run.sh ]; then
    stage ccxt "$make" --no-print-directory test-ccxt
fi
if [ -x tests/integration/sdk/run.sh ]; then
    stage sdk "$make" --no-print-directory test-sdk
fi
# Where node, npm and a browser are not to be had, everything else is proven all the same.
if command -v npm >/dev/null && command -v node >/dev/null; then
    stage frontend "$make" --no-print-directory test-frontend
    if [ -x "${CHROMIUM:-/usr/bin/chromium}" ]; then
        stage e2e "$make" --no-print-directory e2e
    else
        echo "== e2e: SKIPPED, no Chromium"
    fi
else
    echo "== frontend, e2e: SKIPPED, node and npm are not installed"
fi
finish
