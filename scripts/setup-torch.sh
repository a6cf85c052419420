#!/usr/bin/env bash
# Creates .build/torch with exactly the packages of Tests/Fixtures/Torch/requirements.lock, once: about 1 GB. The lock names torch's
# build for CPUs; where pip's index has none, PIP_EXTRA_INDEX_URL says which index has.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/say.sh
source scripts/make-environment.sh

make_environment torch Torch torch
