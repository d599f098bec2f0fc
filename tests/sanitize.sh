#!/usr/bin/env bash
# sanitize.sh [BUILD-DIR]: builds everything with the address and undefined-behaviour sanitizers and
# runs what meets foreign data: unit and text tests, edited and hostile models, random programs, and
# the compile step of a sample of the official ONNX cases; and a minute of fuzzing: libFuzzer where
# there is clang, else the mutate test going on for that long. AICC_FUZZ_SECONDS sets the minute.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=${1:-build/sanitize}
jobs=${AICC_JOBS:-$(nproc)}
export AICC_FUZZ_SECONDS=${AICC_FUZZ_SECONDS:-60}
# The Python environment that ./run-tests made: without it the hostile models would be skipped.
if [ -z "${AICC_PYTHON:-}" ] && [ -x build/venv/bin/python ]; then
  export AICC_PYTHON=$PWD/build/venv/bin/python
fi

# A compiler with its sanitizers' runtime: clang for its fuzzer, else the usual one.
options=(-DAICC_SANITIZE=address,undefined)
for clang in clang-22 clang; do
  if command -v "$clang" > /dev/null &&
     echo 'int main(void){return 0;}' | "$clang" -fsanitize=address,fuzzer-no-link -x c - -o /dev/null \
       2> /dev/null; then
    options=(-DCMAKE_C_COMPILER="$clang" -DAICC_FUZZ=ON -DAICC_FUZZ_SECONDS="$AICC_FUZZ_SECONDS")
    AICC_FUZZ_SECONDS=0
    break
  fi
done

mkdir -p "$build"
cmake -G Ninja -S . -B "$build" -DCMAKE_C_FLAGS_RELEASE=-O1 "${options[@]}" > "$build/configure.log" ||
  { cat "$build/configure.log"; exit 1; }
ninja -C "$build" -j "$jobs"

# Everything takes some times as long: so do the limits of the Check suites (those of ctest: see
# tests/CMakeLists.txt).
export CK_TIMEOUT_MULTIPLIER=5
# The suites of GPU kernels interpret them for minutes then: they are left out.
# What the compiler holds until its end is not freed there: leaks are no faults of a program.
export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
ctest --test-dir "$build" --output-on-failure -j "$jobs" \
  -R '^(unit|air|fuzz|tools|hostile|runtime)/' -E 'tsan|runtime/size|cg_scalar|unit/test_gpu_'
"$build/bin/random_programs" --seeds 60 --start 500

# Every 40th of the official cases, where their files are: whatever aicc says of it, only defects count.
cases=${AICC_ONNX_CASES:-build/onnx-cases}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
passed=0 failed=0
for model in $(find "$cases" -name model.onnx 2> /dev/null | sort | awk 'NR % 40 == 0'); do
  code=0
  "$build/bin/aicc" -q "$model" -o "$out/model.so" 2> "$out/log" || code=$?
  case $code in
    0 | 1 | 2 | 5) passed=$((passed + 1)) ;;
    *) echo "$model: exit code $code"; cat "$out/log"; failed=$((failed + 1)) ;;
  esac
done
echo "official cases compiled, or refused with a message, under the sanitizers:"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
