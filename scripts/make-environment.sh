# make_environment NAME FOLDER WHAT: creates .build/NAME with exactly the packages (versions and digests) of a lock that was made for CPython
# 3.11, Tests/Fixtures/FOLDER/requirements.lock, once. Fails where there is no such Python, or no package index to reach.
make_environment() {
    local name=$1 folder=$2 what=$3
    local lock=Tests/Fixtures/$folder/requirements.lock home=.build/$name digest python="" candidate output
    digest=$(sha256sum "$lock" | cut -d ' ' -f 1)
    # Two suites may ask at once.
    mkdir -p .build
    exec 9>".build/$name.lock"
    flock 9
    [ -x "$home/bin/python" ] && [ -f "$home/made-from" ] && [ "$(cat "$home/made-from")" = "$digest" ] && return 0

    for candidate in "${PYTHON:-}" python3.11 python3; do
        [ -n "$candidate" ] && command -v "$candidate" >/dev/null || continue
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            python=$(command -v "$candidate")
            break
        fi
    done
    [ -n "$python" ] || fault "$what cannot be installed" "there is no Python 3.11 with its venv module" "install it and name it: PYTHON=/path/to/python3.11"

    say "making $home with $("$python" --version) (once)"
    rm -rf "$home"
    if ! output=$("$python" -m venv "$home" 2>&1 && "$home/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
        --require-hashes --only-binary :all: -r "$lock" 2>&1); then
        printf '%s\n' "$output" | tail -n 20 >&2
        rm -rf "$home"
        fault "$what cannot be installed" "pip says so above" "see that a package index is reached"
    fi
    printf '%s\n' "$digest" >"$home/made-from"
}
