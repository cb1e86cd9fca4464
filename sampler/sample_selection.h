// SPDX-License-Identifier: Apache-2.0
//
// One uniform sample out of several workers' reservoirs. A worker that was given most of the
// packets must give most of the sample, so how many come from each is drawn as from an urn
// with all packets that came (the multivariate hypergeometric distribution); which ones is a random
// subset of its reservoir, and as that is a uniform sample of its packets, so is the whole one of
// all packets: every set of `size` packets is equally likely.
//
// Threading: pure; control, when no worker fills the reservoirs any more.

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "sampler/reservoir.h"

namespace edgecap::sampler {

// Slots of each reservoir that belong to the sample of min(size, all packets that came), ordered by
// time and, within one time, as they came. REQUIRES: no reservoir's capacity is less than size.
[[nodiscard]] std::vector<std::vector<std::uint64_t>> SelectSample(
    std::span<const Reservoir* const> reservoirs, std::uint64_t size, std::uint64_t seed);

}  // namespace edgecap::sampler
