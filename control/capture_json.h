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
  std::vector<Violation> violations;  // all that were found, also those of Validate()
};

// Reads the body of POST /v1/captures. Strict: an unknown or repeated field, a wrong type or a
// value out of range is a violation, never a guess.
[[nodiscard]] ParsedRequest ParseCaptureRequest(std::string_view body,
                                                const config::LimitsConfig& limits);

[[nodiscard]] std::string CaptureJson(const Capture& capture, const Identity& identity);

// {"captures": [...]} in the order given.
[[nodiscard]] std::string CapturesJson(const std::vector<Capture>& captures,
                                       const Identity& identity);

// {"error": {"code", "message", "details": [{"field", "message"}]}}; no details where there are
// none.
[[nodiscard]] std::string ErrorJson(std::string_view code, std::string_view message,
                                    const std::vector<Violation>& details = {});

// "2026-01-31T23:59:59.123Z".
[[nodiscard]] std::string Rfc3339(std::uint64_t time_ns);

}  // namespace edgecap::control
