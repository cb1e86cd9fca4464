// SPDX-License-Identifier: Apache-2.0

#include "control/cli/numbers.h"

#include <charconv>
#include <string>

#include "base/clock.h"

namespace edgecap::cli {
namespace {

constexpr std::uint64_t kSecondsMax = 366ULL * 24 * 3600;
constexpr std::size_t kDecimalsMax = 9;

bool OnlyDigits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

absl::Status Refuse(std::string_view text, const std::string& why) {
  return absl::InvalidArgumentError("\"" + std::string(text) + "\" " + why);
}

}  // namespace

absl::StatusOr<std::uint64_t> ParseNumber(std::string_view text, const NumberRange& range) {
  if (!OnlyDigits(text)) return Refuse(text, "is not a whole number; write digits only");
  std::uint64_t number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (result.ec != std::errc() || number < range.least || number > range.most) {
    return Refuse(text, "is out of range; take a number from " + std::to_string(range.least) +
                            " to " + std::to_string(range.most));
  }
  return number;
}

absl::StatusOr<std::uint64_t> ParseSeconds(std::string_view text) {
  const std::size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  std::string decimals(point == std::string_view::npos ? "0" : text.substr(point + 1));
  if (!OnlyDigits(whole) || !OnlyDigits(decimals) || decimals.size() > kDecimalsMax) {
    return Refuse(text, "is no number of seconds; write for example 60 or 0.25");
  }
  decimals.resize(kDecimalsMax, '0');
  const auto seconds = ParseNumber(whole, {0, kSecondsMax - 1});
  const auto ns = ParseNumber(decimals, {});
  if (!seconds.ok() || *seconds * kNsPerSecond + *ns == 0) {
    return Refuse(text, "seconds are out of range; take more than 0 and less than " +
                            std::to_string(kSecondsMax));
  }
  return *seconds * kNsPerSecond + *ns;
}

}  // namespace edgecap::cli
