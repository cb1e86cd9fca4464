// SPDX-License-Identifier: Apache-2.0

#include "control/capture_request.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/status_macros.h"
#include "control/random.h"
#include "dataplane/job.h"

namespace edgecap::control {

std::string_view ToString(CaptureType type) {
  return type == CaptureType::kSimple ? "simple" : "full";
}

std::string NumberField::RangeMessage(std::string_view value_text) const {
  std::string text(name);
  text += " must be a whole number";
  if (!unit.empty()) text += " of " + std::string(unit);
  text += " from " + std::to_string(min) + " to " + std::to_string(max) + ", not ";
  text += value_text;
  return text;
}

std::vector<NumberField> NumberFields(const config::LimitsConfig& limits) {
  constexpr std::uint64_t kAny = std::numeric_limits<std::uint64_t>::max();
  constexpr std::uint64_t kAny32 = std::numeric_limits<std::uint32_t>::max();
  return {
      {"time_limit", &CaptureRequest::time_limit_s, 1, limits.max_time_limit_s, "seconds", false},
      {"packet_limit", &CaptureRequest::packet_limit, 1, kAny, "packets", false},
      {"byte_limit", &CaptureRequest::byte_limit, 1, kAny, "bytes", false},
      {"snaplen", &CaptureRequest::snaplen, 1, dataplane::kSnaplenMax, "bytes", false},
      {"one_in", &CaptureRequest::one_in, 1, kAny32, "", true},
      {"seed", &CaptureRequest::seed, 0, kAny, "", true},
  };
}

std::vector<Violation> Validate(const CaptureRequest& request, const config::LimitsConfig& limits) {
  std::vector<Violation> violations;
  for (const NumberField& field : NumberFields(limits)) {
    const std::optional<std::uint64_t>& value = request.*field.value;
    if (!value.has_value()) continue;
    const std::string name(field.name);
    if (field.simple_only && request.type != CaptureType::kSimple) {
      violations.push_back({name, name + " " + std::to_string(*value) +
                                      " is for sampling, which a full capture does not do: leave "
                                      "it out, or ask for type \"simple\""});
    } else if (*value < field.min || *value > field.max) {
      violations.push_back({name, field.RangeMessage(std::to_string(*value))});
    }
  }
  if (absl::Status valid = request.filter.Validate(); !valid.ok()) {
    violations.push_back({"filter", MessageOf(valid)});
  }
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
  if (simple && !request.one_in) request.one_in = limits.simple_one_in;
  if (simple && !request.seed) request.seed = RandomSeed();
  return request;
}

std::string JoinMessages(const std::vector<Violation>& violations) {
  std::string text;
  for (const Violation& violation : violations) {
    if (!text.empty()) text += "; ";
    text += violation.message;
  }
  return text;
}

}  // namespace edgecap::control
