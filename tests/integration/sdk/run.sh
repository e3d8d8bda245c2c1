#!/bin/bash
# Drives exchange-sim with the unmodified client libraries of the venues (npm): run.sh [SIM_BINARY]
# The libraries are installed by lock file into a cache outside the sources (SDK_CACHE, by default
# build/sdk). The last line is "N passed, N failed".

set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
sim=${1:-${BC4_BIN:-$root/build/bin}/exchange-sim}
cache=${SDK_CACHE:-$root/build/sdk}

give_up() {
    echo "sdk: $1" >&2
    echo "0 passed, 1 failed"
    exit 1
}

[ -x "$sim" ] || give_up "no exchange-sim at $sim (make build)"
command -v npm >/dev/null || give_up "npm is not installed"
node -e 'process.exit(parseInt(process.versions.node, 10) >= 18 ? 0 : 1)' ||
    give_up "node 18 or newer is needed"

mkdir -p "$cache"
cp "$here/package.json" "$here/package-lock.json" "$cache/" || give_up "cannot write $cache"
stamp=$(cat "$cache/package-lock.json" "$cache/package.json" | sha256sum)
if [ "$(cat "$cache/.installed" 2>/dev/null)" != "$stamp" ]; then
    (cd "$cache" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) ||
        give_up "npm ci failed"
    echo "$stamp" >"$cache/.installed"
fi
# Packages are looked up from where a module lies, so the scripts lie beside them.
cp "$here"/*.mjs "$here/../ccxt/venue.mjs" "$cache/" || give_up "cannot write $cache"
exec timeout 60 node "$cache/check.mjs" "$sim"
