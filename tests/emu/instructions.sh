#!/bin/sh
# The tables of instructions.py through the emulator: instructions.sh BUILD EMU_CASES [part of a name]
# Where ptxas is installed it is asked first whether the kernels are PTX at all.
set -eu
here=$(dirname "$0")
build=$1 cases=$2
mkdir -p "$build/emu"
table=$build/emu/cases.txt
"$here/../python.sh" "$build" "$here/instructions.py" "$table" "${3:-}"
ptxas=$(command -v ptxas || echo /usr/local/cuda/bin/ptxas)
if [ -x "$ptxas" ]; then
  for sm in 75 80 86 89 90; do
    "$cases" --ptx $sm "$table" > "$build/emu/cases_$sm.ptx" || continue  # none of this target
    "$ptxas" -O0 -arch=sm_$sm -o /dev/null "$build/emu/cases_$sm.ptx"
  done
fi
exec "$cases" "$table"
