#!/bin/bash
# The native stack on this machine: every service as a process, data and logs below build/.
#
#   stack.sh demo     a simulated market: private empty Redis, exchange-sim, all services
#   stack.sh run      the live venue: Redis kept in build/run (or REDIS_URL), all services
#   stack.sh stop     ends both, by their pid files
#
# Runs in the foreground and prints one line a second until Ctrl-C (or `make stop` elsewhere, or
# STACK_SECONDS are over), then ends everything it started, in order, and waits for it. Each program
# is a process group of its own, so Ctrl-C reaches this script alone and the services are drained.
# The dashboard follows when it is ready: it is built on first use (FRONTEND=0 leaves it out,
# FRONTEND_PORT moves it).
# Settings are the services' own environment variables; REPLAY="FILE..." and REPLAY_SPEED play a
# recording in the demo. STACK_DIR holds data and logs (build), BIN the programs (build/bin).

set -u
cd "$(dirname "$0")/../.." || exit 1
BIN=${BIN:-build/bin}
MODE=${1:-}
DATA=${STACK_DIR:-$PWD/build}
RUN_DIR=$DATA/$MODE

die() {
    echo "stack: $*" >&2
    exit 1
}

# ---- processes by pid file -----------------------------------------------------------------------

# A pid file holds "pid start-time": a pid that was given to another process since is not ours.
start_time() { # pid
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    stat=${stat##*) }
    # shellcheck disable=SC2086
    set -- $stat
    [ "$1" != Z ] && echo "${20}"
}

alive() { # pid file
    local pid when
    [ -e "$1" ] && read -r pid when <"$1" || return 1
    [ -n "$when" ] && [ "$(start_time "$pid")" = "$when" ]
}

pid_of() { # pid file
    local pid
    read -r pid _ <"$1" && echo "$pid"
}

remember() { # name pid
    echo "$2 $(start_time "$2")" >"$RUN_DIR/pid/$1"
}

# TERM, then after `seconds` KILL.
end_one() { # pid file, seconds
    local pid i
    if alive "$1"; then
        pid=$(pid_of "$1")
        if [ "${1##*/}" = dashboard ]; then
            kill -TERM -- "-$pid" 2>/dev/null # while it is being built that is more than one process
        else
            kill -TERM "$pid" 2>/dev/null
        fi
        for ((i = 0; i < $2 * 20; i++)); do
            alive "$1" || break
            sleep 0.05
        done
        if alive "$1"; then
            echo "stack: ${1##*/} did not end within $2 s, killed" >&2
            kill -KILL "$pid" 2>/dev/null
        fi
        # npm goes on after TERM; what it leaves half done is done anew next time.
        [ "${1##*/}" = dashboard ] && kill -KILL -- "-$pid" 2>/dev/null
    fi
    rm -f "$1"
}

end_all() { # folder of pid files
    local name
    for name in dashboard api backfill strategy context collector exchange-sim; do
        end_one "$1/$name" 7
    done
    end_one "$1/redis" 20
}

stop_mode() { # demo|run
    local dir=$DATA/$1/pid i
    [ -d "$dir" ] || return 1
    local found=1
    if alive "$dir/stack"; then
        found=0
        kill -TERM "$(pid_of "$dir/stack")"
        for ((i = 0; i < 900; i++)); do
            alive "$dir/stack" || break
            sleep 0.05
        done
    fi
    # Left behind by a supervisor that was killed.
    for i in "$dir"/*; do
        alive "$i" && found=0
    done
    end_all "$dir"
    rm -f "$dir/stack"
    return $found
}

if [ "$MODE" = stop ]; then
    stopped=0
    for m in demo run; do
        stop_mode $m && echo "stopped: $m" && stopped=1
    done
    [ $stopped = 1 ] || echo "nothing of ours is running"
    exit 0
fi
[ "$MODE" = demo ] || [ "$MODE" = run ] || die "usage: stack.sh demo|run|stop"

# ---- before anything starts ----------------------------------------------------------------------

for name in collector context strategy backfill api; do
    [ -x "$BIN/$name" ] || die "$BIN/$name is missing: run \`make build\`"
done
if [ -e "$RUN_DIR/pid/stack" ] && alive "$RUN_DIR/pid/stack"; then
    die "\`make $MODE\` is running already (pid $(pid_of "$RUN_DIR/pid/stack")): \`make stop\` ends it"
fi
[ -d "$RUN_DIR/pid" ] && end_all "$RUN_DIR/pid"

export BACKEND_PORT=${BACKEND_PORT:-8000}
export COLLECTOR_HTTP_PORT=${COLLECTOR_HTTP_PORT:-8101}
export CONTEXT_HTTP_PORT=${CONTEXT_HTTP_PORT:-8102}
export STRATEGY_HTTP_PORT=${STRATEGY_HTTP_PORT:-8103}
export BACKFILL_HTTP_PORT=${BACKFILL_HTTP_PORT:-8104}
export API_HTTP_PORT=${API_HTTP_PORT:-8105}
export BACKFILL_CACHE_DIR=${BACKFILL_CACHE_DIR:-$RUN_DIR/history}
FRONTEND=${FRONTEND:-1}
FRONTEND_PORT=${FRONTEND_PORT:-3000}
export CORS_ALLOW_ORIGINS=${CORS_ALLOW_ORIGINS:-http://localhost:$FRONTEND_PORT,http://127.0.0.1:$FRONTEND_PORT}
SIM_PORT=${SIM_PORT:-9001}
SIM_CONTROL_PORT=${SIM_CONTROL_PORT:-9002}

taken() { # port
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

ports="BACKEND_PORT COLLECTOR_HTTP_PORT CONTEXT_HTTP_PORT STRATEGY_HTTP_PORT BACKFILL_HTTP_PORT API_HTTP_PORT"
[ "$MODE" = demo ] && ports="$ports SIM_PORT SIM_CONTROL_PORT"
[ "$FRONTEND" = 0 ] || ports="$ports FRONTEND_PORT"
for name in $ports; do
    port=${!name}
    if ! [[ $port =~ ^[0-9]{1,5}$ && $port -le 65535 ]]; then
        die "$name: $port is not a port (0..65535)"
    fi
    if [ "$name" = FRONTEND_PORT ] && [ "$port" = 0 ]; then
        die "FRONTEND_PORT: the page's address has to be known before it starts; 0 picks none"
    fi
    if [ "$port" != 0 ] && taken "$port"; then
        die "port $port ($name) is taken by another program: end it (\`make stop\` if it is ours), or
       choose another port, e.g. \`$name=$((port + 1000)) make $MODE\`"
    fi
done

# ---- start ---------------------------------------------------------------------------------------

if [ "$MODE" = demo ]; then
    rm -rf "$RUN_DIR" # the demo's Redis is private and empty
fi
mkdir -p "$RUN_DIR/log" "$RUN_DIR/pid" "$RUN_DIR/redis" || exit 1
remember stack $$
failed=0

finish() {
    trap '' INT TERM HUP PIPE # nobody may be reading any more
    trap - EXIT
    echo
    echo "stopping ..."
    end_all "$RUN_DIR/pid"
    rm -f "$RUN_DIR/pid/stack"
    echo "stopped; logs are in ${RUN_DIR#"$PWD"/}/log"
    exit $failed
}
trap finish INT TERM HUP PIPE EXIT

launch() { # name, command...
    local name=$1
    shift
    setsid "$@" >"$RUN_DIR/log/$name.out" 2>"$RUN_DIR/log/$name.log" </dev/null &
    remember "$name" $!
}

# Waits until a command succeeds; ends the script with the log when the program is gone.
await() { # name, seconds, command...
    local name=$1 seconds=$2 i
    shift 2
    for ((i = 0; i < seconds * 20; i++)); do
        "$@" >/dev/null 2>&1 && return 0
        alive "$RUN_DIR/pid/$name" || break
        sleep 0.05
    done
    echo "stack: $name did not start; the end of its log:" >&2
    tail -n 5 "$RUN_DIR/log/$name.log" "$RUN_DIR/log/$name.out" >&2
    failed=1
    exit 1
}

# A number that a program printed as JSON.
printed() { # file, field
    sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p" "$1" 2>/dev/null | head -n 1
}
has_printed() {
    [ -n "$(printed "$1" "$2")" ]
}

# Percent-decoding, as the services do it.
decoded() { # text
    local text=${1//\\/\\\\}
    printf '%b' "${text//%/\\x}"
}

# redis-cli for a REDIS_URL. Command lines are everybody's to read and this one is shown as a hint,
# so the password goes through the environment.
redis_cli_of() { # url
    local rest=$1 who='' db=''
    case $rest in
        unix://*)
            rest=${rest#unix://}
            case $rest in *\?db=*) db=${rest##*\?db=} rest=${rest%\?db=*} ;; esac
            case $rest in /*) ;; *@/*) who=${rest%%@/*} rest=/${rest#*@/} ;; esac
            redis_cli=(redis-cli -s "$(decoded "$rest")")
            ;;
        *)
            rest=${rest#redis://}
            case $rest in */*) db=${rest##*/} rest=${rest%/*} ;; esac
            case $rest in *@*) who=${rest%@*} rest=${rest##*@} ;; esac
            if [[ $rest =~ ^(.*):([0-9]+)$ ]]; then
                redis_cli=(redis-cli -h "${BASH_REMATCH[1]}" -p "${BASH_REMATCH[2]}")
            else
                redis_cli=(redis-cli -h "$rest")
            fi
            ;;
    esac
    [ -n "$db" ] && redis_cli+=(-n "$db")
    case $who in
        *:*)
            [ -n "${who%%:*}" ] && redis_cli+=(--user "$(decoded "${who%%:*}")")
            REDISCLI_AUTH=$(decoded "${who#*:}")
            export REDISCLI_AUTH
            ;;
    esac
}

