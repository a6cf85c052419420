#!/bin/sh
# usage: python.sh [ENVIRONMENT]   Prints the Python of an environment in the nearest folder above that has it: .venv, which trains
# with scikit-learn and serves, or .build/torch (scripts/setup-torch.sh).
# (A build runs in a copy of the model's folder; OPENCLAW_MODEL_DIR says where the model itself stands.)
environment=${1:-.venv}
folder=${OPENCLAW_MODEL_DIR:-$(cd "$(dirname "$0")" && pwd)}
while [ "$folder" != / ]; do
    [ -x "$folder/$environment/bin/python" ] && { echo "$folder/$environment/bin/python"; exit; }
    folder=$(dirname "$folder")
done
echo "python.sh: no $environment above $0; 'make demo' makes one" >&2
echo python3
