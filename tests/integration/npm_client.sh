# Sourced by the tests that drive exchange-sim with a library from npm, with `name` and `here` set.
# Installs by lock file into `cache` (outside the sources) and puts the scripts beside the packages,
# from where a module looks them up. give_up() ends such a test with its last line.

root=$(cd "$here/../../.." && pwd)

give_up() {
    echo "$name: $1" >&2
    echo "0 passed, 1 failed"
    exit 1
}

install_client() { # scripts...
    local stamp
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
    cp "$@" "$cache/" || give_up "cannot write $cache"
}
