// SPDX-License-Identifier: Apache-2.0
//
// The alignment that keeps two threads' data apart. A constant of our own: g++ 12 warns when the
// standard's is used in a header, because it may differ between translation units.
//
// Threading: none.

#pragma once

#include <cstddef>

namespace edgecap {

inline constexpr std::size_t kCacheLineBytes = 64;

}  // namespace edgecap
