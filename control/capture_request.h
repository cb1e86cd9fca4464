// SPDX-License-Identifier: Apache-2.0
//
// What a client asks of a capture, whichever API it came through, and the rules it is held to.
// Every number a request may carry is one row of NumberFields() or SamplingNumberFields(): its
// range, its unit and whom it is for are stated there and nowhere else.
//
// Life cycle: an API's codec fills a CaptureRequest; Validate() names everything that is wrong with
// it; WithDefaults() makes it complete.
//
// Threading: plain values.

#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "control/sampling_request.h"
#include "control/violation.h"
#include "filter/filter_spec.h"

namespace edgecap::control {

enum class CaptureType { kSimple, kFull };

// "simple" or "full".
[[nodiscard]] std::string_view ToString(CaptureType type);

// Optional fields that are not set take the configuration's value, or mean "no limit".
struct CaptureRequest {
  CaptureType type = CaptureType::kFull;
  filter::CaptureFilter filter;
  std::optional<std::uint64_t> time_limit_s;
  std::optional<std::uint64_t> packet_limit;  // with a reservoir: the size of the sample
  std::optional<std::uint64_t> byte_limit;
  std::optional<std::uint64_t> snaplen;
  SamplingRequest sampling;  // simple only

  friend bool operator==(const CaptureRequest&, const CaptureRequest&) = default;
};

[[nodiscard]] std::vector<NumberField<CaptureRequest>> NumberFields(
    const config::LimitsConfig& limits);

// Everything that is wrong; empty when the request can be run. Of a filter only the first
// contradiction is named.
[[nodiscard]] std::vector<Violation> Validate(const CaptureRequest& request,
                                              const config::LimitsConfig& limits);

// The request as it will run: every field set that has a default, the seed drawn at random. A
// simple capture that does not say how it samples has a reservoir.
[[nodiscard]] CaptureRequest WithDefaults(CaptureRequest request,
                                          const config::LimitsConfig& limits);

}  // namespace edgecap::control
