#!/bin/sh
# check_size.sh LIBRARY LIMIT: is the library, stripped, smaller than LIMIT bytes? And does it need
# symbols of no other library than libc?
set -eu
library=$1
limit=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp "$library" "$folder/stripped.a"
strip --strip-unneeded "$folder/stripped.a"
size=$(wc -c <"$folder/stripped.a")
echo "stripped: $size bytes"
[ "$size" -lt "$limit" ]
# Everything, linked into one shared object with libc and nothing else.
cc -shared -o "$folder/all.so" -Wl,--whole-archive "$library" -Wl,--no-whole-archive \
  -Wl,--no-undefined -nodefaultlibs -lc
needed=$(readelf -d "$folder/all.so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
echo "needs: $needed"
[ "$needed" = libc.so.6 ]
