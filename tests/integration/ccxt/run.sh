#!/bin/bash
# Drives exchange-sim with the unmodified ccxt library: run.sh [SIM_BINARY]
# The last line is "N passed, N failed".

set -u
name=ccxt
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/npm_client.sh
. "$here/../npm_client.sh"
sim=${1:-${BC4_BIN:-$root/build/bin}/exchange-sim}
cache=${CCXT_CACHE:-$root/build/ccxt}

install_client "$here"/*.mjs
exec timeout 300 node "$cache/check.mjs" "$sim" "$root/../shared/data"
