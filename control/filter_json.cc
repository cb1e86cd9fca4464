// SPDX-License-Identifier: Apache-2.0

#include "control/filter_json.h"

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/status_macros.h"

namespace edgecap::control {
namespace {

using filter::FilterSpec;

constexpr std::size_t kViolationsMax = 100;
constexpr std::string_view kExample = R"({"protocol": "tcp", "destination_port": 443})";

// The text that FilterSpec reads, of a string or a whole number.
std::optional<std::string> TextOf(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_integer()) return Dump(value);
  return std::nullopt;
}

class FilterReader {
 public:
  explicit FilterReader(std::vector<Violation>& violations)
      : violations_(violations), violations_max_(violations.size() + kViolationsMax) {}

  std::vector<FilterSpec> ReadList(const Json& list, const std::string& place) {
    std::vector<FilterSpec> specs;
    specs.reserve(list.size());
    for (std::size_t i = 0; i < list.size() && violations_.size() < violations_max_; ++i) {
      specs.push_back(ReadSpec(list[i], place + "[" + std::to_string(i) + "]"));
    }
    return specs;
  }

  FilterSpec ReadSpec(const Json& value, const std::string& place) {
    FilterSpec spec;
    if (!value.is_object()) {
      Report(place, place + " must be an object such as " + std::string(kExample) + ", not " +
                        Shown(value));
      return spec;
    }
    for (const auto& [name, field] : value.items()) ReadField(spec, name, field, place);
    return spec;
  }

  void Report(std::string field, std::string message) {
    if (violations_.size() >= violations_max_) return;
    violations_.push_back({std::move(field), std::move(message)});
  }

 private:
  void ReadField(FilterSpec& spec, const std::string& name, const Json& value,
                 const std::string& place) {
    absl::Status set;
    if (const std::optional<std::string> text = TextOf(value)) {
      set = spec.Set(name, *text);
    } else if (const std::optional<std::vector<std::string>> texts = TextsOf(value)) {
      set = spec.SetAll(name, *texts);
    } else {
      Report(place + "." + Shortened(name),
             place + "." + Shortened(name) +
                 " must be a string, a whole number or an array of those, not " + Shown(value));
      return;
    }
    if (set.ok()) return;
    const bool unknown = set.code() == absl::StatusCode::kNotFound;
    Report(place + "." + Shortened(name), place + (unknown ? ": " : ".") + MessageOf(set));
  }

  static std::optional<std::vector<std::string>> TextsOf(const Json& value) {
    if (!value.is_array()) return std::nullopt;
    std::vector<std::string> texts;
    texts.reserve(value.size());
    for (const Json& entry : value) {
      std::optional<std::string> text = TextOf(entry);
      if (!text) return std::nullopt;
      texts.push_back(*std::move(text));
    }
    return texts;
  }

  // A client's word as part of a place.
  static std::string Shortened(const std::string& name) {
    const std::string shown = ShownText(name);
    return shown.size() == name.size() + 2 ? name : shown;
  }

  std::vector<Violation>& violations_;
  const std::size_t violations_max_;
};

}  // namespace

std::vector<std::string_view> FilterFields() { return {"filter", "filters", "exclude"}; }

filter::CaptureFilter ReadCaptureFilter(const Json& object, std::vector<Violation>& violations) {
  filter::CaptureFilter filter;
  FilterReader reader(violations);
  const auto one = object.find("filter");
  const auto several = object.find("filters");
  const auto exclude = object.find("exclude");
  if (one != object.end() && several != object.end()) {
    reader.Report("filter", R"(filter and filters are both given: "filter": {...} is short for )"
                            R"("filters": [{...}], give one of them)");
    return filter;
  }
  if (one != object.end()) filter.filters = {reader.ReadSpec(*one, "filter")};
  if (several != object.end() && !several->is_array()) {
    reader.Report("filters", "filters must be an array of filters such as [" +
                                 std::string(kExample) + "], not " + Shown(*several));
  } else if (several != object.end()) {
    filter.filters = reader.ReadList(*several, "filters");
  }
  if (exclude == object.end()) return filter;
  if (exclude->is_array()) {
    filter.exclude = reader.ReadList(*exclude, "exclude");
  } else {
    filter.exclude = {reader.ReadSpec(*exclude, "exclude")};
  }
  return filter;
}

FilterSpec ReadFilterSpec(const Json& value, const std::string& place,
                          std::vector<Violation>& violations) {
  return FilterReader(violations).ReadSpec(value, place);
}

void ValidateFilter(const filter::CaptureFilter& filter, std::vector<Violation>& violations) {
  const std::string message = MessageOf(filter.Validate());
  if (message.empty()) return;
  violations.push_back({message.substr(0, message.find(']') + 1), message});
}

Json FilterSpecJson(const FilterSpec& spec) {
  Json object = Json::object();
  for (const std::string_view name : FilterSpec::FieldNames()) {
    const std::vector<std::string> values = spec.GetAll(name);
    if (values.empty()) continue;
    Json& field = object[std::string(name)];
    if (values.size() == 1) {
      field = values.front();
    } else {
      field = values;
    }
  }
  return object;
}

void PutCaptureFilter(const filter::CaptureFilter& filter, Json& object) {
  const auto array = [](const std::vector<FilterSpec>& specs) {
    Json list = Json::array();
    for (const FilterSpec& spec : specs) list.push_back(FilterSpecJson(spec));
    return list;
  };
  object["filters"] = array(filter.filters);
  if (!filter.exclude.empty()) object["exclude"] = array(filter.exclude);
}

}  // namespace edgecap::control
