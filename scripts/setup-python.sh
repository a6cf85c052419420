#!/usr/bin/env bash
# Creates .venv with exactly the packages of examples/fraud/requirements.lock (versions and digests), once: the stamp in it
# names the lock that it was made from.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/say.sh

lock=examples/fraud/requirements.lock
digest=$(sha256sum "$lock" | cut -d ' ' -f 1)
stamp=.venv/made-from
[ -x .venv/bin/python ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$digest" ] && exit 0

# The locked packages have been tried on these. MLServer itself asks for less than 3.13 (its worker pool does, which the
# demo does not use), so that pip is told not to mind: versions and digests are pinned anyway.
python=""
for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11 python3.10; do
    [ -n "$candidate" ] && command -v "$candidate" >/dev/null || continue
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
        python=$(command -v "$candidate")
        break
    fi
done
if [ -z "$python" ]; then
    fault "no Python that the demo's model server runs on was found" \
        "it needs Python 3.10 to 3.13 with its venv module; python3 here is $(python3 --version 2>&1 || echo missing)" \
        "install one of them and name it: make demo PYTHON=/path/to/python3.12"
fi

say "making .venv with $("$python" --version) (about 500 MB, a minute; once)"
rm -rf .venv
"$python" -m venv .venv
if ! output=$(.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
    --require-hashes --only-binary :all: --ignore-requires-python -r "$lock" 2>&1); then
    printf '%s\n' "$output" | tail -n 20 >&2
    rm -rf .venv
    fault "the demo's Python packages could not be installed" "pip says so above" \
        "see that this machine reaches a package index (or has one set in pip's configuration), then run make again"
fi
printf '%s\n' "$digest" >"$stamp"
