// SPDX-License-Identifier: Apache-2.0
//
// At most `rate` packets a second and `burst` at once: one token bucket for all workers of a job,
// by the packets' own times. It is the generic cell rate algorithm (ITU-T I.371, annex A): the
// whole bucket is one number, the theoretical arrival time of the next packet.
//
// Exact: of packets with times within any interval of T seconds, both ends included, never more
// than rate * T + burst are taken, in whatever order workers come. For the difference between two
// packets is rounded up to 2^-8 ns, steady traffic gets down to rate / 2.56e11 less than its rate
// (one part in 25,600 at ten million packets a second).
//
// Times need not ascend. Those that step back by more than kStepBackNs, as in files put together
// from several, begin anew with a full bucket; the bound then holds on each side of the step.
// Steps of any size in either direction do no other harm.
//
// Threading: Take() from any worker.
//
// Hot path: while the bucket is empty a burst costs one load; otherwise one locked instruction.

#pragma once

#include <atomic>
#include <cstdint>

#include "base/cache_line.h"
#include "base/packet.h"

namespace edgecap::sampler {

class RateLimit {
 public:
  static constexpr std::uint64_t kStepBackNs = 10'000'000'000;

  // REQUIRES: both within the bounds of SamplingPolicy.
  RateLimit(std::uint64_t rate, std::uint64_t burst);

  // The packets of `wanted` that are taken: the first ones, as long as there are tokens.
  [[nodiscard]] PacketSet Take(const Burst& burst, PacketSet wanted) noexcept;

 private:
  // Times are counted in steps of 2^-8 ns and wrap after 2.28 years; they are only compared by
  // their distance, so a wrapped one is at worst a step.
  [[nodiscard]] bool Admit(std::uint64_t time_ns, std::uint64_t& next) const noexcept;

  const std::uint64_t interval_;   // between two packets of steady traffic
  const std::uint64_t tolerance_;  // how far before its theoretical time a packet may come
  const std::uint64_t step_back_;
  // The theoretical arrival time of the next packet; 0 before the first one.
  alignas(kCacheLineBytes) std::atomic<std::uint64_t> next_{0};
};

}  // namespace edgecap::sampler
