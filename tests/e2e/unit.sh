#!/bin/bash
# The dashboard's unit tests, types and style, in its folder below build/. The last line is
# "N passed, N failed".

set -u
cd "$(dirname "$0")/../.." || exit 1
dir=${FRONTEND_DIR:-build/frontend}
failed=0
passed=0

deploy/local/frontend.sh install "$dir" || {
    echo "0 passed, 1 failed"
    exit 1
}
cd "$dir" || exit 1
report=$(mktemp)
trap 'rm -f "$report"' EXIT
NO_COLOR=1 npx --no-install vitest run --reporter=default --reporter=json --outputFile.json="$report" ||
    failed=1
counts=$(node -p 'const r = JSON.parse(fs.readFileSync(process.argv[1])); r.numPassedTests + " " + (r.numTotalTests - r.numPassedTests)' "$report" 2>/dev/null)
read -r passed bad <<<"${counts:-0 0}"
[ "$bad" -gt "$failed" ] && failed=$bad
for what in typecheck lint; do
    if npm run --silent $what; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
