// SPDX-License-Identifier: Apache-2.0

#include "control/capture_json.h"

#include <ctime>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "base/clock.h"
#include "base/status_macros.h"
#include "control/ledger_json.h"

namespace edgecap::control {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kJsonIndent = -1;  // one line
constexpr std::size_t kDepthMax = 8;
constexpr std::size_t kShownCharsMax = 80;

std::string Dump(const Json& json) {
  return json.dump(kJsonIndent, ' ', false, Json::error_handler_t::replace);
}

// A value as it is shown in a message.
std::string Shown(const Json& value) {
  std::string text = Dump(value);
  if (text.size() > kShownCharsMax) {
    std::size_t end = kShownCharsMax;
    while ((text[end] & 0xC0) == 0x80) --end;  // not in the middle of a UTF-8 sequence
    text.resize(end);
    text += "...";
  }
  return text;
}

// What the JSON library would pass over in silence: it keeps the last of two equal keys, and goes
// as deep as it is led.
class StructureCheck {
 public:
  explicit StructureCheck(std::vector<Violation>& violations) : violations_(violations) {}

  bool operator()(int, Json::parse_event_t event, Json& parsed) {
    using Event = Json::parse_event_t;
    switch (event) {
      case Event::object_start:
      case Event::array_start:
        levels_.emplace_back();
        return DeepEnough();
      case Event::object_end:
      case Event::array_end:
        levels_.pop_back();
        return true;
      case Event::key:
        NoteKey(parsed.get_ref<const std::string&>());
        return true;
      case Event::value:
        return true;
    }
    return true;
  }

 private:
  struct Level {
    std::set<std::string> keys;
    std::string current;
  };

  bool DeepEnough() {
    if (levels_.size() <= kDepthMax) return true;
    if (!reported_depth_) {
      violations_.push_back({Path(), "the body is nested deeper than " + std::to_string(kDepthMax) +
                                         " levels: a capture request needs two"});
    }
    reported_depth_ = true;
    return false;
  }

  void NoteKey(const std::string& key) {
    levels_.back().current = key;
    if (!levels_.back().keys.insert(key).second) {
      violations_.push_back(
          {Path(), "field " + Shown(Json(Path())) + " is given more than once: give it once"});
    }
  }

  std::string Path() const {
    std::string path;
    for (const Level& level : levels_) {
      if (level.current.empty()) continue;
      if (!path.empty()) path += '.';
      path += level.current;
    }
    return path;
  }

  std::vector<Violation>& violations_;
  std::vector<Level> levels_;
  bool reported_depth_ = false;
};

// The parser's own words, without the exception's number in brackets.
std::string WithoutTag(std::string_view what) {
  const std::size_t end = what.find("] ");
  return std::string(end == std::string_view::npos ? what : what.substr(end + 2));
}

std::optional<Json> ParseJson(std::string_view body, std::vector<Violation>& violations) {
  constexpr std::string_view kExample = R"({"type": "full", "time_limit": 60})";
  if (body.empty()) {
    violations.push_back(
        {"", "the body is empty: send a JSON object such as " + std::string(kExample)});
    return std::nullopt;
  }
  Json root;
  try {
    root = Json::parse(body, Json::parser_callback_t(StructureCheck(violations)));
  } catch (const Json::exception& error) {
    violations.push_back({"", "the body is not JSON: " + WithoutTag(error.what())});
    return std::nullopt;
  }
  if (!violations.empty()) return std::nullopt;
  if (!root.is_object()) {
    violations.push_back({"", "the body must be a JSON object such as " + std::string(kExample) +
                                  ", not " + Shown(root)});
    return std::nullopt;
  }
  return root;
}

std::string FieldList(std::span<const std::string_view> names) {
  std::string text;
  for (std::string_view name : names) {
    if (!text.empty()) text += ", ";
    text += name;
  }
  return text;
}

class RequestReader {
 public:
  RequestReader(const config::LimitsConfig& limits, ParsedRequest& parsed)
      : fields_(NumberFields(limits)), parsed_(parsed) {}

  void Read(const Json& root) {
    if (!root.contains("type")) {
      Report("type", R"(type is missing: give "type": "simple" or "type": "full")");
    }
    for (const auto& [name, value] : root.items()) {
      if (name == "type") {
        ReadType(value);
      } else if (name == "filter") {
        ReadFilter(value);
      } else if (const NumberField* field = FindNumber(name); field != nullptr) {
        ReadNumber(*field, value);
      } else {
        Report(name, "there is no field " + Shown(Json(name)) + ": a request may have " +
                         FieldList(Names()));
      }
    }
  }

 private:
  void Report(std::string field, std::string message) {
    parsed_.violations.push_back({std::move(field), std::move(message)});
  }

  const NumberField* FindNumber(std::string_view name) const {
    const auto found = std::ranges::find(fields_, name, &NumberField::name);
    return found == fields_.end() ? nullptr : &*found;
  }

  std::vector<std::string_view> Names() const {
    std::vector<std::string_view> names = {"type", "filter"};
    for (const NumberField& field : fields_) names.push_back(field.name);
    return names;
  }

