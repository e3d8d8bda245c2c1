#!/bin/sh
# Inside an image: installs the packages that a file of deploy/docker/packages lists, one `name=version`
# a line. APT_PINS=none leaves the versions away; APT_MIRROR replaces the mirrors of the base image.
set -eu

if [ -n "${APT_MIRROR:-}" ]; then
    rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*
    for suite in bookworm bookworm-updates; do
        echo "deb $APT_MIRROR/debian $suite main"
    done >/etc/apt/sources.list
    echo "deb $APT_MIRROR/debian-security bookworm-security main" >>/etc/apt/sources.list
fi
if [ "${APT_PINS:-exact}" = none ]; then
    packages=$(sed 's/=.*//' "$1")
else
    packages=$(cat "$1")
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
# A dated mirror's lists are old by intent.
# shellcheck disable=SC2086
apt-get -q -o Acquire::Check-Valid-Until=false install -y --no-install-recommends $packages
rm -rf /var/lib/apt/lists/* /var/cache/apt /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log \
    /usr/share/doc/*/changelog* /usr/share/man/*
