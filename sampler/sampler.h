// SPDX-License-Identifier: Apache-2.0
//
// Thins what one job's filter wants, on one worker: the sampler clears the packets it declines.
//
// One in N: the matched packets are cut into runs of N, and one packet is taken from each run, at a
// place drawn anew for every run. So exactly one of each N is taken, and traffic with a rhythm does
// not alias with the sampling, as it would if every Nth packet were taken.
//
// Life cycle: one for each (job, worker), lives as long as the job; other jobs coming and going do
// not touch it.
//
// Threading: belongs to its worker.
//
// Hot path: a burst that holds no sampled packet costs one population count and one comparison.

#pragma once

#include <cstdint>

#include "base/packet.h"
#include "sampler/sampling_policy.h"

namespace edgecap::sampler {

class Sampler {
 public:
  // REQUIRES: policy.one_in >= 1.
  Sampler(const SamplingPolicy& policy, std::uint32_t worker);

  // The packets of `matched` that are taken.
  [[nodiscard]] PacketSet Thin(PacketSet matched) noexcept;

 private:
  // A place within a run: 0 to one_in - 1.
  [[nodiscard]] std::uint64_t DrawPlace() noexcept;

  const std::uint64_t one_in_;
  std::uint64_t random_;  // state of the generator, never 0
  std::uint64_t place_;   // of the taken packet within its run
  std::uint64_t skip_;    // matched packets until the next one that is taken
};

}  // namespace edgecap::sampler
