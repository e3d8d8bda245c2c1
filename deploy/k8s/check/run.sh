#!/bin/bash
# `make k8s-check`: renders the base and every overlay and judges them (check.mjs), without a cluster. BIN is the
# folder of the programs, whose option tables say which variables there are. Where kubectl or node is missing it
# says so and is content.

set -u
cd "$(dirname "$0")/../../.." || exit 1
check=deploy/k8s/check
bin=${BIN:-build/bin}
for tool in kubectl node npm; do
    command -v $tool >/dev/null || {
        echo "k8s-check: SKIPPED, $tool is not installed"
        exit 0
    }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
out=build/k8s-check
mkdir -p $out
if ! cmp -s $check/package-lock.json $out/installed; then
    cp $check/package.json $check/package-lock.json $check/.npmrc $out/
    (cd $out && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        echo "k8s-check: the packages of the check can not be installed" >&2
        exit 1
    }
    cp $check/package-lock.json $out/installed
fi
cp $check/check.mjs $check/crd.d.ts $out/

# {"context": ["SYMBOL", ...], ...}
for program in collector backfill context strategy api exchange-sim; do
    "$bin/$program" --print-options | sed -n "s/^| \(\`[^|]*\) |.*/\1/p" | tr -d '` ' | tr ',' '\n' | grep -v '^--' |
        sed "s/.*/\"&\"/" | paste -sd, | sed "s/.*/\"$program\": [&]/"
done | paste -sd, | sed 's/.*/{&}/' >"$work/options.json"

# The same Redis here and under Compose, but for its size.
diff <(grep -v '^maxmemory ' deploy/k8s/base/redis.conf) deploy/docker/redis.conf || {
    echo "k8s-check: deploy/k8s/base/redis.conf differs from deploy/docker/redis.conf" >&2
    exit 1
}

renders=()
for folder in deploy/k8s/overlays/*/; do
    name=$(basename "$folder")
    kubectl kustomize "$folder" >"$work/$name.yaml" || exit 1
    renders+=("$name=$work/$name.yaml")
done
node $out/check.mjs "$work/options.json" "${renders[@]}" || exit 1
echo "k8s-check: clean"
