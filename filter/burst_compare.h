// SPDX-License-Identifier: Apache-2.0
//
// Compares one field of all 64 packets of a burst at once: AVX-512 where the build has it (a set of
// packets is then made of comparison masks as they are), else plain loops.
//
// The partial masks are put together with kunpck, which looks at no bit beyond them: g++ 12 may
// spill a 32-bit mask and load 64 bits back, so shifting and or-ing the halves as words went wrong
// in a build with sanitizers.
//
// Threading: pure functions. Hot path.

#pragma once

#include <cstdint>

#include "base/packet.h"

#if defined(__AVX512BW__) && defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace edgecap::filter {

// Packets whose (word & mask) == value. REQUIRES: words is aligned to a cache line.
[[nodiscard]] inline PacketSet EqualUnderMask(const std::uint32_t (&words)[kBurstPacketsMax],
                                              std::uint32_t mask, std::uint32_t value) noexcept {
#if defined(__AVX512BW__) && defined(__AVX512F__)
  const __m512i masks = _mm512_set1_epi32(static_cast<int>(mask));
  const __m512i values = _mm512_set1_epi32(static_cast<int>(value));
  const auto equal = [&](std::uint32_t first) {
    return _mm512_cmpeq_epi32_mask(_mm512_and_si512(_mm512_load_si512(&words[first]), masks),
                                   values);
  };
  return _mm512_kunpackd(_mm512_kunpackw(equal(48), equal(32)),
                         _mm512_kunpackw(equal(16), equal(0)));
#else
  PacketSet equal = 0;
  for (std::uint32_t i = 0; i < kBurstPacketsMax; ++i) {
    equal |= PacketSet{(words[i] & mask) == value} << i;
  }
  return equal;
#endif
}

// Packets whose port is first to first + span.
[[nodiscard]] inline PacketSet InRange(const std::uint16_t (&ports)[kBurstPacketsMax],
                                       std::uint16_t first, std::uint16_t span) noexcept {
#if defined(__AVX512BW__) && defined(__AVX512F__)
  const __m512i firsts = _mm512_set1_epi16(static_cast<short>(first));
  const __m512i spans = _mm512_set1_epi16(static_cast<short>(span));
  const auto inside = [&](std::uint32_t at) {
    return _mm512_cmple_epu16_mask(_mm512_sub_epi16(_mm512_load_si512(&ports[at]), firsts), spans);
  };
  return _mm512_kunpackd(inside(32), inside(0));
#else
  PacketSet inside = 0;
  for (std::uint32_t i = 0; i < kBurstPacketsMax; ++i) {
    inside |= PacketSet{static_cast<std::uint16_t>(ports[i] - first) <= span} << i;
  }
  return inside;
#endif
}

// Packets whose byte is `value`.
[[nodiscard]] inline PacketSet EqualByte(const std::uint8_t (&bytes)[kBurstPacketsMax],
                                         std::uint8_t value) noexcept {
#if defined(__AVX512BW__) && defined(__AVX512F__)
  return _mm512_cmpeq_epi8_mask(_mm512_load_si512(&bytes[0]),
                                _mm512_set1_epi8(static_cast<char>(value)));
#else
  PacketSet equal = 0;
  for (std::uint32_t i = 0; i < kBurstPacketsMax; ++i) {
    equal |= PacketSet{bytes[i] == value} << i;
  }
  return equal;
#endif
}

}  // namespace edgecap::filter
