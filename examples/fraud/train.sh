#!/bin/sh
# usage: train.sh VERSION FOLDER   Trains a version in the environment that also serves it.
here=$(cd "$(dirname "$0")" && pwd)
exec env OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1 "$(sh "$here/python.sh")" "$here/train.py" --version "$1" --out "$2"
