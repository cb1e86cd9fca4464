// SPDX-License-Identifier: Apache-2.0

#include "control/capture_request.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>

#include "control/filter_json.h"
#include "control/random.h"
#include "dataplane/job.h"

namespace edgecap::control {

std::string_view ToString(CaptureType type) {
  return type == CaptureType::kSimple ? "simple" : "full";
}

namespace {

using sampler::SamplingMethod;

// A full capture takes every packet; a sample over the whole time is counted in packets.
void ValidateSampling(const CaptureRequest& request, std::vector<Violation>& violations) {
  if (request.type == CaptureType::kFull) {
    for (const std::string_view name : GivenFields(request.sampling)) {
      violations.push_back({std::string(name), std::string(name) +
                                                   " is for sampling, which a full capture does "
                                                   "not do: leave it out, or ask for type "
                                                   "\"simple\""});
    }
    return;
  }
  ValidateSampling(request.sampling, violations);
  const SamplingMethod method = MethodOf(request.sampling);
  const bool reservoir = method == SamplingMethod::kReservoir || method == SamplingMethod::kAll;
  if (reservoir && request.byte_limit) {
    violations.push_back(
        {"byte_limit", "byte_limit " + std::to_string(*request.byte_limit) +
                           " is not for a sample over the whole time (reservoir), the default of "
                           "a simple capture: use packet_limit and snaplen, or sample by one_in, "
                           "probability, per_flow or rate"});
  }
}

}  // namespace

std::vector<NumberField<CaptureRequest>> NumberFields(const config::LimitsConfig& limits) {
  constexpr std::uint64_t kAny = std::numeric_limits<std::uint64_t>::max();
  return {
      {"time_limit", &CaptureRequest::time_limit_s, 1, limits.max_time_limit_s, "seconds"},
      {"packet_limit", &CaptureRequest::packet_limit, 1, kAny, "packets"},
      {"byte_limit", &CaptureRequest::byte_limit, 1, kAny, "bytes"},
      {"snaplen", &CaptureRequest::snaplen, 1, dataplane::kSnaplenMax, "bytes"},
  };
}

std::vector<Violation> Validate(const CaptureRequest& request, const config::LimitsConfig& limits) {
  std::vector<Violation> violations;
  for (const NumberField<CaptureRequest>& field : NumberFields(limits)) {
    const std::optional<std::uint64_t>& value = request.*field.value;
    if (!value.has_value() || field.Allows(*value)) continue;
    violations.push_back({std::string(field.name), field.RangeMessage(std::to_string(*value))});
  }
  ValidateSampling(request, violations);
  const std::size_t rules = request.filter.filters.size() + request.filter.exclude.size();
  if (rules > limits.max_rules) {
    violations.push_back({"filters", std::to_string(rules) +
                                         " filters are more than limits.max_rules, " +
                                         std::to_string(limits.max_rules) +
                                         ", allows: join some into lists and ranges"});
    return violations;
  }
  ValidateFilter(request.filter, violations);
  return violations;
}

CaptureRequest WithDefaults(CaptureRequest request, const config::LimitsConfig& limits) {
  const bool simple = request.type == CaptureType::kSimple;
  if (!request.time_limit_s) {
    request.time_limit_s = std::min(limits.default_time_limit_s, limits.max_time_limit_s);
  }
  if (!request.snaplen) {
    request.snaplen = simple ? limits.simple_snaplen_bytes : dataplane::kSnaplenMax;
  }
  if (!simple) return request;
  SamplingRequest& sampling = request.sampling;
  sampling = WithDefaults(sampling);
  if (MethodOf(sampling) == SamplingMethod::kAll) sampling.reservoir = true;
  if (sampling.reservoir && !request.packet_limit) {
    request.packet_limit = limits.simple_packet_limit;
  }
  // A rate has nothing random.
  if (!sampling.seed && MethodOf(sampling) != SamplingMethod::kRate) sampling.seed = RandomSeed();
  return request;
}

}  // namespace edgecap::control
