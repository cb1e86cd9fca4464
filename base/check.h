// SPDX-License-Identifier: Apache-2.0
//
// Programmer errors end the program, in every build: EDGECAP_CHECK states what the code relies on.
// What an operator, a disk or the network can cause is a value (absl::Status), never a CHECK.
//
// Threading: any.

#pragma once

#include <cstdio>
#include <cstdlib>

#define EDGECAP_CHECK(condition)                                                                  \
  do {                                                                                            \
    if (__builtin_expect(!(condition), 0)) {                                                      \
      std::fprintf(stderr, "edgecap: %s:%d: check failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                               \
    }                                                                                             \
  } while (false)
