#!/bin/sh
# Prints the Python that trains and serves: that of the .venv in the nearest folder above
# (A build runs in a copy of the model's folder; OPENCLAW_MODEL_DIR says where the model itself stands.)
folder=${OPENCLAW_MODEL_DIR:-$(cd "$(dirname "$0")" && pwd)}
while [ "$folder" != / ]; do
    [ -x "$folder/.venv/bin/python" ] && { echo "$folder/.venv/bin/python"; exit; }
    folder=$(dirname "$folder")
done
echo "python.sh: no .venv above $0; 'make demo' makes one" >&2
echo python3
