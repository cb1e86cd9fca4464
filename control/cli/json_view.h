// SPDX-License-Identifier: Apache-2.0
//
// Reading the daemon's JSON without surprises: a member that is missing or of another type reads as
// nothing, so that client and daemon of different versions still understand each other.
//
// Life cycle: functions only; references stay valid as long as the value that was given.
//
// Threading: any.

#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace edgecap::cli {

// The member, or null.
[[nodiscard]] const nlohmann::json& Member(const nlohmann::json& value, std::string_view name);

// The member as a count; 0 where it is none.
[[nodiscard]] std::uint64_t Count(const nlohmann::json& value, std::string_view name);

// The member as text for a terminal: control characters are shown as '?', null as "".
[[nodiscard]] std::string Text(const nlohmann::json& value, std::string_view name);

// Any value as Text() does.
[[nodiscard]] std::string ToText(const nlohmann::json& value);

}  // namespace edgecap::cli
