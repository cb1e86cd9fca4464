// SPDX-License-Identifier: Apache-2.0
//
// Captures, and what is wrong with a request for one, in the JSON of the native API.
//
// Threading: pure functions.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "control/capture.h"
#include "control/capture_request.h"

namespace edgecap::control {

struct ParsedRequest {
  CaptureRequest request;             // meaningful when there are no violations
  bool dry_run = false;               // only judge it, start nothing
  std::vector<Violation> violations;  // all that were found, also those of Validate()
};

// Reads the body of POST /v1/captures. Strict: an unknown or repeated field, a wrong type or a
// value out of range is a violation, never a guess.
[[nodiscard]] ParsedRequest ParseCaptureRequest(std::string_view body,
                                                const config::LimitsConfig& limits);

// The request's fields as they were asked for, the filter always as `filters` and `exclude`; what
// came of it; and "sampling": {"method": "reservoir", "effective_rate": 0.01}, where the rate is
// null while nothing has matched.
[[nodiscard]] std::string CaptureJson(const Capture& capture, const Identity& identity);

// {"dry_run": true, "request": {...}, "program": "..."}
[[nodiscard]] std::string DryRunJson(const CaptureRequest& request, std::string_view program);

// {"captures": [...]} in the order given. Of a capture with more than 16 filters the list has
// "filters_omitted", their number, in place of `filters` and `exclude`.
[[nodiscard]] std::string CapturesJson(const std::vector<Capture>& captures,
                                       const Identity& identity);

// {"error": {"code", "message", "details": [{"field", "message"}]}}; no details where there are
// none.
[[nodiscard]] std::string ErrorJson(std::string_view code, std::string_view message,
                                    const std::vector<Violation>& details = {});

// "2026-01-31T23:59:59.123Z".
[[nodiscard]] std::string Rfc3339(std::uint64_t time_ns);

}  // namespace edgecap::control
