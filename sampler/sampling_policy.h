// SPDX-License-Identifier: Apache-2.0
//
// How a job thins the packets that its filter wants. One method a job; only the method's own
// parameters are looked at.
//
//   all          every packet
//   one_in       one of each run of N, at a random place in the run, on each worker apart
//   probability  each packet on its own with probability p
//   per_flow     whole flows, both directions: one flow of N, the same ones on every worker
//   rate         at most so many packets a second over all workers, with a burst, by packet times
//   reservoir    a uniform sample of at most packet_limit packets over the job's whole time
//
// Threading: plain value.

#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"

namespace edgecap::sampler {

enum class SamplingMethod : std::uint8_t {
  kAll,
  kOneIn,
  kProbability,
  kPerFlow,
  kRate,
  kReservoir
};

// The method's word in requests and answers, as in the list above.
[[nodiscard]] std::string_view NameOf(SamplingMethod method);
[[nodiscard]] std::optional<SamplingMethod> SamplingMethodNamed(std::string_view name);

inline constexpr std::uint64_t kRateMax = 1'000'000'000;
inline constexpr std::uint64_t kRateBurstMax = 10'000'000;

struct SamplingPolicy {
  SamplingMethod method = SamplingMethod::kAll;

  std::uint32_t one_in = 1;      // kOneIn: at least 1
  double probability = 1.0;      // kProbability: more than 0, at most 1
  std::uint32_t per_flow = 1;    // kPerFlow: at least 1
  std::uint64_t rate = 1;        // kRate: packets a second, 1 to kRateMax
  std::uint64_t rate_burst = 1;  // kRate: packets at once after a pause, 1 to kRateBurstMax

  // Start of the random numbers; two workers of a job derive different ones from it. The same seed
  // and the same traffic on each worker take the same packets.
  std::uint64_t seed = 0;

  [[nodiscard]] static SamplingPolicy OneIn(std::uint32_t one_in, std::uint64_t seed);
  [[nodiscard]] static SamplingPolicy Probability(double probability, std::uint64_t seed);
  [[nodiscard]] static SamplingPolicy PerFlow(std::uint32_t one_flow_in, std::uint64_t seed);
  [[nodiscard]] static SamplingPolicy Rate(std::uint64_t rate, std::uint64_t rate_burst);
  [[nodiscard]] static SamplingPolicy Reservoir(std::uint64_t seed);

  // kInvalidArgument naming the method's parameter that is out of its bounds.
  [[nodiscard]] absl::Status Validate() const;
};

}  // namespace edgecap::sampler
