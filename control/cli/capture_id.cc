// SPDX-License-Identifier: Apache-2.0

#include "control/cli/capture_id.h"

#include <vector>

#include "base/check.h"
#include "control/cli/json_view.h"

namespace edgecap::cli {

absl::Status CheckId(const std::string& text) {
  const bool hex = text.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
  if (hex && text.size() >= kIdDigitsMin && text.size() <= kIdDigits) return absl::OkStatus();
  return absl::InvalidArgumentError("\"" + text +
                                    "\" is no capture id; give its 32 hex digits, or at least the "
                                    "first 4 (see: edgecap list)");
}

absl::StatusOr<std::string> MatchId(const nlohmann::json& list, const std::string& prefix) {
  EDGECAP_CHECK(CheckId(prefix).ok());
  std::vector<std::string> matches;
  for (const nlohmann::json& capture : Member(list, "captures")) {
    const std::string id = Text(capture, "id");
    if (id.starts_with(prefix)) matches.push_back(id);
  }
  if (matches.size() == 1) return matches.front();
  if (matches.empty()) {
    return absl::NotFoundError("no capture has an id that begins with " + prefix +
                               " (see: edgecap list)");
  }
  std::string message = "several captures have an id that begins with " + prefix + ":";
  for (const std::string& id : matches) message += "\n  " + id;
  return absl::InvalidArgumentError(message);
}

}  // namespace edgecap::cli