redis_cli=()
if [ "$MODE" = run ] && [ -n "${REDIS_URL:-}${REDIS_URL_FILE:-}" ]; then
    if [ -n "${REDIS_URL:-}" ]; then
        redis_cli_of "$REDIS_URL"
    else
        redis_cli_of "$(cat "$REDIS_URL_FILE")"
    fi
else
    command -v redis-server >/dev/null || die "redis-server is missing: run \`make deps\`"
    socket=$RUN_DIR/redis.sock
    if [ ${#socket} -gt 100 ]; then # the kernel's limit for socket names
        socket=$(mktemp -d)/redis.sock
    fi
    launch redis redis-server --port 0 --unixsocket "$socket" --dir "$RUN_DIR/redis" \
        --appendonly yes --save "" --maxmemory-policy noeviction --loglevel warning
    redis_cli=(redis-cli -s "$socket")
    await redis 30 "${redis_cli[@]}" ping
    export REDIS_URL=unix://$socket
    unset REDIS_URL_FILE
fi

# The contracts of a venue among SYMBOLS (or SYMBOL), comma separated; those without a venue are of
# DATA_SOURCE's.
symbols_of() { # venue
    local item own=binance out=
    case ${DATA_SOURCE:-} in bybit*) own=bybit ;; esac
    for item in $(tr ',' ' ' <<<"${SYMBOLS:-${SYMBOL:-BTCUSDT}}"); do
        case $item in *:*) ;; *) item=$own:$item ;; esac
        [ "${item%%:*}" = "$1" ] && out=$out${out:+,}${item#*:}
    done
    echo "$out"
}

