// SPDX-License-Identifier: Apache-2.0
//
// Copies packet bytes: the one copy of the data path. Neither reads nor writes past `bytes`, so it
// is safe at the end of any buffer. With AVX-512 the tail is one masked load and store, which
// spares the branches of a general memcpy on sizes that change from packet to packet.
//
// Threading: none.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/packet.h"

#if defined(__AVX512BW__)
#include <immintrin.h>
#endif

namespace edgecap {

// From here on the destination is aligned first.
inline constexpr std::size_t kAlignedCopyBytesMin = 256;

inline void CopyPacketBytes(std::byte* to, const std::uint8_t* from, std::size_t bytes) noexcept {
#if defined(__AVX512BW__)
  constexpr std::size_t kVectorBytes = 64;
  if (bytes >= kAlignedCopyBytesMin) {
    // A store that crosses a cache line costs two; a load that does costs little.
    _mm512_storeu_si512(to, _mm512_loadu_si512(from));
    const std::size_t head = kVectorBytes - reinterpret_cast<std::uintptr_t>(to) % kVectorBytes;
    to += head;
    from += head;
    bytes -= head;
  }
  for (; bytes >= kVectorBytes; bytes -= kVectorBytes) {
    _mm512_storeu_si512(to, _mm512_loadu_si512(from));
    to += kVectorBytes;
    from += kVectorBytes;
  }
  const __mmask64 tail = (std::uint64_t{1} << bytes) - 1;
  _mm512_mask_storeu_epi8(to, tail, _mm512_maskz_loadu_epi8(tail, from));
#else
  std::memcpy(to, from, bytes);
#endif
}

// The first `bytes` of a packet that may lie in several pieces. REQUIRES: it has that many.
inline void CopyPacket(const Burst& burst, std::uint32_t index, std::uint32_t bytes,
                       std::byte* to) noexcept {
  const PacketView& packet = burst.packets[index];
  std::uint32_t copied = std::min(bytes, packet.head_bytes);
  CopyPacketBytes(to, packet.data, copied);
  if (copied == bytes) return;
  for (const PacketSegment* rest = burst.rest[index]; copied < bytes; rest = rest->next) {
    const std::uint32_t piece = std::min(bytes - copied, rest->bytes);
    CopyPacketBytes(to + copied, rest->data, piece);
    copied += piece;
  }
}

}  // namespace edgecap
