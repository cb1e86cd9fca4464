// SPDX-License-Identifier: Apache-2.0
//
// Judges a whole Config: each value by its row in the table of settings, then the rules that hold
// between values. Nothing is changed and nothing is clamped; every violation is returned.
//
// Life cycle: free functions.
//
// Threading: any.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace edgecap::config {

struct Violation {
  // The settings that are at odds, as they are written in messages: "dataplane.ports[0].queues".
  // Never empty.
  std::vector<std::string> keys;
  std::string text;  // what is wrong and what is allowed
};

// A port without a name counts as having that of its device.
[[nodiscard]] std::vector<Violation> ValidateConfig(const Config& config);

// A value as it may stand in a message or a log: in quotes, short, printable, ASCII.
[[nodiscard]] std::string Quoted(std::string_view text);

}  // namespace edgecap::config
