# How our scripts speak: progress as plain lines on stderr, and a fault with what, why and fix.
say() { printf '%s\n' "$*" >&2; }
fault() {
    printf 'error: %s\n  why: %s\n  fix: %s\n' "$1" "$2" "$3" >&2
    exit "${4:-1}"
}
