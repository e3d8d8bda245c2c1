#!/bin/bash
# `make lint`: everything about the code that is checked without running it. Each check says nothing
# when content; all of them run, and any complaint makes the whole fail. Under 4 minutes on two
# cores from nothing, seconds when little changed.

set -u
cd "$(dirname "$0")/../.." || exit 1
make=${MAKE:-make}
lint=${LINT_B:-build/lint} # beside the ordinary build, warnings are errors here
jobs=$(nproc)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
bad=0

check() { # what, command...
    local what=$1 start=$SECONDS
    shift
    if "$@" >"$log" 2>&1; then
        printf '  ok      %-58s %3d s\n' "$what" $((SECONDS - start))
    else
        printf '  FAILED  %-58s %3d s\n' "$what" $((SECONDS - start))
        sed 's/^/    /' "$log" | tail -n "${LINT_LINES:-60}"
        bad=1
    fi
}

c_files() { # patterns
    git ls-files -co --exclude-standard -- "$@" | while read -r f; do [ -f "$f" ] && echo "$f"; done
}

format() {
    c_files '*.c' '*.h' | xargs -r -n 16 -P "$jobs" clang-format --dry-run -Werror --ferror-limit=3
}

compiles() { # compiler
    "$make" --no-print-directory -j"$jobs" -k CC="$1" BASE_B="$lint/$1" SAN= COV= WERROR=1 \
        build unit-bins bench-bins 2>&1 | grep -vE '^ +(CC|CXX|LD|AR) '
    return "${PIPESTATUS[0]}"
}

# Left out: style of no consequence, and uninitvar, which takes out-parameters for reads; the
# compilers and the sanitizers see those better. Unit tests are Criterion macros to it.
cpp_check() {
    c_files 'common/*.c' 'services/*.c' 'tools/*.c' 'tests/plain/*.c' 'tests/bench/*.c' |
        cppcheck --file-list=- --enable=warning,performance,portability --inline-suppr -j"$jobs" \
            --quiet --std=c11 -I. -D_GNU_SOURCE --error-exitcode=1 \
            --suppress=missingIncludeSystem --suppress=uninitvar \
            --suppress=duplicateAssignExpression \
            --template='{file}:{line}: {severity}: {message} [{id}]'
}

dashboard() {
    local dir=${FRONTEND_DIR:-build/frontend}
    deploy/local/frontend.sh install "$dir" && (cd "$dir" && npm run --silent typecheck && npm run --silent lint)
}

check "clang-format" format
check "rules of the source" python3 tests/lint/source.py
check "rules of the source: self-test" python3 tests/lint/source.py --self-test
check "gcc, warnings are errors" compiles gcc
check "clang, warnings are errors" compiles clang
check "purity and layers of the object files" python3 tests/lint/purity.py "$lint/gcc"
check "purity and layers: self-test" python3 tests/lint/purity.py --self-test
check "option tables in README and .env.example" python3 tests/lint/options.py --check "$lint/gcc/bin"
check "option tables: self-test" python3 tests/lint/options.py --self-test
check "alert rules and dashboard" python3 tests/prometheus/check.py
check "Kubernetes manifests" env BIN="$lint/gcc/bin" deploy/k8s/check/run.sh
check "cppcheck" cpp_check
if command -v npm >/dev/null; then
    check "dashboard: types, eslint, prettier" dashboard
else
    echo "  SKIPPED dashboard: npm is not installed"
fi

[ $bad -eq 0 ] && echo "lint: clean" || echo "lint: FAILED"
exit $bad
