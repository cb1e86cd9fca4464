// SPDX-License-Identifier: Apache-2.0
//
// Filter fields from any text: what Set() reads, Get() and GetAll() write so that Set() reads the
// same again; what it refuses changes nothing.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "filter/filter_spec.h"

namespace edgecap::filter {
namespace {

bool IsPrintable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

void CheckField(FilterSpec& spec, std::string_view name, std::string_view text) {
  const FilterSpec before = spec;
  if (const absl::Status status = spec.Set(name, text); !status.ok()) {
    EDGECAP_CHECK(!status.message().empty() && status.message().size() < 1024);
    EDGECAP_CHECK(IsPrintable({status.message().data(), status.message().size()}));
    EDGECAP_CHECK(spec == before);
    return;
  }
  const std::vector<std::string> values = spec.GetAll(name);
  const std::optional<std::string> printed = spec.Get(name);
  if (name == "payload") {
    EDGECAP_CHECK(values.size() == before.payload.size() + 1 && values.back() == text);
    EDGECAP_CHECK(printed.has_value() == (values.size() == 1));
    return;
  }
  if (name == "layer" && !printed) {
    EDGECAP_CHECK(spec.layer == Layer::kOuter && values.empty());
    return;
  }
  EDGECAP_CHECK(printed.has_value() && !values.empty());
  FilterSpec again = before;
  EDGECAP_CHECK(again.Set(name, *printed).ok());
  EDGECAP_CHECK(again == spec);
  EDGECAP_CHECK(again.Get(name) == printed);
  for (const std::string& value : values) EDGECAP_CHECK(again.Set(name, value).ok());
}

// The whole spec, written and read again.
void CheckSpec(const FilterSpec& spec) {
  FilterSpec again;
  for (const std::string_view name : FilterSpec::FieldNames()) {
    if (name == "payload") {
      for (const std::string& value : spec.GetAll(name)) EDGECAP_CHECK(again.Set(name, value).ok());
    } else if (const std::optional<std::string> text = spec.Get(name)) {
      EDGECAP_CHECK(again.Set(name, *text).ok());
    }
  }
  EDGECAP_CHECK(again == spec);
  EDGECAP_CHECK(!spec.ToString().empty() && IsPrintable(spec.ToString()));
  const absl::Status valid = spec.Validate();
  EDGECAP_CHECK(valid.ok() || spec != FilterSpec{});
  EDGECAP_CHECK(valid == again.Validate());
}

}  // namespace
}  // namespace edgecap::filter

// Lines "name value"; a letter for the name is the field of that number.
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
    const std::size_t number = name.size() == 1 ? static_cast<std::size_t>(name[0] - 'a') : 99;
    if (number < names.size()) name = names[number];
    edgecap::filter::CheckField(spec, name, line.substr(space + 1));
  }
  edgecap::filter::CheckSpec(spec);
  return 0;
}
