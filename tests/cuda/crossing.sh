#!/usr/bin/env bash
# crossing.sh AICC AICC-RUN FOLDER MODELS DRIVER: what crosses between a device and the host where the
# host decides on If and Loop: inputs and weights, outputs, the conditions, and nothing of what a loop
# carries. DRIVER is the folder of the emulator's libcuda.so.1, which counts.
set -eu
aicc=$1 run=$2 folder=$3 models=$4 driver=$5
export LD_LIBRARY_PATH=$driver AICC_EMU_STATS=1 AICC_PTXAS=''
mkdir -p "$folder"
failed=0 target=sm_80

# crosses MODEL LAUNCHES UP DOWN ARGUMENTS...: at least LAUNCHES, at most UP bytes to the device and DOWN
# from it. The model is compiled for $target.
crosses() {
  local model=$1 launches=$2 up=$3 down=$4 said got
  shift 4
  "$aicc" "$models/$model/model.onnx" --quiet --target "$target" -o "$folder/$model.so"
  said=$("$run" "$folder/$model.so" --device cuda --quiet "$@" 2>&1)
  mapfile -t got < <(sed -n 's/^emulator: \([0-9]*\) launches.*/\1/p
                             s/^emulator: copied \([0-9]*\) bytes.*, \([0-9]*\) from.*/\1\n\2/p' <<<"$said")
  if [ ${#got[@]} -ne 3 ]; then
    echo "FAIL $model: no counts in: $said"
    failed=1
  elif [ "${got[0]}" -lt "$launches" ] || [ "${got[1]}" -gt "$up" ] || [ "${got[2]}" -gt "$down" ]; then
    echo "FAIL $model: ${got[0]} launches, ${got[1]} bytes up, ${got[2]} down;" \
         "at least $launches, at most $up and $down"
    failed=1
  else
    echo "$model: ${got[0]} launches, ${got[1]} bytes up, ${got[2]} down"
  fi
}

# 20000 floats in, as many out: every step of the loop that moved them would be 80000 bytes more.
crosses newton_loop 15 80256 80064 --input x=20000xf32=2
# No data decides here: 3 labels and boxes are 72 bytes.
crosses detector_head 6 640 72 --test-data "$models/detector_head/test_data_set_0"

# A model that has code for the CPU, too: what is packed for that stays on the host. As for the GPU alone.
for target in sm_80 native,sm_80; do
  crosses transformer 12 40000 2304 --test-data "$models/transformer/test_data_set_0"
done
exit $failed