if [ "$MODE" = demo ]; then
    if [ -n "${REPLAY:-}" ]; then
        # shellcheck disable=SC2206
        source=(--replay $REPLAY --speed "${REPLAY_SPEED:-1}")
    else
        # From yesterday 23:00 as fast as the services read, in real time from now on.
        source=(--generate --speed "${DEMO_SPEED:-max}" --symbols "$(symbols_of binance)")
        [ -n "$(symbols_of bybit)" ] && source+=(--bybit-symbols "$(symbols_of bybit)")
    fi
    launch exchange-sim "$BIN/exchange-sim" --port "$SIM_PORT" --control-port "$SIM_CONTROL_PORT" \
        "${source[@]}"
    await exchange-sim 20 has_printed "$RUN_DIR/log/exchange-sim.out" port
    SIM_PORT=$(printed "$RUN_DIR/log/exchange-sim.out" port)
    SIM_CONTROL_PORT=$(printed "$RUN_DIR/log/exchange-sim.out" control_port)
    export BINANCE_WS_BASE_URL=ws://127.0.0.1:$SIM_PORT
    export BINANCE_REST_BASE_URL=http://127.0.0.1:$SIM_PORT
    export BINANCE_ARCHIVE_BASE_URL=http://127.0.0.1:$SIM_PORT
    # Every venue of the demo is the simulated one, whatever SYMBOLS names.
    export BYBIT_WS_BASE_URL=ws://127.0.0.1:$SIM_PORT
    export BYBIT_REST_BASE_URL=http://127.0.0.1:$SIM_PORT
    export BYBIT_ARCHIVE_BASE_URL=http://127.0.0.1:$SIM_PORT
fi

for name in api collector context strategy backfill; do
    launch "$name" "$BIN/$name"
done
for name in api collector context strategy backfill; do
    await "$name" 20 has_printed "$RUN_DIR/log/$name.log" health_port
done
if [ "$BACKEND_PORT" = 0 ]; then
    BACKEND_PORT=$(printed "$RUN_DIR/log/api.log" port)
fi

# ---- what to look at -----------------------------------------------------------------------------

instrument=${SYMBOLS:-${SYMBOL:-BTCUSDT}}
instrument=${instrument%%,*}
case $instrument in
    *:*) ;;
    *) instrument=binance:$instrument ;;
