#!/bin/bash
# Writes the present versions of the packages into deploy/docker/packages, as the base image's mirrors have them:
# what to do when a pinned version is no longer to be had. Needs a Docker engine.

set -eu
cd "$(dirname "$0")/packages" || exit 1
names=$(sed 's/=.*//' ./* | sort -u | tr '\n' ' ')
# shellcheck disable=SC2086
versions=$("${DOCKER:-docker}" run --rm "${DEBIAN_IMAGE:-debian:bookworm-slim}" sh -c \
    "apt-get -qq update && for p in $names; do echo \$p=\$(apt-cache policy \$p | sed -n 's/.*Candidate: //p'); done")
for file in *; do
    sed 's/=.*//' "$file" | while read -r name; do
        grep "^$name=" <<<"$versions"
    done >"../$file.new"
    mv "../$file.new" "$file"
done
git diff --stat . || true
