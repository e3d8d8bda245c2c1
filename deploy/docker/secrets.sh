#!/bin/bash
# Makes the secrets that deploy/docker-compose.yml mounts, once: random passwords in deploy/secrets. The
# folder is the owner's alone; the files in it are readable because containers read them as other users.

set -eu
cd "$(dirname "$0")/.." || exit 1
mkdir -p secrets
chmod 700 secrets
umask 022

password() {
    head -c 24 /dev/urandom | base64 | tr '+/' '-_'
}

[ -s secrets/redis_password ] || password >secrets/redis_password
[ -s secrets/grafana_password ] || password >secrets/grafana_password
redis=$(cat secrets/redis_password)
echo "requirepass $redis" >secrets/redis_auth
# printf: the programs take the file's first line, whatever ends it
printf 'redis://:%s@redis:6379/0\n' "$redis" >secrets/redis_url
chmod 444 secrets/*
