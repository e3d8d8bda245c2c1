#!/bin/bash
# The dashboard, outside the sources: frontend.sh install|build [FOLDER]
#
#   install   a copy of frontend/ with its packages, by lock file
#   build     that, and its production build; run it with `node FOLDER/.next/standalone/server.js`
#
# Both do nothing when nothing changed since. FOLDER is build/frontend unless given. Ends with 3 and
# the reason when this machine has no node that can.

set -u
cd "$(dirname "$0")/../.." || exit 1
what=${1:-}
dir=${2:-${FRONTEND_DIR:-build/frontend}}

no() {
    echo "frontend: $1" >&2
    exit 3
}

case $what in install | build) ;; *)
    echo "usage: frontend.sh install|build [FOLDER]" >&2
    exit 2
    ;;
esac
command -v node >/dev/null && command -v npm >/dev/null || no "node and npm are not installed (make deps)"
node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 18 || (a == 18 && b >= 17) ? 0 : 1)' ||
    no "node 18.17 or newer is needed, this is $(node --version)"

mkdir -p "$dir" || exit 1
exec 9>"$dir/.lock"
flock 9 # two runs at once: the second one finds the work done

fail() {
    tail -n 30 "$dir/.log" >&2
    echo "frontend: $1" >&2
    exit 1
}

sources() {
    (cd frontend && find . -type d \( -name node_modules -o -name .next \) -prune -o -type f \
        ! -name '*.md' ! -name '*.tsbuildinfo' ! -name next-env.d.ts -print | LC_ALL=C sort)
}
state=$(sources | (cd frontend && xargs -d '\n' sha256sum) | sha256sum)
code=$(sources | grep -v '^\./tests/' | (cd frontend && xargs -d '\n' sha256sum) | sha256sum)
packages=$(cat frontend/package.json frontend/package-lock.json frontend/.npmrc | sha256sum)

if [ "$(cat "$dir/.copied" 2>/dev/null)" != "$state" ]; then
    find "$dir" -mindepth 1 -maxdepth 1 ! -name node_modules ! -name .next ! -name '.lock' ! -name '.built' \
        ! -name '.installed' ! -name '.log' -exec rm -rf {} +
    sources | (cd frontend && tar -cf - -T -) | tar -xf - -C "$dir" || exit 1
    echo "$state" >"$dir/.copied"
fi
if [ "$(cat "$dir/.installed" 2>/dev/null)" != "$packages" ]; then
    echo "frontend: installing packages" >&2
    (cd "$dir" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >"$dir/.log" 2>&1 9>&- ||
        fail "npm ci failed"
    echo "$packages" >"$dir/.installed"
fi
[ "$what" = build ] || exit 0
if [ "$(cat "$dir/.built" 2>/dev/null)" != "$code" ]; then
    echo "frontend: building" >&2
    rm -f "$dir/.built"
    (cd "$dir" && NEXT_TELEMETRY_DISABLED=1 node node_modules/next/dist/bin/next build) >"$dir/.log" 2>&1 9>&- ||
        fail "next build failed"
    # What the standalone server serves beside its pages.
    cp -r "$dir/.next/static" "$dir/.next/standalone/.next/static" || exit 1
    echo "$code" >"$dir/.built"
fi
exit 0
