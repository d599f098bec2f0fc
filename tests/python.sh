#!/usr/bin/env bash
# python.sh BUILD-DIR SCRIPT ARGS...: runs a test script in the environment that ./run-tests makes in
# BUILD-DIR/venv, or with the system's python3 (which may have the packages; the scripts exit 77,
# "skipped", where it has not).
set -euo pipefail
python=$1/venv/bin/python
[ -x "$python" ] || python=python3
shift
exec "$python" "$@"
