#!/usr/bin/env bash
# python.sh BUILD-DIR SCRIPT ARGS...: runs a test script with $AICC_PYTHON, or in the environment that
# ./run-tests makes in BUILD-DIR/venv, or with the system's python3. The scripts exit 77 ("skipped")
# where the packages they need are missing.
set -euo pipefail
python=${AICC_PYTHON:-$1/venv/bin/python}
[ -x "$python" ] || python=python3
shift
exec "$python" "$@"
