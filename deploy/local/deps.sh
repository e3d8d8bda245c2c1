#!/bin/bash
# Installs the Debian 12 packages that building, testing and measuring need; nothing when all are
# there already. As root, or through sudo; when neither is possible it prints the line to run and
# stops. Last of all the one library that Debian has no package of (duckdb.sh).

set -u
cd "$(dirname "$0")/../.." || exit 1

packages=(
    # what the services are made of
    gcc libc6-dev make pkg-config
    libhiredis-dev libevent-dev libwebsockets-dev libwebsockets-evlib-uv libuv1-dev
    libcurl4-openssl-dev libjansson-dev libcivetweb-dev zlib1g-dev
    redis-server redis-tools
    # what proves them
    git openssl ca-certificates libcriterion-dev python3 clang libclang-rt-14-dev clang-format cppcheck valgrind gcovr
    # what they are measured against
    wrk nginx-light libsimdjson-dev g++ jq
)
# A node of another origin is as good as Debian's.
command -v node >/dev/null || packages+=(nodejs)
command -v npm >/dev/null || packages+=(npm)
# So is a browser; CHROMIUM names another one.
[ -x "${CHROMIUM:-/usr/bin/chromium}" ] || packages+=(chromium)

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "deps: this is not Debian; install what these packages hold: ${packages[*]}" >&2
    exit 1
fi

have=" $(dpkg-query -W -f='${db:Status-Abbrev}${Package} ' "${packages[@]}" 2>/dev/null)"
missing=()
for p in "${packages[@]}"; do
    case $have in
    *" ii $p "*) ;;
    *) missing+=("$p") ;;
    esac
done
[ ${#missing[@]} -eq 0 ] && exec deploy/local/duckdb.sh

line="apt-get install -y --no-install-recommends ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo)
    # Without a terminal nobody can type a password.
    [ -t 0 ] || as_root=(sudo -n)
    if ! command -v sudo >/dev/null || ! "${as_root[@]}" true; then
        echo "deps: packages are missing and this user may not install them. Run as root:" >&2
        echo "  $line" >&2
        exit 1
    fi
fi

apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@"
}

echo "deps: installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
    apt install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1
}
# The lists of packages are fetched only when those on the machine do not do.
if ! install && ! { apt update >"$log" 2>&1 && install; }; then
    tail -n 30 "$log" >&2
    echo "deps: that failed; the line was:" >&2
    echo "  $line" >&2
    exit 1
fi
exec deploy/local/duckdb.sh
