#!/usr/bin/env bash
# smoke.sh BUILD: the GPU suite with a few cases of each part over the emulator, behind an nvidia-smi of our
# own. It proves that the suite works where there is a GPU, and nothing of speeds.
set -euo pipefail
build=$1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '#!/bin/sh\necho "NVIDIA EMU, 580.0, 4096 MiB, 8.0"\n' >"$work/nvidia-smi"
chmod +x "$work/nvidia-smi"
suite=("$root/tests/python.sh" "$build" "$root/tests/gpu/run" --build "$build" --jobs 2)
export PATH=$work:$PATH LD_LIBRARY_PATH=$build/emu AICC_PTXAS=''
"$root/tests/python.sh" "$build" -c 'import numpy, onnx' 2>/dev/null || exit 77
"${suite[@]}" --part emulator --name mma.
"${suite[@]}" --part cases --part models --part kernels --small \
  --name 'test_add*' --name test_softmax_axis_1 --name models/newton_loop | tee "$work/said"
# A time of a kernel that is not above zero was not measured.
rows=$(grep -cE '^(matmul|attention|relu|softmax|gelu|reduce_sum|transpose) .* [0-9.]+ +[0-9.]+ (TFLOP/s|GB/s)' \
  "$work/said")
[ "$rows" -ge 9 ] || { echo "only $rows rows of kernels"; exit 1; }
! grep -E ' 0\.0000( |$)' "$work/said"
