#!/usr/bin/env bash
# errors.sh AICC AICC-RUN FOLDER MODEL.onnx DRIVER: what aicc-run says, and with which exit status, where a
# device cannot be had. DRIVER is the folder of a libcuda.so.1.
set -u
aicc=$1 run=$2 folder=$3 onnx=$4 null=$5
mkdir -p "$folder"
"$aicc" "$onnx" -q --target sm_80 -o "$folder/gpu.so" || exit 1
"$aicc" "$onnx" -q -o "$folder/cpu.so" || exit 1
"$aicc" "$onnx" -q --target sm_90a -o "$folder/hopper.so" || exit 1
AICC_PTXAS='' "$aicc" "$onnx" -q --target native,sm_75 -o "$folder/both.so" || exit 1
failed=0

# expect STATUS TEXT FOLDER-OF-LIBCUDA ARGUMENTS...
expect() {
  local status=$1 text=$2 driver=$3 said got
  shift 3
  said=$(LD_LIBRARY_PATH=$driver "$run" "$@" --random --dim batch=2 2>&1)
  got=$?
  if [ $got -ne "$status" ] || [[ $said != *"$text"* ]]; then
    echo "FAIL $*: status $got, not $status, or not '$text': $said"
    failed=1
  fi
}

expect 0 "ran in" "$null" "$folder/gpu.so" --device cuda
expect 0 "ran in" "$null" "$folder/both.so" --device cuda:0
expect 0 "ran in" "" "$folder/both.so"
expect 2 "there is no device cuda:7: NVIDIA's driver finds 1" "$null" "$folder/gpu.so" -d cuda:7
expect 1 "a number follows the colon" "$null" "$folder/gpu.so" -d cuda:x
expect 2 "there is no device 'tpu'; there is: cpu, cuda:N" "$null" "$folder/gpu.so" -d tpu
expect 2 "which is sm_80: it was compiled for x86-64" "$null" "$folder/cpu.so" -d cuda
expect 2 "which is sm_80: it was compiled for sm_90" "$null" "$folder/hopper.so" -d cuda
expect 2 "no code for device 'cpu': it was compiled for sm_80" "$null" "$folder/gpu.so"
export AICC_EMU_DEVICES=0
expect 2 "finds no GPU" "$null" "$folder/gpu.so" -d cuda
unset AICC_EMU_DEVICES
AICC_EMU_MEMORY=4K expect 5 "no device memory for" "$null" "$folder/gpu.so" -d cuda
export AICC_EMU_SM=75
expect 2 "which is sm_75: it was compiled for sm_80" "$null" "$folder/gpu.so" -d cuda
expect 0 "ran in" "$null" "$folder/both.so" -d cuda
unset AICC_EMU_SM
if ! ldconfig -p 2>/dev/null | grep -q libcuda.so.1; then
  expect 2 "need NVIDIA's driver, and there is none here" "" "$folder/gpu.so" -d cuda
fi
expect 0 "sm_80" "" "$folder/gpu.so" --inspect
exit $failed
