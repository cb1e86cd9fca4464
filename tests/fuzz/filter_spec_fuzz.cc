// SPDX-License-Identifier: Apache-2.0
//
// Filter fields from any text: what Set() reads, Get() writes so that Set() reads the same again;
// what it refuses changes nothing.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/check.h"
#include "filter/filter_spec.h"

namespace edgecap::filter {
namespace {

void CheckField(FilterSpec& spec, std::string_view name, std::string_view text) {
  const FilterSpec before = spec;
  if (const absl::Status status = spec.Set(name, text); !status.ok()) {
    EDGECAP_CHECK(!status.message().empty() && spec == before);
    return;
  }
  const std::optional<std::string> printed = spec.Get(name);
  EDGECAP_CHECK(printed.has_value());
  FilterSpec again = before;
  EDGECAP_CHECK(again.Set(name, *printed).ok());
  EDGECAP_CHECK(again == spec);
  EDGECAP_CHECK(again.Get(name) == printed);
}

}  // namespace
}  // namespace edgecap::filter

// Lines "name value"; a digit for the name is the field of that number.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using edgecap::filter::FilterSpec;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  FilterSpec spec;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() == rest.size() ? line.size() : line.size() + 1);
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos) continue;
    std::string_view name = line.substr(0, space);
    const auto names = FilterSpec::FieldNames();
    const std::size_t number = name.size() == 1 ? static_cast<std::size_t>(name[0] - '0') : 99;
    if (number < names.size()) name = names[number];
    edgecap::filter::CheckField(spec, name, line.substr(space + 1));
  }
  const bool valid = spec.Validate().ok();
  EDGECAP_CHECK(!spec.ToString().empty() && (valid || spec != FilterSpec{}));
  return 0;
}