esac
key="bc4:{$instrument}:"
show="${redis_cli[*]}"
show=${show/$PWD\//}

cat <<TEXT

  REST      http://127.0.0.1:$BACKEND_PORT/health   /price /levels /context /metrics /symbols
            http://127.0.0.1:$BACKEND_PORT/strategy/candles?timeframe=1m&count=5
            http://127.0.0.1:$BACKEND_PORT/context?profile_rows=20
  Redis     $show hmget '${key}context' day price vwap poc vah val cumulative_delta
            $show xrevrange '${key}trades' + - count 3
            $show psubscribe '${key}pub:*'
TEXT
if [ "$MODE" = demo ]; then
    echo "  Exchange  http://127.0.0.1:$SIM_PORT (simulated), faults on command: http://127.0.0.1:$SIM_CONTROL_PORT"
else
    echo "  Exchange  ${BINANCE_WS_BASE_URL:-wss://fstream.binance.com} (live)"
fi
printf '  Logs      %s/log/*.log\n  Ctrl-C ends everything.\n\n' "${RUN_DIR#"$PWD"/}"

# ---- the dashboard -------------------------------------------------------------------------------

# Built beside the running services; nobody waits for it.
start_dashboard() {
    local dir=${FRONTEND_DIR:-$PWD/build/frontend}
    deploy/local/frontend.sh build "$dir" || return
    cd "$dir/.next/standalone" || return
    exec env HOSTNAME=127.0.0.1 PORT="$FRONTEND_PORT" NEXT_TELEMETRY_DISABLED=1 \
        NEXT_PUBLIC_API_URL="${NEXT_PUBLIC_API_URL:-http://127.0.0.1:$BACKEND_PORT}" node server.js
}

dashboard=off
if [ "$FRONTEND" != 0 ]; then
    if command -v node >/dev/null && command -v npm >/dev/null; then
        export -f start_dashboard
        export FRONTEND_PORT
        launch dashboard bash -c start_dashboard
        dashboard=wait
        echo "  Dashboard http://127.0.0.1:$FRONTEND_PORT (being made ready; first use takes a minute or two)"
    else
        echo "  Dashboard left out: node and npm are not installed"
    fi
    echo
fi

# Says once that it is there, or that it is not coming: the services go on without it.
look_at_dashboard() {
    [ $dashboard = wait ] || return
    if taken "$FRONTEND_PORT"; then
        dashboard=up
        echo "  Dashboard ready: http://127.0.0.1:$FRONTEND_PORT"
    elif ! alive "$RUN_DIR/pid/dashboard"; then
        dashboard=off
        echo "  Dashboard not available; the end of ${RUN_DIR#"$PWD"/}/log/dashboard.log:"
        tail -n 3 "$RUN_DIR/log/dashboard.log"
    fi
}

# ---- one line a second ---------------------------------------------------------------------------

ask() { # path: the api's answer, without needing a client program
    exec 3<>"/dev/tcp/127.0.0.1/$BACKEND_PORT" || return 1
    printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$1" >&3
    timeout 2 cat <&3
    exec 3>&-
}

field() { # name: a string value out of $answer
    local rest=${answer#*\""$1"\":\"}
    [ "$rest" = "$answer" ] && return
    echo "${rest%%\"*}"
}

thousands() {
    local n=$1 out=
    while [ ${#n} -gt 3 ]; do
        out=,${n: -3}$out
        n=${n:0:-3}
    done
    echo "$n$out"
}

two_places() { # text of a decimal, cut (not rounded) for the eye
    case $1 in
        *.*) echo "${1%%.*}.$(printf '%.2s' "${1#*.}00")" ;;
        *) echo "$1" ;;
    esac
}

summary() {
    local v answer simulated clock
    mapfile -t v < <(timeout 5 "${redis_cli[@]}" hmget "${key}context" simulated price_ts_ms price vwap poc \
        vah val cumulative_delta trades 2>/dev/null)
    if [ -z "${v[1]:-}" ]; then
        answer=$(ask /ready 2>/dev/null)
        echo " waiting for the first trade of $instrument ($(field status))"
        return
    fi
    answer=$(ask /health 2>/dev/null)
    simulated="          "
    [ "${v[0]}" = 1 ] && simulated=" SIMULATED"
    TZ=UTC printf -v clock '%(%F %T)T' "$((v[1] / 1000))"
    printf '%s  %s  %s  price %s  vwap %s  poc %s  va %s-%s  delta %s  trades %s  %s  %s\n' \
        "$simulated" "$clock" "$instrument" "${v[2]}" "$(two_places "${v[3]}")" "${v[4]}" "${v[6]}" \
        "${v[5]}" "${v[7]}" "$(thousands "${v[8]}")" "$(field session)" "$(field metrics_precision)"
}

begin=$SECONDS
while [ -z "${STACK_SECONDS:-}" ] || [ $((SECONDS - begin)) -lt "$STACK_SECONDS" ]; do
    summary
    look_at_dashboard
    for file in "$RUN_DIR"/pid/*; do
        [ "${file##*/}" = dashboard ] && continue
        if ! alive "$file"; then
            name=${file##*/}
            echo "stack: $name ended by itself; the end of its log:" >&2
            tail -n 5 "$RUN_DIR/log/$name.log" >&2
            failed=1
            exit 1
        fi
    done
    sleep 1 &
    wait $!
done
