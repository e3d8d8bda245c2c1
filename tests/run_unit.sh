#!/bin/bash
# Runs the unit tests (Criterion) and the plain test programs given:
#
#   run_unit.sh DIR --unit BIN... --plain BIN... --tsan BIN...
#
# DIR takes the logs. A binary that ran no test has failed, and so has a run in which a sanitizer
# wrote anything: Criterion calls a leaking test passed, and its forked children may end with 0.
# FILTER=suite/test goes to Criterion; one that matches nothing at all is a failure (Criterion ends
# with 0 then). The last line is "N passed, N failed".

set -u
dir=$1
shift
case $dir in
/*) ;;
*) dir=$PWD/$dir ;;
esac
rm -rf "$dir"
mkdir -p "$dir"
FILTER=${FILTER:-}
LIMIT_SEC=${LIMIT_SEC:-300}
jobs=${JOBS:-$(nproc)}

fail() { # name, reason, log
    echo "FAILED $1: $2"
    [ -n "${3:-}" ] && tail -n 60 "$3" | sed 's/^/    /'
}

# The program's output goes to its log, what the sanitizers write to a folder of its own.
# handle_segv=0: tests that expect a signal get the signal.
run_one() { # binary, its folder, arguments
    local bin=$1 own=$2 san=$2/san
    shift 2
    mkdir -p "$san"
    ASAN_OPTIONS="log_path=$san/asan:detect_leaks=1:handle_segv=0:detect_stack_use_after_return=1" \
        UBSAN_OPTIONS="log_path=$san/ubsan:print_stacktrace=1" \
        LSAN_OPTIONS="log_path=$san/lsan" \
        TSAN_OPTIONS="log_path=$san/tsan:halt_on_error=0:exitcode=66:second_deadlock_stack=1" \
        timeout -k 5 "$LIMIT_SEC" "$bin" "$@" >"$own/log" 2>&1 </dev/null
}

blame() { # name, its folder; true when a sanitizer wrote something
    [ -n "$(ls -A "$2/san")" ] || return 1
    fail "$1" "a sanitizer reported:"
    cat "$2"/san/* | head -n 80 | sed 's/^/    /'
}

# Both print what there is to say and leave "passed failed" in the folder.
run_unit() { # binary, name, folder
    local bin=$1 name=$2 own=$3 line code tested ok bad
    run_one "$bin" "$own" ${FILTER:+--filter "$FILTER"}
    code=$?
    line=$(grep -a 'Synthesis: Tested:' "$own/log" | tail -n 1 | sed 's/\x1b\[[0-9;]*m//g')
    tested=$(sed -n 's/.*Tested: *\([0-9]*\).*/\1/p' <<<"$line")
    ok=$(sed -n 's/.*Passing: *\([0-9]*\).*/\1/p' <<<"$line")
    tested=${tested:-0}
    ok=${ok:-0}
    bad=$((tested - ok))
    if [ "$tested" -eq 0 ] && [ -n "$FILTER" ] && [ $code -eq 0 ]; then
        return
    fi
    echo "$name: ${line#*Synthesis: }"
    if [ "$tested" -eq 0 ]; then
        bad=1
        fail "$name" "ran no test (status $code)" "$own/log"
    elif [ $code -ne 0 ] || [ $bad -ne 0 ]; then
        [ $bad -eq 0 ] && bad=1
        fail "$name" "status $code" "$own/log"
    fi
    blame "$name" "$own" && bad=$((bad + 1))
    echo "$ok $bad" >"$own/result"
}

run_plain() { # binary, name, folder
    local bin=$1 name=$2 own=$3 code
    run_one "$bin" "$own"
    code=$?
    echo "0 1" >"$own/result"
    if [ $code -ne 0 ]; then
        fail "$name" "status $code" "$own/log"
        blame "$name" "$own"
    elif ! blame "$name" "$own"; then
        echo "1 0" >"$own/result"
        echo "$name: ok"
    fi
}

# As many at once as there are processors; each says its piece in one go when it is through.
kind=
for arg in "$@"; do
    case $arg in
    --*)
        kind=${arg#--}
        continue
        ;;
    esac
    [ "$kind" = unit ] || [ -z "$FILTER" ] || continue
    name=${arg##*/tests/}
    own=$dir/$kind-${name//\//-}
    mkdir -p "$own"
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
        wait -n
    done
    case $kind in
    unit) (run_unit "$arg" "$name" "$own" >"$own/said" 2>&1; cat "$own/said") & ;;
    plain) (run_plain "$arg" "$name" "$own" >"$own/said" 2>&1; cat "$own/said") & ;;
    tsan) (run_plain "$arg" "$name (threads)" "$own" >"$own/said" 2>&1; cat "$own/said") & ;;
    esac
done
wait

passed=0
failed=0
for own in "$dir"/*/; do
    ok=0
    bad=0
    if [ -f "$own/result" ]; then
        read -r ok bad <"$own/result"
    elif [ -z "$FILTER" ]; then
        echo "FAILED ${own#"$dir"/}: left no result"
        bad=1
    fi
    passed=$((passed + ok))
    failed=$((failed + bad))
done
if [ $((passed + failed)) -eq 0 ]; then
    echo "no test ran${FILTER:+: nothing matches FILTER=$FILTER}"
    failed=1
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
