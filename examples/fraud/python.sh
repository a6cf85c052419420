#!/bin/sh
# Prints the Python that trains and serves: FRAUD_PYTHON, or the .venv of the nearest folder above that has one.
[ -n "$FRAUD_PYTHON" ] && { echo "$FRAUD_PYTHON"; exit; }
folder=$(cd "$(dirname "$0")" && pwd)
while [ "$folder" != / ]; do
    [ -x "$folder/.venv/bin/python" ] && { echo "$folder/.venv/bin/python"; exit; }
    folder=$(dirname "$folder")
done
echo "python.sh: no .venv above $0; 'make demo' makes one" >&2
echo python3
