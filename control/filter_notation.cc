// SPDX-License-Identifier: Apache-2.0

#include "control/filter_notation.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "base/status_macros.h"

namespace edgecap::control {
namespace {

using filter::FilterSpec;

constexpr std::size_t kViolationsMax = 100;

enum class Kind { kAddress, kPort, kProtocol };

// A field of a notation, and ours.
struct Field {
  std::string_view name;
  std::string_view ours;
  Kind kind;
};

const Field* FindField(std::span<const Field> fields, std::string_view name) {
  const auto found = std::ranges::find(fields, name, &Field::name);
  return found == fields.end() ? nullptr : &*found;
}

void Report(ParsedFilter& parsed, const std::string& place, const std::string& complaint) {
  if (parsed.violations.size() < kViolationsMax) {
    parsed.violations.push_back({place, place + " " + complaint});
  }
}

void ReportUnknown(ParsedFilter& parsed, std::span<const Field> fields, const std::string& place,
                   std::string_view name) {
  std::vector<std::string_view> names;
  for (const Field& field : fields) names.push_back(field.name);
  Report(parsed, place, "has no field " + ShownText(name) + ": there are " + JoinNames(names));
}

// Our own complaint is `source_port "70000" is no port; ...`; theirs has their name for the field.
void SetOurs(ParsedFilter& parsed, FilterSpec& spec, const Field& field, const std::string& place,
             const std::string& text) {
  const absl::Status set = spec.Set(field.ours, text);
  if (!set.ok()) Report(parsed, place, MessageOf(set).substr(field.ours.size() + 1));
}

void CheckContradictions(ParsedFilter& parsed, const FilterSpec& spec, const std::string& place) {
  if (!parsed.violations.empty()) return;
  const absl::Status valid = spec.Validate();
  if (!valid.ok()) Report(parsed, place, "contradicts itself: " + MessageOf(valid));
}

// ---- Cloudflare --------------------------------------------------------------------------------

constexpr Field kCloudflareFields[] = {
    {"source_address", "source_address", Kind::kAddress},
    {"destination_address", "destination_address", Kind::kAddress},
    {"source_port", "source_port", Kind::kPort},
    {"destination_port", "destination_port", Kind::kPort},
    {"protocol", "protocol", Kind::kProtocol},
};

// A whole number that may be written as 443.0: JSON has one kind of number.
std::optional<std::uint32_t> WholeNumber(const Json& value, std::uint32_t max) {
  if (!value.is_number()) return std::nullopt;
  const auto number = value.get<double>();
  if (!(number >= 0 && number <= max) || std::trunc(number) != number) return std::nullopt;
  return static_cast<std::uint32_t>(number);
}

void ReadCloudflareField(ParsedFilter& parsed, FilterSpec& spec, const Field& field,
                         const std::string& place, const Json& value) {
  if (field.kind == Kind::kAddress) {
    const std::string text = value.is_string() ? value.get<std::string>() : "";
    if (text.empty() || text.find_first_of(";-/") != std::string::npos) {
      return Report(parsed, place,
                    "must be one IP address such as \"192.0.2.1\", not " + Shown(value));
    }
    return SetOurs(parsed, spec, field, place, text);
  }
  const std::uint32_t max = field.kind == Kind::kPort ? 65535 : 255;
  const std::optional<std::uint32_t> number = WholeNumber(value, max);
  if (!number) {
    return Report(
        parsed, place,
        "must be a whole number from 0 to " + std::to_string(max) + ", not " + Shown(value));
  }
  SetOurs(parsed, spec, field, place, std::to_string(*number));
}

// ---- Azure -------------------------------------------------------------------------------------

constexpr Field kAzureFields[] = {
    {"protocol", "protocol", Kind::kProtocol},
    {"localIPAddress", "local_address", Kind::kAddress},
    {"remoteIPAddress", "remote_address", Kind::kAddress},
    {"localPort", "local_port", Kind::kPort},
    {"remotePort", "remote_port", Kind::kPort},
};

void ReadAzureProtocol(ParsedFilter& parsed, FilterSpec& spec, const Field& field,
                       const std::string& place, const std::string& text) {
  if (absl::EqualsIgnoreCase(text, "Any")) return;
  if (!absl::EqualsIgnoreCase(text, "TCP") && !absl::EqualsIgnoreCase(text, "UDP")) {
    return Report(parsed, place, "must be \"TCP\", \"UDP\" or \"Any\", not " + ShownText(text));
  }
  SetOurs(parsed, spec, field, place, text);
}

void ReadAzureValues(ParsedFilter& parsed, FilterSpec& spec, const Field& field,
                     const std::string& place, const std::string& text) {
  constexpr std::string_view kForms =
      ": the notation has one value, one range a-b, or a list a;b of values";
  const auto refuse = [&](std::string_view what) {
    Report(parsed, place,
           ShownText(text) + " " + std::string(what) + ", which is not supported" +
               std::string(kForms));
  };
  const auto dashes = std::ranges::count(text, '-');
  if (dashes > 0 && text.substr(0, text.size() - 1).find(';') != std::string::npos) {
    return refuse(dashes > 1 ? "has several ranges" : "has a range inside a list");
  }
  if (text.find('/') != std::string::npos) return refuse("has a prefix");
  SetOurs(parsed, spec, field, place, text);
}

void ReadAzureField(ParsedFilter& parsed, FilterSpec& spec, const Field& field,
                    const std::string& place, const Json& value) {
  if (value.is_null()) return;
  if (!value.is_string()) {
    return Report(parsed, place, "must be a string, not " + Shown(value));
  }
  const auto& text = value.get_ref<const std::string&>();
  if (text.empty()) return;
  if (field.kind == Kind::kProtocol) {
    ReadAzureProtocol(parsed, spec, field, place, text);
  } else {
    ReadAzureValues(parsed, spec, field, place, text);
  }
}

template <typename ReadField>
FilterSpec ReadFields(ParsedFilter& parsed, std::span<const Field> fields, const std::string& place,
                      const Json& object, ReadField read) {
  FilterSpec spec;
  if (!object.is_object()) {
    Report(parsed, place, "must be an object, not " + Shown(object));
    return spec;
  }
  for (const auto& [name, value] : object.items()) {
    if (const Field* field = FindField(fields, name); field != nullptr) {
      read(parsed, spec, *field, place + "." + name, value);
    } else {
      ReportUnknown(parsed, fields, place, name);
    }
  }
  CheckContradictions(parsed, spec, place);
  return spec;
}

}  // namespace

ParsedFilter ReadCloudflareFilter(const Json& filter_v1) {
  ParsedFilter parsed;
  parsed.filter.filters = {
      ReadFields(parsed, kCloudflareFields, "filter_v1", filter_v1, ReadCloudflareField)};
  return parsed;
}

ParsedFilter ReadAzureFilters(const Json& filters) {
  ParsedFilter parsed;
  if (filters.is_null()) return parsed;
  if (!filters.is_array()) {
    Report(parsed, "filters", "must be an array, not " + Shown(filters));
    return parsed;
  }
  for (std::size_t i = 0; i < filters.size() && parsed.violations.size() < kViolationsMax; ++i) {
    parsed.filter.filters.push_back(ReadFields(
        parsed, kAzureFields, "filters[" + std::to_string(i) + "]", filters[i], ReadAzureField));
  }
  return parsed;
}

}  // namespace edgecap::control
