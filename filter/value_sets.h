// SPDX-License-Identifier: Apache-2.0
//
// Arithmetic on the value sets of filters (filter/filter_spec.h).
//
// Threading: pure functions.

#pragma once

#include <cstdint>
#include <optional>

#include "filter/filter_spec.h"

namespace edgecap::filter {

// Values in both. Unlike elsewhere an empty set is just that: nothing.
[[nodiscard]] AddressSet Intersection(const AddressSet& a, const AddressSet& b);
[[nodiscard]] NumberSet Intersection(const NumberSet& a, const NumberSet& b);

// Length of the prefix that the range is, if it is one: 0 to 32, or 0 to 128.
[[nodiscard]] std::optional<std::uint32_t> PrefixLength(const AddressRange& range);

}  // namespace edgecap::filter
