#!/bin/bash
# The dashboard in Chromium against the real services: run.sh [OUT]. It is built once and again when
# its sources changed (deploy/local/frontend.sh). Pictures go to OUT (build/e2e). The last line is
# "N passed, N failed".

set -u
cd "$(dirname "$0")/../.." || exit 1
bin=${BC4_BIN:-build/bin}
out=${1:-build/e2e}
dir=${FRONTEND_DIR:-build/frontend}

give_up() {
    echo "e2e: $1" >&2
    echo "0 passed, 1 failed"
    exit 1
}

for name in api backfill collector context exchange-sim strategy; do
    [ -x "$bin/$name" ] || give_up "no $name in $bin (make build)"
done
[ -x "${CHROMIUM:-/usr/bin/chromium}" ] || give_up "no Chromium: apt-get install chromium, or CHROMIUM=/path"
deploy/local/frontend.sh build "$dir" || give_up "the dashboard could not be built"
mkdir -p "$out" && rm -f "$out"/*.png
exec node tests/e2e/dashboard.mjs "$bin" "$dir" "$out"
