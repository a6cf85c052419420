#!/usr/bin/env bash
# Creates .build/torch with exactly the packages of Tests/Fixtures/Torch/requirements.lock (versions and digests), once: about
# 1 GB, half a minute. Fails where there is no Python 3.11, or where torch's build for CPUs is not to be had.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/say.sh

lock=Tests/Fixtures/Torch/requirements.lock
home=.build/torch
digest=$(sha256sum "$lock" | cut -d ' ' -f 1)
# Two suites may ask at once.
mkdir -p .build
exec 9>.build/torch.lock
flock 9
[ -x "$home/bin/python" ] && [ -f "$home/made-from" ] && [ "$(cat "$home/made-from")" = "$digest" ] && exit 0

python=""
for candidate in "${PYTHON:-}" python3.11 python3; do
    [ -n "$candidate" ] && command -v "$candidate" >/dev/null || continue
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
        python=$(command -v "$candidate")
        break
    fi
done
[ -n "$python" ] || fault "torch cannot be installed" "there is no Python 3.11 with its venv module" "install it and name it: PYTHON=/path/to/python3.11"

install() { "$home/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --require-hashes --only-binary :all: "$@" -r "$lock"; }

say "making $home with $("$python" --version) (about 1 GB, once)"
rm -rf "$home"
"$python" -m venv "$home"
# The plain index has no builds for CPUs; where none is at hand, torch's own index has.
if ! output=$(install 2>&1) && ! output=$(install --retries 1 --timeout 20 --extra-index-url https://download.pytorch.org/whl/cpu 2>&1); then
    printf '%s\n' "$output" | tail -n 20 >&2
    rm -rf "$home"
    fault "torch cannot be installed" "pip says so above" "see that a package index with torch's builds for CPUs is reached"
fi
printf '%s\n' "$digest" >"$home/made-from"
