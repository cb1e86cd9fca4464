// SPDX-License-Identifier: Apache-2.0
//
// A rule is what filters are broken down to: a set of allowed values for each dimension, all of
// which must hold on one layer of a packet. Either-side and local/remote fields have become several
// rules; names have become numbers.
//
// Private to this room: prepared_filter.cc makes rules, direct_matcher and classifier compile them.
//
// Threading: plain values.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "filter/filter_spec.h"

namespace edgecap::filter {

// Dimensions that are numbers, 0 to 65535.
enum class NumberDimension : std::uint8_t {
  kSourcePort,
  kDestinationPort,
  kProtocol,
  kIpVersion,
  kVlan,
  kEtherType,
  kTcpFlags,
  kIcmpType,
  kIcmpCode,
  kDscp,
  kFragment,
  kLength,
  kReceivePort,
};
inline constexpr std::size_t kNumberDimensions = 13;
inline constexpr std::uint32_t kNumberMax = 65535;

// The last number dimension that ParseDetail::kTuple fills.
inline constexpr NumberDimension kLastTupleDimension = NumberDimension::kIpVersion;

struct MatchRule {
  AddressSet source;  // empty: any, also none at all
  AddressSet destination;
  std::array<NumberSet, kNumberDimensions> numbers;  // each: empty: any, also none at all

  [[nodiscard]] NumberSet& operator[](NumberDimension dimension) {
    return numbers[static_cast<std::size_t>(dimension)];
  }
  [[nodiscard]] const NumberSet& operator[](NumberDimension dimension) const {
    return numbers[static_cast<std::size_t>(dimension)];
  }

  // Which dimensions are tested: bits 0 and 1 the addresses, then the numbers in order.
  [[nodiscard]] std::uint32_t Signature() const {
    std::uint32_t bits = (source.empty() ? 0U : 1U) | (destination.empty() ? 0U : 2U);
    for (std::size_t i = 0; i < kNumberDimensions; ++i) {
      bits |= (numbers[i].empty() ? 0U : 4U) << i;
    }
    return bits;
  }
};

}  // namespace edgecap::filter
