#!/bin/bash
# Fuzzing and its regression replay.
#
#   run.sh replay BUILD        every target over the corpus and FUZZ_MUTATIONS (2000) mutations of it
#   run.sh fuzz BUILD          every target under libFuzzer, FUZZ_SECONDS (20) each, one at a time
#
# BUILD/fuzz-corpus is made anew each time; what fuzzing found interesting stays in BUILD/fuzz-found
# and is begun with the next time. Inputs that broke something are left in BUILD/fuzz-crashes. ONLY=word: only
# targets with that word in their name. The last line says "N passed, N failed".

set -u
mode=$1
build=$2
bin=$build/tests/fuzz
corpus=$build/fuzz-corpus
found=$build/fuzz-found
crashes=$build/fuzz-crashes
passed=0
failed=0
mkdir -p "$crashes"
rm -rf "$corpus"
"$bin/corpus" "$corpus" || exit 1
export ASAN_OPTIONS=${ASAN_OPTIONS:-abort_on_error=1:handle_abort=0:detect_leaks=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}

for source in tests/fuzz/fuzz_*.c; do
    target=$(basename "$source" .c)
    case $target in
    *"${ONLY:-}"*) ;;
    *) continue ;;
    esac
    log=$crashes/$target.log
    if [ "$mode" = replay ]; then
        rm -f "$crashes/$target"
        timeout -k 5 120 "$bin/$target" "$corpus/$target" "${FUZZ_MUTATIONS:-2000}" 20260101 "$crashes" >"$log" 2>&1
    else
        mkdir -p "$found/$target"
        timeout -k 5 $((${FUZZ_SECONDS:-20} + 120)) "$bin/$target" -max_total_time="${FUZZ_SECONDS:-20}" \
            -timeout=10 -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1 \
            -artifact_prefix="$crashes/$target-" "$found/$target" "$corpus/$target" >"$log" 2>&1
    fi
    if [ $? -eq 0 ]; then
        passed=$((passed + 1))
        if [ "$mode" = replay ]; then
            tail -n 1 "$log"
        else
            echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") executions, $(find "$found/$target" -type f | wc -l) inputs kept"
        fi
    else
        failed=$((failed + 1))
        echo "$target FAILED, log in $log, input in $crashes:"
        tail -n 15 "$log"
    fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
