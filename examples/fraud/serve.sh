#!/bin/sh
# usage: serve.sh FOLDER PORT   One MLServer process for one version, on the loopback address.
# Settings that differ from start to start come by environment; the rest lies in the version's settings.json.
python=$(sh "$(dirname "$0")/python.sh")
# MLServer always opens a gRPC port as well: any free one will do.
grpc_port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
exec env MLSERVER_HTTP_PORT="$2" MLSERVER_GRPC_PORT="$grpc_port" OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1 \
    "$(dirname "$python")/mlserver" start "$1"
