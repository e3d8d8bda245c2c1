#!/bin/bash
# Drives exchange-sim with the unmodified client libraries of the venues (npm): run.sh [SIM_BINARY]
# The last line is "N passed, N failed".

set -u
name=sdk
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/npm_client.sh
. "$here/../npm_client.sh"
sim=${1:-${BC4_BIN:-$root/build/bin}/exchange-sim}
cache=${SDK_CACHE:-$root/build/sdk}

install_client "$here"/*.mjs "$here/../ccxt/venue.mjs"
exec timeout 60 node "$cache/check.mjs" "$sim"
