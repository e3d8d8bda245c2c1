#!/bin/bash
# From a frame's arrival in the collector to the browser: bench_browser.sh ROWS.jsonl
#
# The real services, a generated market of some 20 trades a second, the dashboard in Chromium. A
# trade's age in the browser is the time since the collector took its frame from the socket (rx_us
# of its entry): to the callback of the page's WebSocket, and to the animation frame behind it.

set -u
cd "$(dirname "$0")/../.." || exit 1
rows=${1:?usage: bench_browser.sh ROWS.jsonl}
dir=${FRONTEND_DIR:-build/frontend}

skip() {
    echo "SKIPPED browser latency: $1" >&2
    printf '{"name":"browser latency: SKIPPED, %s","figure":null,"unit":null,"limit":null,"ratio":null,"goal":null,"met":null}\n' \
        "$1" >>"$rows"
    exit 0
}

command -v node >/dev/null && command -v npm >/dev/null || skip "node and npm are not installed"
[ -x "${CHROMIUM:-/usr/bin/chromium}" ] || skip "no Chromium"
deploy/local/frontend.sh build "$dir" || skip "the dashboard could not be built"
exec node tests/bench/browser.mjs "${BC4_BIN:-build/bin}" "$dir" "$rows"
