#!/usr/bin/env bash
# Checks and benchmarks on one GPU, without Ray and without a network; all options are run.py's (--help lists them).
# PYTHON names the interpreter; packages that it lacks are taken from .wheels/, which prepare.py fills.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
python="${PYTHON:-python3}"
site="$(mktemp -d)"
trap 'rm -rf "$site"' EXIT
wheels="$here/.wheels/$("$python" -c 'import sys; print("cp%d%d" % sys.version_info[:2])')"
for wheel in "$wheels"/*.whl; do
    [ -e "$wheel" ] && "$python" -m zipfile -e "$wheel" "$site"
done
export PYTHONPATH="$here/..:$here/../..:$site${PYTHONPATH:+:$PYTHONPATH}"
"$python" -u -m gpu.run "$@"
