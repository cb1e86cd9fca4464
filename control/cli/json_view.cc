// SPDX-License-Identifier: Apache-2.0

#include "control/cli/json_view.h"

namespace edgecap::cli {
namespace {

const nlohmann::json kNull;

std::string Printable(std::string text) {
  for (char& c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) c = '?';
  }
  return text;
}

}  // namespace

const nlohmann::json& Member(const nlohmann::json& value, std::string_view name) {
  if (!value.is_object()) return kNull;
  const auto member = value.find(name);
  return member == value.end() ? kNull : *member;
}

std::uint64_t Count(const nlohmann::json& value, std::string_view name) {
  const nlohmann::json& member = Member(value, name);
  return member.is_number_integer() && member >= 0 ? member.get<std::uint64_t>() : 0;
}

std::string Text(const nlohmann::json& value, std::string_view name) {
  return ToText(Member(value, name));
}

std::string ToText(const nlohmann::json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return Printable(value.get<std::string>());
  return Printable(value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace edgecap::cli
