// SPDX-License-Identifier: Apache-2.0
//
// What is wrong with what a client sent, place by place, so that everything can be reported
// together.
//
// Threading: plain values.

#pragma once

#include <string>
#include <vector>

namespace edgecap::control {

// One thing that is wrong with a request.
struct Violation {
  std::string field;    // "time_limit", "filters[3].source_port"
  std::string message;  // names field, value and the way out
};

// The messages, one after another.
[[nodiscard]] inline std::string JoinMessages(const std::vector<Violation>& violations) {
  std::string text;
  for (const Violation& violation : violations) {
    if (!text.empty()) text += "; ";
    text += violation.message;
  }
  return text;
}

}  // namespace edgecap::control
