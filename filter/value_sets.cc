// SPDX-License-Identifier: Apache-2.0

#include "filter/value_sets.h"

#include <algorithm>

namespace edgecap::filter {
namespace {

// Both are sorted and disjoint, and so is the result.
template <typename Range>
std::vector<Range> IntersectionOf(const std::vector<Range>& a, const std::vector<Range>& b) {
  std::vector<Range> both;
  for (auto i = a.begin(), j = b.begin(); i != a.end() && j != b.end();) {
    Range overlap = *i;
    overlap.first = std::max(i->first, j->first);
    overlap.last = std::min(i->last, j->last);
    if (overlap.first <= overlap.last) both.push_back(overlap);
    if (i->last < j->last) {
      ++i;
    } else {
      ++j;
    }
  }
  return both;
}

// The ranges of one IP version.
AddressSet Family(const AddressSet& addresses, bool v6) {
  AddressSet family;
  std::ranges::copy_if(addresses, std::back_inserter(family),
                       [v6](const AddressRange& range) { return range.v6 == v6; });
  return family;
}

}  // namespace

AddressSet Intersection(const AddressSet& a, const AddressSet& b) {
  AddressSet both = IntersectionOf(Family(a, false), Family(b, false));
  std::ranges::move(IntersectionOf(Family(a, true), Family(b, true)), std::back_inserter(both));
  return both;
}

NumberSet Intersection(const NumberSet& a, const NumberSet& b) { return IntersectionOf(a, b); }

std::optional<std::uint32_t> PrefixLength(const AddressRange& range) {
  const std::uint32_t bits = range.v6 ? 128 : 32;
  const auto bit = [](const auto& bytes, std::uint32_t at) {
    return (bytes[at / 8] >> (7 - at % 8)) & 1;
  };
  std::uint32_t length = 0;
  while (length < bits && bit(range.first, length) == bit(range.last, length)) ++length;
  for (std::uint32_t at = length; at < bits; ++at) {
    if (bit(range.first, at) != 0 || bit(range.last, at) != 1) return std::nullopt;
  }
  return length;
}

}  // namespace edgecap::filter
