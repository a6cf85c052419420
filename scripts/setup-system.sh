#!/usr/bin/env bash
# usage: setup-system.sh PART...
# Installs the system packages of the named parts (scripts/system-packages.txt) where that is allowed: as root, or with a
# sudo that asks for no password. Where it is not, it prints the one command to run and stops.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/say.sh

list=scripts/system-packages.txt

packages_of() {
    local part
    for part in "$@"; do awk -v part="$part" '!/^#/ && $2 == part { print $1 }' "$list"; done | sort -u
}

missing_of() {
    local package
    for package in $(packages_of "$@"); do
        dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || echo "$package"
    done
}

if ! command -v dpkg-query >/dev/null; then
    say "this is not Debian or Ubuntu: please see that these are installed (names as Debian has them):"
    packages_of "$@" | sed 's/^/  /' >&2
    exit 0
fi

missing=$(missing_of "$@" | tr '\n' ' ')
missing=${missing% }
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    as_root=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
else
    fault "system packages are missing: $missing" \
        "they are needed for: $* ($list says what each is for), and installing needs root, which this user is not" \
        "sudo apt-get update && sudo apt-get install --no-install-recommends -y $missing"
fi

say "installing system packages: $missing"
install() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --no-install-recommends -y -qq $missing
}
output=$(mktemp)
trap 'rm -f "$output"' EXIT
# A fresh machine has no package index yet: only then is it fetched.
if ! install >"$output" 2>&1; then
    "${as_root[@]}" apt-get update -qq >>"$output" 2>&1 || true
    if ! install >>"$output" 2>&1; then
        tail -n 20 "$output" >&2
        fault "system packages could not be installed: $missing" "apt-get says so above" \
            "mend that, or install them another way; then run make again"
    fi
fi
