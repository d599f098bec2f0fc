#!/usr/bin/env bash
# run.sh BUILD-DIR [OPTIONS...]: writes the official ONNX cases where they are not there yet, and runs
# onnx_eval over them with the list of what fails.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$1
shift
"$here/../python.sh" "$build" "$here/../onnx/generate.py" "$build/onnx-cases"
exec "$build/bin/onnx_eval" --xfail "$here/xfail.txt" \
  --passes "const_fold,canon,simplify,const_fold,canon,simplify,cse,dce" "$@" "$build/onnx-cases"
