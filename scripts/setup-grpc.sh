#!/usr/bin/env bash
# Creates .build/grpc with exactly the packages of Tests/Fixtures/GRPC/requirements.lock, once: about 50 MB.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/say.sh
source scripts/make-environment.sh

make_environment grpc GRPC "Python's gRPC"
