#!/usr/bin/env bash
# Creates .build/tensorflow with exactly the packages of Tests/Fixtures/TensorFlow/requirements.lock, once: about 1 GB.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/say.sh
source scripts/make-environment.sh

make_environment tensorflow TensorFlow TensorFlow
