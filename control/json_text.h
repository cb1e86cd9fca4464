// SPDX-License-Identifier: Apache-2.0
//
// JSON between text and values, as every API of the daemon reads and writes it.
//
// Threading: pure functions.

#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/violation.h"

namespace edgecap::control {

using Json = nlohmann::ordered_json;  // keeps the order of what is written

// One line; bytes that are no UTF-8 are replaced.
[[nodiscard]] std::string Dump(const Json& json);

// A value as it is shown in a message: short.
[[nodiscard]] std::string Shown(const Json& value);
[[nodiscard]] std::string ShownText(std::string_view text);

// "type, filters, exclude".
[[nodiscard]] std::string JoinNames(const std::vector<std::string_view>& names);

// Reads an object. Strict: what is no JSON, no object, nested deeper than 8 levels, has a field
// twice or more than 100 in one object is a violation, and then nothing is returned. `example` is
// shown to who sent no object.
[[nodiscard]] std::optional<Json> ParseObject(std::string_view text, std::string_view example,
                                              std::vector<Violation>& violations);

}  // namespace edgecap::control
