// SPDX-License-Identifier: Apache-2.0
//
// Capture ids as people give them: 32 hex digits, or the first few of them.
//
// Life cycle: functions only.
//
// Threading: any.

#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace edgecap::cli {

inline constexpr std::size_t kIdDigits = 32;
inline constexpr std::size_t kIdDigitsMin = 4;

// Errors: kInvalidArgument unless `text` is 4 to 32 hex digits.
[[nodiscard]] absl::Status CheckId(const std::string& text);

// The id of the one capture of {"captures": [...]} that begins with `prefix`.
//
// Errors: kNotFound when there is none, kInvalidArgument when there are several, naming them.
// REQUIRES: CheckId(prefix) is ok, and its letters are small.
[[nodiscard]] absl::StatusOr<std::string> MatchId(const nlohmann::json& list,
                                                  const std::string& prefix);

}  // namespace edgecap::cli
