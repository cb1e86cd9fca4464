// SPDX-License-Identifier: Apache-2.0
//
// Numbers as the command line takes them: plain decimal digits, nothing guessed. "0x10", "010",
// "1e3", "1k" and "-1" are errors or mean what they say (010 is ten).
//
// Life cycle: functions only.
//
// Threading: any.

#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

#include "absl/status/statusor.h"

namespace edgecap::cli {

// Both ends included.
struct NumberRange {
  std::uint64_t least = 0;
  std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
};

// Errors: kInvalidArgument, naming the text and what would be right.
[[nodiscard]] absl::StatusOr<std::uint64_t> ParseNumber(std::string_view text,
                                                        const NumberRange& range);

// Seconds with up to nine decimals ("2", "0.25") as nanoseconds, more than 0 and at most a year.
//
// Errors: kInvalidArgument, naming the text and what would be right.
[[nodiscard]] absl::StatusOr<std::uint64_t> ParseSeconds(std::string_view text);

}  // namespace edgecap::cli
