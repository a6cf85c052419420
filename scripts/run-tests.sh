#!/usr/bin/env bash
# usage: run-tests.sh [BUILD OPTION...]
# Builds and runs every test, and ends with one line that says how it went.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/say.sh

started=$SECONDS
took() { printf '%d min %02d s' $(((SECONDS - started) / 60)) $(((SECONDS - started) % 60)); }

swift build --build-tests "$@" || fault "the tests do not build (after $(took))" "the compiler says so above" "mend that first"

# One test at a time: many block on real sockets and children, and side by side they would starve each other into time-outs.
# A crash would sit in the backtracer for minutes before it is reported.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if SWIFT_BACKTRACE=enable=no swift test --skip-build --disable-xctest --no-parallel "$@" 2>&1 | tee "$log"; then
    summary=$(grep -E 'Test run with .* passed' "$log" | tail -n 1 | sed -E 's/^[^T]*//') || true
    say "make test: passed in $(took)${summary:+ ($summary)}"
else
    # What failed stands among a thousand lines that passed: it is told again, with the start of its evidence.
    awk '/ recorded an issue at / { left = 12; print; next }
         / Test .* failed after / { print }
         /^[^ ]* ?↳/ && left-- > 0 { print substr($0, 1, 400); next }
         { left = 0 }' "$log" | tail -n 80 >&2 || true
    fault "make test: failed after $(took)" "the failed tests are listed above" "swift test --filter NAME runs one of them alone"
fi
