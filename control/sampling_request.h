// SPDX-License-Identifier: Apache-2.0
//
// What is asked of the sampler, the same fields in JSON and on the command line:
//
//   one_in        one packet of each so many
//   probability   each packet with this probability, more than 0 and at most 1
//   per_flow      whole flows, one of so many
//   rate          so many packets a second; rate_burst: how many at once after a pause [rate]
//   reservoir     a uniform sample of packet_limit packets over the whole time
//   seed          start of the random choice
//
// At most one of the first five; seed goes with any of them.
//
// Life cycle: filled by a codec or the command line, judged by ValidateSampling().
//
// Threading: plain values.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/violation.h"
#include "sampler/sampling_policy.h"

namespace edgecap::control {

// A whole number that a request may carry.
template <typename Owner>
struct NumberField {
  std::string_view name;
  std::optional<std::uint64_t> Owner::*value;
  std::uint64_t min = 0;
  std::uint64_t max = 0;
  std::string_view unit;  // plural, may be empty

  // "time_limit must be a whole number of seconds from 1 to 86400, not 0".
  [[nodiscard]] std::string RangeMessage(std::string_view value_text) const {
    std::string text(name);
    text += " must be a whole number";
    if (!unit.empty()) text += " of " + std::string(unit);
    text += " from " + std::to_string(min) + " to " + std::to_string(max) + ", not ";
    text += value_text;
    return text;
  }

  [[nodiscard]] bool Allows(std::uint64_t number) const { return min <= number && number <= max; }
};

struct SamplingRequest {
  std::optional<std::uint64_t> one_in;
  std::optional<double> probability;
  std::optional<std::uint64_t> per_flow;
  std::optional<std::uint64_t> rate;
  std::optional<std::uint64_t> rate_burst;
  bool reservoir = false;
  std::optional<std::uint64_t> seed;

  friend bool operator==(const SamplingRequest&, const SamplingRequest&) = default;
};

[[nodiscard]] std::span<const NumberField<SamplingRequest>> SamplingNumberFields();

// Every field of SamplingRequest, and those that are set.
[[nodiscard]] std::span<const std::string_view> SamplingFields();
[[nodiscard]] std::vector<std::string_view> GivenFields(const SamplingRequest& request);

// The method that is asked for; kAll where none is.
[[nodiscard]] sampler::SamplingMethod MethodOf(const SamplingRequest& request);

// "probability must be a number more than 0 and at most 1, not 2".
[[nodiscard]] std::string ProbabilityMessage(std::string_view value_text);

// Values out of range, several methods, rate_burst without rate.
void ValidateSampling(const SamplingRequest& request, std::vector<Violation>& violations);

// With rate_burst where there is a rate.
[[nodiscard]] SamplingRequest WithDefaults(SamplingRequest request);

// REQUIRES: valid.
[[nodiscard]] sampler::SamplingPolicy PolicyOf(const SamplingRequest& request);

}  // namespace edgecap::control
