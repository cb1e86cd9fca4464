// SPDX-License-Identifier: Apache-2.0
//
// Thins what one job's filter wants, on one worker: the sampler clears the packets it declines.
//
// One in N: the matched packets are cut into runs of N, and one packet is taken from each run, at a
// place drawn anew for every run. So exactly one of each N is taken, and traffic with a rhythm does
// not alias with the sampling, as it would if every Nth packet were taken.
//
// Probability: how many packets are declined before the next one is taken is drawn from the
// geometric distribution, so a declined packet costs no random number.
//
// Per flow: a packet is taken when its flow's hash, mixed with the job's seed, is below 2^64 / N.
// That is the same on every worker and for both directions.
//
// Rate: one bucket for the whole job (sampler/rate_limit.h).
//
// A reservoir keeps packets rather than passing them on: sampler/reservoir.h, not here.
//
// Life cycle: one for each (job, worker), lives as long as the job; other jobs coming and going do
// not touch it.
//
// Threading: belongs to its worker; the rate limit is shared.
//
// Hot path: of one_in and probability a burst that holds no sampled packet costs one population
// count and one comparison; of per_flow every packet its hash.

#pragma once

#include <cstdint>

#include "base/packet.h"
#include "sampler/random.h"
#include "sampler/rate_limit.h"
#include "sampler/sampling_policy.h"

namespace edgecap::sampler {

class Sampler {
 public:
  // `rate_limit` is the job's, for the method kRate, and outlives the sampler; else it may be null.
  // REQUIRES: policy.Validate() is ok.
  Sampler(const SamplingPolicy& policy, std::uint32_t worker, RateLimit* rate_limit);

  // Thin() wants the packets' flow hashes.
  [[nodiscard]] bool NeedsFlowHash() const noexcept { return method_ == SamplingMethod::kPerFlow; }

  // The packets of `matched` that are taken. flow_hash[i] is the hash of packet i's flow, alike for
  // both directions; read for `matched` if NeedsFlowHash(). A reservoir takes none here.
  [[nodiscard]] PacketSet Thin(const Burst& burst, PacketSet matched,
                               const std::uint64_t* flow_hash) noexcept;

 private:
  [[nodiscard]] PacketSet ThinBySkips(PacketSet matched) noexcept;
  [[nodiscard]] PacketSet ThinByFlow(PacketSet matched,
                                     const std::uint64_t* flow_hash) const noexcept;
  // How many matched packets are declined between the one just taken and the next.
  [[nodiscard]] std::uint64_t DrawSkip() noexcept;
  // A place within a run: 0 to one_in - 1.
  [[nodiscard]] std::uint64_t DrawPlace() noexcept;

  const SamplingMethod method_;
  std::uint64_t skip_ = 0;   // matched packets until the next one that is taken
  std::uint64_t place_ = 0;  // one_in: of the taken packet within its run
  Random random_;
  const std::uint64_t one_in_;
  const double log_declined_;     // log(1 - probability)
  const std::uint64_t flow_key_;  // from the job's seed alone
  const std::uint64_t flow_hash_max_;
  RateLimit* const rate_limit_;
};

}  // namespace edgecap::sampler
