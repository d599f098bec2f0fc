# shellcheck shell=bash disable=SC2034,SC2120
# Shared by ./quickstart and ./run-tests (bash, sourced): install what is missing, build, make the
# Python environment of the tests. Every step does nothing when its result is already there.
#
# Environment: AICC_BUILD_DIR (default build), AICC_JOBS (default: the number of cores).

AICC_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
AICC_BUILD=${AICC_BUILD_DIR:-$AICC_ROOT/build}
AICC_JOBS=${AICC_JOBS:-$(nproc)}

# The compiler and the runtime; then what only the tests need.
AICC_BUILD_PACKAGES=(gcc libc6-dev cmake ninja-build pkg-config llvm-22-dev lld-22
                     libprotobuf-c-dev protobuf-c-compiler check)
AICC_TEST_PACKAGES=(g++ binutils python3 python3-venv)

# Versions are pinned so that the official cases, and so the list of those that do not pass yet, are
# the same everywhere.
AICC_TEST_PYTHON_PACKAGES=(onnx==1.23.0 "numpy>=1.26,<3")

aicc_say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

aicc_die() {
  printf '\nerror: %s\n' "$1" >&2
  shift
  [ $# -eq 0 ] || printf '  %s\n' "$@" >&2
  exit 1
}

# Prints the packages of the argument list that dpkg does not have installed.
aicc_missing_packages() {
  local package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
      printf '%s\n' "$package"
  done
}

# Runs a command as root: directly, or through sudo.
aicc_as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  else
    sudo "$@"
  fi
}

# On a system without dpkg we install nothing, but say what is missing before cmake does.
aicc_require_tools() {
  local tool missing=()
  for tool in cc cmake ninja pkg-config llvm-config-22 ld.lld-22 protoc-c; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  [ ${#missing[@]} -eq 0 ] ||
    aicc_die "this is not a Debian system, and these programs are missing: ${missing[*]}" \
      "Install them (and the libraries protobuf-c and check) with your package manager, then run" \
      "this script again. Debian 12 calls the packages: ${AICC_BUILD_PACKAGES[*]}"
}

# aicc_install_packages NAME...: apt-get for what is missing, and a sentence for every way to fail.
aicc_install_packages() {
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    aicc_require_tools
    return
  fi
  local missing=() unknown=() package log=$AICC_BUILD/apt.log
  mapfile -t missing < <(aicc_missing_packages "$@")
  if [ ${#missing[@]} -eq 0 ]; then
    aicc_say "Packages: all $# are installed"
    return
  fi
  aicc_say "Packages: installing ${missing[*]}"
  if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
    aicc_die "packages are missing, and you are neither root nor is there a sudo command." \
      "Ask an administrator to run: apt-get install ${missing[*]}"
  fi
  mkdir -p "$AICC_BUILD"
  echo "   reading the package lists"
  aicc_as_root apt-get update -q -o Acquire::Retries=1 -o Acquire::http::Timeout=30 \
    >"$log" 2>&1 || true
  for package in "${missing[@]}"; do
    [[ $(apt-cache policy "$package" 2>/dev/null) == *"Candidate: "[^\(]* ]] || unknown+=("$package")
  done
  if [ ${#unknown[@]} -ne 0 ]; then
    grep -m 3 -E '^(E|W|Err)' "$log" >&2 || true
    aicc_die "apt knows no package named: ${unknown[*]}" \
      "Either there is no network (apt's own words are above and in $log)," \
      "or this is not Debian 12 with its security updates (suite bookworm-security), where the" \
      "LLVM 22 packages are. Check /etc/apt/sources.list*, then run this script again."
  fi
  if ! aicc_as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
    --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}" 2>&1 | tee -a "$log" |
    awk '/^Get:/ { printf "   download %s\n", $5; fflush() }
         /^Setting up/ { printf "   set up   %s\n", $3; fflush() }'; then
    tail -n 5 "$log" >&2
    aicc_die "apt-get could not install: ${missing[*]}" \
      "Its last words are above, all of them in $log. Without a network, install the" \
      "packages by other means and run this script again."
  fi
}

# Configures once (again when the tree was moved) and builds; ninja knows what is up to date.
aicc_build() {
  local home=""
  local cache=$AICC_BUILD/CMakeCache.txt
  [ ! -f "$cache" ] || home=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$cache")
  aicc_say "Build: Release, in ${AICC_BUILD#"$PWD"/}"
  if [ "$home" != "$AICC_ROOT" ] || [ ! -f "$AICC_BUILD/build.ninja" ]; then
    local options=()
    [ -z "$home" ] || options+=(--fresh)
    [ -z "${CI:-}" ] || options+=(-DAICC_WERROR=ON)
    mkdir -p "$AICC_BUILD"
    cmake "${options[@]}" -G Ninja -S "$AICC_ROOT" -B "$AICC_BUILD" -DCMAKE_BUILD_TYPE=Release \
      >"$AICC_BUILD/configure.log" 2>&1 || {
      tail -n 20 "$AICC_BUILD/configure.log" >&2
      aicc_die "cmake could not configure the build; its last lines are above."
    }
  fi
  ninja -C "$AICC_BUILD" -j "$AICC_JOBS" "$@" ||
    aicc_die "the build failed; the compiler's message is above."
}

# The Python environment of the tests, in build/venv: made once for each list of packages.
aicc_make_venv() {
  local venv=$AICC_BUILD/venv stamp
  stamp="${AICC_TEST_PYTHON_PACKAGES[*]}"
  if [ -x "$venv/bin/python" ] && [ "$(cat "$venv/aicc-packages" 2>/dev/null)" = "$stamp" ]; then
    aicc_say "Python: $venv is ready"
    return
  fi
  aicc_say "Python: $stamp in $venv"
  local python=/usr/bin/python3
  [ -x "$python" ] || python=python3
  rm -rf "$venv"
  "$python" -m venv "$venv" ||
    aicc_die "python3 -m venv failed. Debian has it in the package python3-venv."
  "$venv/bin/pip" install --disable-pip-version-check -q "${AICC_TEST_PYTHON_PACKAGES[@]}" ||
    aicc_die "pip could not install $stamp" \
      "The tests take the official ONNX cases from that package; without a network, put the" \
      "wheels where pip finds them (PIP_FIND_LINKS=FOLDER) and run this script again."
  printf '%s\n' "$stamp" >"$venv/aicc-packages"
}
