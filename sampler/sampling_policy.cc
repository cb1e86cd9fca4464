// SPDX-License-Identifier: Apache-2.0

#include "sampler/sampling_policy.h"

#include <array>
#include <string>
#include <utility>

namespace edgecap::sampler {
namespace {

constexpr std::array<std::pair<SamplingMethod, std::string_view>, 6> kNames = {{
    {SamplingMethod::kAll, "all"},
    {SamplingMethod::kOneIn, "one_in"},
    {SamplingMethod::kProbability, "probability"},
    {SamplingMethod::kPerFlow, "per_flow"},
    {SamplingMethod::kRate, "rate"},
    {SamplingMethod::kReservoir, "reservoir"},
}};

absl::Status OutOfBounds(const char* field, const std::string& value, const std::string& allowed) {
  return absl::InvalidArgumentError(std::string(field) + ": " + value +
                                    " is refused; allowed: " + allowed);
}

absl::Status CheckNumber(const char* field, std::uint64_t value, std::uint64_t most) {
  if (value >= 1 && value <= most) return absl::OkStatus();
  return OutOfBounds(field, std::to_string(value), "1 to " + std::to_string(most));
}

}  // namespace

std::string_view NameOf(SamplingMethod method) {
  return kNames[static_cast<std::size_t>(method)].second;
}

std::optional<SamplingMethod> SamplingMethodNamed(std::string_view name) {
  for (const auto& [method, its_name] : kNames) {
    if (its_name == name) return method;
  }
  return std::nullopt;
}

SamplingPolicy SamplingPolicy::OneIn(std::uint32_t one_in, std::uint64_t seed) {
  // One in one needs no sampler.
  const SamplingMethod method = one_in == 1 ? SamplingMethod::kAll : SamplingMethod::kOneIn;
  return {.method = method, .one_in = one_in, .seed = seed};
}

SamplingPolicy SamplingPolicy::Probability(double probability, std::uint64_t seed) {
  return {.method = SamplingMethod::kProbability, .probability = probability, .seed = seed};
}

SamplingPolicy SamplingPolicy::PerFlow(std::uint32_t one_flow_in, std::uint64_t seed) {
  return {.method = SamplingMethod::kPerFlow, .per_flow = one_flow_in, .seed = seed};
}

SamplingPolicy SamplingPolicy::Rate(std::uint64_t rate, std::uint64_t rate_burst) {
  return {.method = SamplingMethod::kRate, .rate = rate, .rate_burst = rate_burst};
}

SamplingPolicy SamplingPolicy::Reservoir(std::uint64_t seed) {
  return {.method = SamplingMethod::kReservoir, .seed = seed};
}

absl::Status SamplingPolicy::Validate() const {
  switch (method) {
    case SamplingMethod::kAll:
    case SamplingMethod::kReservoir:
      return absl::OkStatus();
    case SamplingMethod::kOneIn:
      return CheckNumber("one_in", one_in, ~std::uint32_t{0});
    case SamplingMethod::kProbability:
      if (probability > 0 && probability <= 1) return absl::OkStatus();  // not so for a NaN
      return OutOfBounds("probability", std::to_string(probability), "more than 0, at most 1");
    case SamplingMethod::kPerFlow:
      return CheckNumber("per_flow", per_flow, ~std::uint32_t{0});
    case SamplingMethod::kRate:
      if (absl::Status status = CheckNumber("rate", rate, kRateMax); !status.ok()) return status;
      return CheckNumber("rate_burst", rate_burst, kRateBurstMax);
  }
  return absl::InvalidArgumentError("sampling: there is no such method");
}

}  // namespace edgecap::sampler
