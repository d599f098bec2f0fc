#!/usr/bin/env bash
# install.sh BUILD-DIR: installs into a folder of its own, and builds an application against that, once
# with pkg-config and once with CMake, in C and with the header read as C++.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$1
work=$build/package-work
rm -rf "$work"
cmake --install "$build" --prefix "$work/prefix" >"$build/package-install.log"

PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name aicc-rt.pc)")
export PKG_CONFIG_PATH
read -r -a flags <<<"$(pkg-config --define-variable=prefix="$work/prefix" --cflags --libs aicc-rt)"
cc -std=c11 -Wall -Wextra -Wpedantic -Werror "$here/app.c" -o "$work/app" "${flags[@]}"
"$work/app" | grep no-such-model.so
if command -v c++ >/dev/null; then
  echo '#include <aicc/runtime.h>' | c++ -Wall -Wextra -Werror -fsyntax-only -x c++ - "${flags[0]}"
fi

cmake -G Ninja -S "$here" -B "$work/app-build" -DCMAKE_PREFIX_PATH="$work/prefix" >/dev/null
cmake --build "$work/app-build" >/dev/null
"$work/app-build/app" | grep no-such-model.so
rm -rf "$work"
