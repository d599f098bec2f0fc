#!/bin/sh
# What the environment switches on: settings.sh LEAKY FOLDER-OF-EMU FOLDER-OF-NULL
set -eu
leaky=$1 emu=$2 null=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# run FOLDER ARGS...: output in $work/out, messages in $work/err
run() {
  folder=$1
  shift
  LD_LIBRARY_PATH=$folder "$leaky" "$@" > "$work/out" 2> "$work/err" || {
    cat "$work/err"
    exit 1
  }
}
expect() {
  grep -q -- "$2" "$work/$1" || {
    echo "\"$2\" is not in:"
    cat "$work/$1"
    exit 1
  }
}

run "$emu"
expect out '^CUDA_SUCCESS$'
[ ! -s "$work/err" ] || { echo "not silent:"; cat "$work/err"; exit 1; }

AICC_EMU_STATS=1 run "$emu"
expect err '^emulator: 1 launches, [1-9][0-9]* instructions of warps, [1-9][0-9]* of lanes$'
expect err '^emulator: copied 0 bytes to the device, 100 from it, 0 within it$'

for folder in "$emu" "$null"; do
  AICC_EMU_LEAKS=1 run "$folder"
  expect err 'leak: a context of device 0'
  expect err 'leak: 1000 bytes of device memory at 0x'
  expect err 'leak: 1 of kind module'
  expect err '^emulator: 3 leaks$'
done

AICC_EMU_REPORT=$work/report run "$emu" faults
expect out '^CUDA_ERROR_ILLEGAL_ADDRESS$'
expect err 'kernel peek'
expect err 'PTX line 13: ld.global.u32'
expect err '/layer.3/Conv'
grep -q 'kernel peek' "$work/report"

run "$null" faults
expect out '^CUDA_SUCCESS$'

AICC_EMU_SM=79 run "$emu"
expect out '^CUDA_ERROR_INVALID_VALUE$'
expect err 'AICC_EMU_SM=79 is no compute capability it knows'
AICC_EMU_MEMORY=4X run "$emu"
expect err 'AICC_EMU_MEMORY=4X is not a number'
AICC_EMU_MEMORY=512 run "$emu"
expect out '^CUDA_ERROR_OUT_OF_MEMORY$'
AICC_EMU_LIMIT=3 run "$emu"
expect out '^CUDA_ERROR_LAUNCH_TIMEOUT$'
