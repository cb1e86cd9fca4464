// SPDX-License-Identifier: Apache-2.0
//
// Text of unknown origin as it may stand in a message. Private to this room.
//
// Threading: a pure function.

#pragma once

#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace edgecap::filter {

// In quotes; short, printable, ASCII.
[[nodiscard]] inline std::string Quoted(std::string_view text) {
  constexpr std::size_t kShownBytes = 64;
  const bool cut = text.size() > kShownBytes;
  const std::string_view shown = text.substr(0, kShownBytes);
  return absl::StrCat("\"", absl::CEscape({shown.data(), shown.size()}), cut ? "...\"" : "\"");
}

}  // namespace edgecap::filter
