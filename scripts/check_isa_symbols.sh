#!/bin/sh
# Fails if an object compiled for a wider instruction set holds a weak symbol. The linker keeps one copy of a
# weak symbol, perhaps the one with AVX-512 instructions, for every caller: the program would stop on an old
# processor in code that has nothing to do with kernels.
#   check_isa_symbols.sh BUILD_DIR
set -eu
objects=$(find "$1" -name '*_avx*.cpp.o' -o -name '*_amx.cpp.o')
case $(uname -m) in
  x86_64) [ -n "$objects" ] || { echo "no ISA objects under $1"; exit 1; } ;;
esac
status=0
for object in $objects; do
  weak=$(nm "$object" | awk '$1 ~ /^[WwVvu]$/ || $2 ~ /^[WwVvu]$/' | c++filt)
  if [ -n "$weak" ]; then
    printf '%s:\n%s\n' "$object" "$weak"
    status=1
  fi
done
exit $status
