#!/bin/bash
# Behind `make up`, `make down`, `make logs` and `make up-demo`:
#
#   compose.sh PROFILES COMMAND...      e.g. compose.sh "live observability" up -d
#
# Takes Compose v2 where `docker compose` is there, else docker-compose 1.29; makes the secrets.

set -eu
cd "$(dirname "$0")/.." || exit 1
profiles=$1
shift

docker/secrets.sh
if [ -n "${SYMBOLS:-}" ] && [ -z "${COLLECTOR_SYMBOLS:-}" ]; then
    COLLECTOR_SYMBOLS=$SYMBOLS
    case " $profiles " in *" bybit "*)
        COLLECTOR_SYMBOLS=$(tr ',' '\n' <<<"$SYMBOLS" | grep -v '^bybit:' | paste -sd, || true)
        BYBIT_SYMBOLS=${BYBIT_SYMBOLS:-$(tr ',' '\n' <<<"$SYMBOLS" | grep '^bybit:' | paste -sd, || true)}
        export BYBIT_SYMBOLS
        ;;
    esac
    export COLLECTOR_SYMBOLS
fi
IMAGE_TAG=${IMAGE_TAG:-$(git describe --always --dirty 2>/dev/null || echo local)}
export IMAGE_TAG

compose=(docker-compose)
if "${DOCKER:-docker}" compose version >/dev/null 2>&1; then
    compose=("${DOCKER:-docker}" compose)
elif ! command -v docker-compose >/dev/null; then
    echo "compose: neither \`docker compose\` nor docker-compose is installed" >&2
    exit 1
fi
args=(-f docker-compose.yml)
[ -z "${PROJECT:-}" ] || args+=(-p "$PROJECT")
for p in $profiles; do
    args+=(--profile "$p")
done
exec "${compose[@]}" "${args[@]}" "$@"
