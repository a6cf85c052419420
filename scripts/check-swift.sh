#!/usr/bin/env bash
# Says whether the Swift toolchain is there and new enough; where it is not, what exactly to do about it.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/say.sh

wanted_major=6 wanted_minor=3 release=6.3.1

distribution() {
    local id="" version=""
    if [ -r /etc/os-release ]; then
        id=$(. /etc/os-release && echo "${ID:-}")
        version=$(. /etc/os-release && echo "${VERSION_ID:-}")
    fi
    case "$id" in
        debian) echo "debian${version%%.*}" ;;
        ubuntu) echo "ubuntu$version" ;;
        *) echo "ubuntu24.04" ;;
    esac
}

how_to_get_it() {
    local name
    name="swift-$release-RELEASE-$(distribution)"
    [ "$(uname -m)" = aarch64 ] && name="$name-aarch64"
    echo "fetch $name.tar.gz from the download page of the Swift project, then:
       sudo mkdir -p /opt/swift && sudo tar -xzf $name.tar.gz --strip-components=1 -C /opt/swift
       export PATH=/opt/swift/usr/bin:\$PATH
       (or, where swiftly is installed: swiftly install $release)"
}

if ! command -v swift >/dev/null; then
    fault "Swift is not installed, or not in PATH" \
        "OpenClaw is written in Swift $wanted_major.$wanted_minor; no 'swift' was found in $PATH" "$(how_to_get_it)"
fi

version=$(swift --version 2>/dev/null | sed -nE 's/.*Swift version ([0-9]+)\.([0-9]+).*/\1 \2/p' | head -n 1)
read -r major minor <<<"${version:-0 0}"
if [ "$major" -lt "$wanted_major" ] || { [ "$major" -eq "$wanted_major" ] && [ "$minor" -lt "$wanted_minor" ]; }; then
    fault "Swift $wanted_major.$wanted_minor or newer is needed" \
        "$(command -v swift) is $(swift --version 2>&1 | head -n 1)" "$(how_to_get_it)"
fi
