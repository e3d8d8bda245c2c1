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
rm -rf "$dir"
mkdir -p "$dir/san"
FILTER=${FILTER:-}
LIMIT_SEC=${LIMIT_SEC:-300}

san=$PWD/$dir/san
case $dir in
/*) san=$dir/san ;;
esac
# handle_segv=0: tests that expect a signal get the signal. A failed allocation is for the program.
export ASAN_OPTIONS="log_path=$san/asan:detect_leaks=1:handle_segv=0:detect_stack_use_after_return=1"
export UBSAN_OPTIONS="log_path=$san/ubsan:print_stacktrace=1"
export LSAN_OPTIONS="log_path=$san/lsan"
export TSAN_OPTIONS="log_path=$san/tsan:halt_on_error=0:exitcode=66:second_deadlock_stack=1"

passed=0
failed=0

fail() { # name, reason, log
    echo "FAILED $1: $2"
    [ -n "${3:-}" ] && sed 's/^/    /' "$3" | tail -n 60
}

sanitizer_wrote() {
    [ -n "$(ls -A "$san")" ]
}

# What the sanitizers wrote belongs to the program that just ran.
blame() { # name
    fail "$1" "a sanitizer reported:"
    cat "$san"/* | head -n 80 | sed 's/^/    /'
    mkdir -p "$dir/reports"
    mv "$san"/* "$dir/reports/"
}

run_unit() {
    local bin=$1 name log line code tested ok
    name=${bin##*/tests/}
    log=$dir/${name//\//-}.log
    timeout -k 5 "$LIMIT_SEC" "$bin" ${FILTER:+--filter "$FILTER"} >"$log" 2>&1 </dev/null
    code=$?
    line=$(grep -a 'Synthesis: Tested:' "$log" | tail -n 1 | sed 's/\x1b\[[0-9;]*m//g')
    tested=$(sed -n 's/.*Tested: *\([0-9]*\).*/\1/p' <<<"$line")
    ok=$(sed -n 's/.*Passing: *\([0-9]*\).*/\1/p' <<<"$line")
    tested=${tested:-0}
    ok=${ok:-0}
    if [ "$tested" -eq 0 ] && [ -n "$FILTER" ] && [ $code -eq 0 ]; then
        return
    fi
    echo "$name: ${line#*Synthesis: }"
    passed=$((passed + ok))
    failed=$((failed + tested - ok))
    if [ "$tested" -eq 0 ]; then
        failed=$((failed + 1))
        fail "$name" "ran no test (status $code)" "$log"
    elif [ $code -ne 0 ] || [ "$ok" -ne "$tested" ]; then
        [ "$ok" -eq "$tested" ] && failed=$((failed + 1))
        fail "$name" "status $code" "$log"
    fi
    if sanitizer_wrote; then
        failed=$((failed + 1))
        blame "$name"
    fi
}

run_plain() { # binary, words for the name
    local bin=$1 name log code
    name=${bin##*/tests/}$2
    log=$dir/${name//[\/ ]/-}.log
    timeout -k 5 "$LIMIT_SEC" "$bin" >"$log" 2>&1 </dev/null
    code=$?
    if [ $code -ne 0 ]; then
        failed=$((failed + 1))
        fail "$name" "status $code" "$log"
        sanitizer_wrote && blame "$name"
    elif sanitizer_wrote; then
        failed=$((failed + 1))
        blame "$name"
    else
        passed=$((passed + 1))
        echo "$name: ok"
    fi
}

kind=
for arg in "$@"; do
    case $arg in
    --unit | --plain | --tsan)
        kind=$arg
        continue
        ;;
    esac
    case $kind in
    --unit) run_unit "$arg" ;;
    --plain) [ -n "$FILTER" ] || run_plain "$arg" "" ;;
    --tsan) [ -n "$FILTER" ] || run_plain "$arg" " (threads)" ;;
    esac
done

if [ $((passed + failed)) -eq 0 ]; then
    echo "no test ran${FILTER:+: nothing matches FILTER=$FILTER}"
    failed=1
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
