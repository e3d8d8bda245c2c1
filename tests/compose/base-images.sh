#!/bin/bash
# Stand-ins for the three base images where no image registry is reachable, made of Debian's packages:
#
#   debian:bookworm-slim      debootstrap
#   node:20-bookworm-slim     that, and the node and npm of this machine
#   redis:7.2-bookworm        that, and redis-server
#
# Needs root, debootstrap and a Docker engine (DOCKER_HOST). An image that is there already is left alone.
# A certificate bundle named by NODE_EXTRA_CA_CERTS goes into the node image, so that npm works in it as here.

set -eu
docker=${DOCKER:-docker}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

have() {
    "$docker" image inspect "$1" >/dev/null 2>&1
}

if ! have debian:bookworm-slim; then
    mirror=$(sed -n 's/^URIs: *//p; s/^deb \(\[[^]]*\] \)\?\([^ ]*\).*/\2/p' /etc/apt/sources.list.d/debian.sources \
        /etc/apt/sources.list 2>/dev/null | head -n 1)
    # shellcheck disable=SC2086
    debootstrap --variant=minbase bookworm "$work/root" $mirror >"$work/log" 2>&1 || {
        tail -n 20 "$work/log" >&2
        exit 1
    }
    # Security updates, as the published image has them.
    [ ! -e /etc/apt/sources.list.d/debian.sources ] ||
        { cp /etc/apt/sources.list.d/debian.sources "$work/root/etc/apt/sources.list.d/" && : >"$work/root/etc/apt/sources.list"; }
    rm -rf "$work"/root/var/cache/apt/*.bin "$work"/root/var/cache/apt/archives/*.deb "$work"/root/var/lib/apt/lists/* \
        "$work"/root/usr/share/doc/* "$work"/root/usr/share/man/* "$work"/root/usr/share/locale/*
    tar -C "$work/root" -c . | "$docker" import - debian:bookworm-slim
fi

if ! have redis:7.2-bookworm; then
    mkdir "$work/redis"
    cat >"$work/redis/Dockerfile" <<'TEXT'
FROM debian:bookworm-slim
RUN groupadd -r -g 999 redis && useradd -r -u 999 -g 999 -d /data redis && apt-get update && \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends redis-server redis-tools && \
    rm -rf /var/lib/apt/lists/* && mkdir -p /data && chown 999:999 /data
VOLUME /data
WORKDIR /data
EXPOSE 6379
CMD ["redis-server"]
TEXT
    "$docker" build -q -t redis:7.2-bookworm "$work/redis"
fi

if ! have node:20-bookworm-slim; then
    mkdir "$work/node"
    cp -L "$(command -v node)" "$work/node/node"
    cp -r "$(dirname "$(readlink -f "$(command -v npm)")")/.." "$work/node/npm"
    cp "${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}" "$work/node/ca.crt"
    cat >"$work/node/Dockerfile" <<'TEXT'
FROM debian:bookworm-slim
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates libstdc++6 && \
    rm -rf /var/lib/apt/lists/* && groupadd -g 1000 node && useradd -u 1000 -g 1000 -m node
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
COPY ca.crt /usr/local/share/npm-ca.crt
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
ENV NODE_EXTRA_CA_CERTS=/usr/local/share/npm-ca.crt npm_config_cafile=/usr/local/share/npm-ca.crt
CMD ["node"]
TEXT
    "$docker" build -q -t node:20-bookworm-slim "$work/node"
fi
"$docker" images --format '{{.Repository}}:{{.Tag}} {{.Size}}' | grep -E '^(debian:bookworm-slim|node:20-bookworm-slim|redis:7.2-bookworm) '
