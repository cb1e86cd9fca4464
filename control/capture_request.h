// SPDX-License-Identifier: Apache-2.0
//
// What a client asks of a capture, whichever API it came through, and the rules it is held to.
// Every number a request may carry is one row of NumberFields(): its range, its unit and whom it is
// for are stated there and nowhere else.
//
// Life cycle: an API's codec fills a CaptureRequest; Validate() names everything that is wrong with
// it; WithDefaults() makes it complete.
//
// Threading: plain values.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "filter/filter_spec.h"

namespace edgecap::control {

enum class CaptureType { kSimple, kFull };

// "simple" or "full".
[[nodiscard]] std::string_view ToString(CaptureType type);

// Optional fields that are not set take the configuration's value, or mean "no limit".
struct CaptureRequest {
  CaptureType type = CaptureType::kFull;
  filter::FilterSpec filter;
  std::optional<std::uint64_t> time_limit_s;
  std::optional<std::uint64_t> packet_limit;
  std::optional<std::uint64_t> byte_limit;
  std::optional<std::uint64_t> snaplen;
  std::optional<std::uint64_t> one_in;  // simple only
  std::optional<std::uint64_t> seed;    // simple only
};

// One thing that is wrong with a request.
struct Violation {
  std::string field;    // "time_limit", "filter.source_port"
  std::string message;  // names field, value and the way out
};

struct NumberField {
  std::string_view name;
  std::optional<std::uint64_t> CaptureRequest::*value;
  std::uint64_t min = 0;
  std::uint64_t max = 0;
  std::string_view unit;  // plural, may be empty
  bool simple_only = false;

  // "time_limit must be a whole number of seconds from 1 to 86400, not 0".
  [[nodiscard]] std::string RangeMessage(std::string_view value_text) const;
};

[[nodiscard]] std::vector<NumberField> NumberFields(const config::LimitsConfig& limits);

// Everything that is wrong; empty when the request can be run.
[[nodiscard]] std::vector<Violation> Validate(const CaptureRequest& request,
                                              const config::LimitsConfig& limits);

// The request as it will run: every field set that has a default, the seed drawn at random.
[[nodiscard]] CaptureRequest WithDefaults(CaptureRequest request,
                                          const config::LimitsConfig& limits);

// The messages, one after another.
[[nodiscard]] std::string JoinMessages(const std::vector<Violation>& violations);

}  // namespace edgecap::control
