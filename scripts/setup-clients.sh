#!/usr/bin/env bash
# Creates .build/clients with exactly the packages of Tests/Fixtures/Clients/requirements.lock (versions and digests), once: the
# official clients that tests speak to OpenClaw with. Fails where there is no Python or no package index to reach.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/say.sh

lock=Tests/Fixtures/Clients/requirements.lock
home=.build/clients
digest=$(sha256sum "$lock" | cut -d ' ' -f 1)
# Two suites may ask at once.
mkdir -p .build
exec 9>.build/clients.lock
flock 9
[ -x "$home/bin/python" ] && [ -f "$home/made-from" ] && [ "$(cat "$home/made-from")" = "$digest" ] && exit 0

python=$(command -v "${PYTHON:-python3}") || fault "the clients cannot be installed" "there is no python3" "install python3 and python3-venv"
rm -rf "$home"
if ! output=$("$python" -m venv "$home" 2>&1 && "$home/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
    --require-hashes --only-binary :all: -r "$lock" 2>&1); then
    printf '%s\n' "$output" | tail -n 20 >&2
    rm -rf "$home"
    fault "the clients cannot be installed" "Python says so above" "see that python3-venv is there and a package index is reached"
fi
printf '%s\n' "$digest" >"$home/made-from"
