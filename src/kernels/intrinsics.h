// <immintrin.h>, without GCC 12's false alarms: its AVX-512 wrappers pass a value that is undefined
// on purpose, and -Wall calls that uninitialised (GCC bug 105593). For the *_avx2.cpp and
// *_avx512.cpp files.
#pragma once

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#else
#include <immintrin.h>
#endif
