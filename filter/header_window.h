// SPDX-License-Identifier: Apache-2.0
//
// The 32 bytes from the Ethernet type to just behind the ports. In a plain packet (untagged IPv4
// without options, at least 44 bytes in one piece) they hold the whole 5-tuple at fixed places, so
// one vector load and two masked comparisons say whether a packet is plain and, if so, whether it
// can match a rule. The shortcut only ever rejects: what it lets through is parsed and compared
// field by field.
//
// Life cycle: built on the control side with the compiled filter, immutable afterwards.
//
// Threading: any number of workers may call MayMatch().

#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "base/packet.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace edgecap::filter {

static_assert(std::endian::native == std::endian::little);

class HeaderWindow {
 public:
  static constexpr std::uint32_t kOffset = 12;  // of the window in the packet
  static constexpr std::uint32_t kBytes = 32;

  // Places of the fields in the window.
  static constexpr std::uint32_t kEtherType = 0;
  static constexpr std::uint32_t kVersionAndLength = 2;
  static constexpr std::uint32_t kFragment = 8;
  static constexpr std::uint32_t kProtocol = 11;
  static constexpr std::uint32_t kSourceAddress = 14;
  static constexpr std::uint32_t kDestinationAddress = 18;
  static constexpr std::uint32_t kSourcePort = 22;
  static constexpr std::uint32_t kDestinationPort = 24;

  [[nodiscard]] static bool IsPlainIpv4(const PacketView& packet) noexcept {
    if (packet.head_bytes < kOffset + kBytes) return false;
    std::uint32_t word;
    std::memcpy(&word, packet.data + kOffset, sizeof(word));
    return (word & 0x00ffffff) == 0x00450008;  // 08 00 45
  }

  HeaderWindow() {
    value_[kEtherType] = 0x08;
    value_[kVersionAndLength] = 0x45;
    plain_mask_[kEtherType] = plain_mask_[kEtherType + 1] = plain_mask_[kVersionAndLength] = 0xff;
  }

  // Plain packets match only if the bits of `mask` at `place` are those of `value`.
  void Require(std::uint32_t place, std::uint8_t mask, std::uint8_t value) noexcept {
    mask_[place] |= mask;
    value_[place] |= value & mask;
  }

  // No plain packet matches: the rule is about IPv6.
  void RejectPlain() noexcept { rejects_plain_ = true; }

  // False when the packet surely does not match.
  [[nodiscard]] bool MayMatch(const PacketView& packet) const noexcept {
    static constexpr std::array<std::uint8_t, kOffset + kBytes> kNotPlain{};
    const std::uint8_t* bytes =
        (packet.head_bytes >= kNotPlain.size() ? packet.data : kNotPlain.data()) + kOffset;
#if defined(__AVX2__)
    const __m256i difference =
        _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes)),
                         _mm256_load_si256(reinterpret_cast<const __m256i*>(value_.data())));
    const int plain = _mm256_testz_si256(
        difference, _mm256_load_si256(reinterpret_cast<const __m256i*>(plain_mask_.data())));
    const int match = _mm256_testz_si256(
        difference, _mm256_load_si256(reinterpret_cast<const __m256i*>(mask_.data())));
    return (plain == 0) | ((match != 0) & !rejects_plain_);
#else
    bool plain = true;
    bool match = true;
    for (std::uint32_t i = 0; i < kBytes; ++i) {
      const std::uint8_t difference = bytes[i] ^ value_[i];
      plain &= (difference & plain_mask_[i]) == 0;
      match &= (difference & mask_[i]) == 0;
    }
    return !plain || (match && !rejects_plain_);
#endif
  }

 private:
  alignas(kBytes) std::array<std::uint8_t, kBytes> value_{};
  alignas(kBytes) std::array<std::uint8_t, kBytes> plain_mask_{};
  alignas(kBytes) std::array<std::uint8_t, kBytes> mask_{};
  bool rejects_plain_ = false;
};

}  // namespace edgecap::filter
