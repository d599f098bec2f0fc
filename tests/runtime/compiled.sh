#!/usr/bin/env bash
# compiled.sh AICC FOLDER SOURCE PROGRAM...: compiles each model and runs every PROGRAM on it with
# its first test set. Of the corpus beside SOURCE, where there is one, some models of each kind.
set -u
aicc=$1 folder=$2 source=$3
shift 3
mkdir -p "$folder"
corpus=${AICC_CORPUS:-$source/../shared/models}
models=("$source"/models/*/model.onnx)
for name in real/silero_vad real/gtcrn_simple real/yolox_nano real/tiny_gpt2_contrib \
  exported/bert_base; do
  for model in "$corpus/$name"/*.onnx; do
    [ -f "$model" ] && models+=("$model")
  done
done
failed=0 ran=0
for model in "${models[@]}"; do
  data=$(dirname "$model")/test_data_set_0
  [ -d "$data" ] || continue
  file=$folder/$(basename "$(dirname "$model")").so
  if ! "$aicc" "$model" -q -o "$file"; then
    echo "FAIL $model does not compile"
    failed=1
    continue
  fi
  for program in "$@"; do
    ran=$((ran + 1))
    if text=$("$program" "$file" "$data" 2>&1); then
      echo "pass $(basename "$program") $(basename "$file"): $text"
    else
      echo "FAIL $(basename "$program") $(basename "$file"): $text"
      failed=1
    fi
  done
  rm -f "$file"
done
[ $ran -gt 0 ] || { echo "no model was found"; exit 1; }
exit $failed
