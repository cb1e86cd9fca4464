// SPDX-License-Identifier: Apache-2.0
//
// How a job thins the packets that its filter wants.
//
// Threading: plain value.

#pragma once

#include <cstdint>

namespace edgecap::sampler {

struct SamplingPolicy {
  // Takes one packet of every `one_in` matched ones, at a random place in each run of that many,
  // separately on each worker. 1 takes every packet.
  std::uint32_t one_in = 1;

  // Start of the random numbers; two workers of a job derive different ones from it. The same seed
  // and the same traffic take the same packets.
  std::uint64_t seed = 0;
};

}  // namespace edgecap::sampler
