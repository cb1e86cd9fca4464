// SPDX-License-Identifier: Apache-2.0
//
// Picks one packet of a set by its rank.
//
// Threading: none.

#pragma once

#include <cstdint>

#include "base/packet.h"

#if defined(__BMI2__)
#include <immintrin.h>
#endif

namespace edgecap::sampler {

// The set of only the n-th member (from 0) of `set`. REQUIRES: it has that many.
[[nodiscard]] inline PacketSet NthPacket(PacketSet set, std::uint64_t n) noexcept {
#if defined(__BMI2__)
  return _pdep_u64(PacketSet{1} << n, set);
#else
  for (; n != 0; --n) set &= set - 1;
  return set & -set;
#endif
}

}  // namespace edgecap::sampler