  void ReadType(const Json& value) {
    for (CaptureType type : {CaptureType::kSimple, CaptureType::kFull}) {
      if (value == ToString(type)) {
        parsed_.request.type = type;
        return;
      }
    }
    Report("type", R"(type must be "simple" or "full", not )" + Shown(value));
  }

  void ReadNumber(const NumberField& field, const Json& value) {
    if (value.is_number_unsigned()) {
      parsed_.request.*field.value = value.get<std::uint64_t>();
    } else {
      Report(std::string(field.name), field.RangeMessage(Shown(value)));
    }
  }

  void ReadFilter(const Json& filter) {
    if (!filter.is_object()) {
      Report("filter",
             R"(filter must be an object such as {"protocol": "tcp"}, not )" + Shown(filter));
      return;
    }
    for (const auto& [name, value] : filter.items()) {
      if (!value.is_string() && !value.is_number_integer()) {
        Report("filter." + name, "filter field " + Shown(Json(name)) +
                                     " must be a string or a whole number, not " + Shown(value));
        continue;
      }
      const std::string text = value.is_string() ? value.get<std::string>() : Dump(value);
      if (absl::Status set = parsed_.request.filter.Set(name, text); !set.ok()) {
        Report("filter." + name, MessageOf(set));
      }
    }
  }

  const std::vector<NumberField> fields_;
  ParsedRequest& parsed_;
};

Json FilterObject(const filter::FilterSpec& filter) {
  Json object = Json::object();
  for (std::string_view name : filter::FilterSpec::FieldNames()) {
    if (std::optional<std::string> text = filter.Get(name)) object[std::string(name)] = *text;
  }
  return object;
}

void PutRequest(const CaptureRequest& request, Json& object) {
  const auto put = [&object](const char* name, const std::optional<std::uint64_t>& value) {
    if (value) object[name] = *value;
  };
  put("time_limit", request.time_limit_s);
  put("packet_limit", request.packet_limit);
  put("byte_limit", request.byte_limit);
  put("snaplen", request.snaplen);
  put("one_in", request.one_in);
  put("seed", request.seed);
  object["filter"] = FilterObject(request.filter);
}

Json CaptureObject(const Capture& capture, const Identity& identity) {
  Json object = {{"id", capture.id},
                 {"type", ToString(capture.request.type)},
                 {"status", ToString(capture.status)},
                 {"machine", identity.machine}};
  if (!identity.colo.empty()) object["colo"] = identity.colo;
  object["created"] = Rfc3339(capture.created_ns);
  if (capture.started_ns != 0) object["started"] = Rfc3339(capture.started_ns);
  if (capture.ended_ns != 0) object["ended"] = Rfc3339(capture.ended_ns);
  PutRequest(capture.request, object);
  object["stop_requested"] = capture.stop_requested;
  if (capture.Ended()) object["end_reason"] = capture.end_reason;
  if (!capture.error_message.empty()) object["error_message"] = capture.error_message;
  object["packets_captured"] = capture.ledger.captured.packets;
  object["bytes_captured"] = capture.stored_bytes;
  object["ledger"] = LedgerObject(capture.ledger);
  if (capture.Ended()) object["ledger"]["balanced"] = capture.ledger.Balances();
  object["files"] = FileObjects(capture.files);
  return object;
}

}  // namespace

ParsedRequest ParseCaptureRequest(std::string_view body, const config::LimitsConfig& limits) {
  ParsedRequest parsed;
  const std::optional<Json> root = ParseJson(body, parsed.violations);
  if (!root.has_value()) return parsed;
  RequestReader(limits, parsed).Read(*root);
  const bool type_known =
      std::ranges::none_of(parsed.violations, [](const Violation& v) { return v.field == "type"; });
  for (Violation& violation : Validate(parsed.request, limits)) {
    // Without a type nobody knows what the request may not have.
    const bool depends_on_type = violation.field == "one_in" || violation.field == "seed";
    if (type_known || !depends_on_type) parsed.violations.push_back(std::move(violation));
  }
  return parsed;
}

std::string CaptureJson(const Capture& capture, const Identity& identity) {
  return Dump(CaptureObject(capture, identity)) + "\n";
}

std::string CapturesJson(const std::vector<Capture>& captures, const Identity& identity) {
  Json list = Json::array();
  for (const Capture& capture : captures) list.push_back(CaptureObject(capture, identity));
  return Dump({{"captures", std::move(list)}}) + "\n";
}

std::string ErrorJson(std::string_view code, std::string_view message,
                      const std::vector<Violation>& details) {
  Json error = {{"code", code}, {"message", message}};
  for (const Violation& violation : details) {
    error["details"].push_back({{"field", violation.field}, {"message", violation.message}});
  }
  return Dump({{"error", std::move(error)}}) + "\n";
}

std::string Rfc3339(std::uint64_t time_ns) {
  const auto seconds = static_cast<std::time_t>(time_ns / kNsPerSecond);
  const auto milliseconds = static_cast<unsigned>(time_ns % kNsPerSecond / 1'000'000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char date[32];
  std::strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
  char text[48];
  std::snprintf(text, sizeof(text), "%s.%03uZ", date, milliseconds);
  return text;
}

}  // namespace edgecap::control
