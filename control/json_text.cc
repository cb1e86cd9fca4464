// SPDX-License-Identifier: Apache-2.0

#include "control/json_text.h"

#include <cstddef>
#include <nlohmann/json.hpp>
#include <set>

namespace edgecap::control {
namespace {

constexpr int kJsonIndent = -1;  // one line
constexpr std::size_t kDepthMax = 8;
constexpr std::size_t kShownCharsMax = 80;
constexpr std::size_t kFieldsMax = 100;      // of an object, whose lookup is linear
constexpr std::size_t kViolationsMax = 100;  // of structure; a broken body may have millions

// What the JSON library would pass over in silence: it keeps the last of two equal keys, and goes
// as deep and as wide as it is led.
class StructureCheck {
 public:
  explicit StructureCheck(std::vector<Violation>& violations) : violations_(violations) {}

  bool operator()(int, Json::parse_event_t event, Json& parsed) {
    using Event = Json::parse_event_t;
    switch (event) {
      case Event::object_start:
      case Event::array_start:
        CountEntry();
        levels_.push_back({.is_array = event == Event::array_start});
        return DeepEnough();
      case Event::object_end:
      case Event::array_end:
        levels_.pop_back();
        return true;
      case Event::key:
        return NoteKey(parsed.get_ref<const std::string&>());
      case Event::value:
        CountEntry();
        return true;
    }
    return true;
  }

 private:
  struct Level {
    bool is_array = false;
    std::size_t entries = 0;  // of an array, so far
    std::set<std::string> keys;
    std::string current;
  };

  void CountEntry() {
    if (!levels_.empty()) ++levels_.back().entries;
  }

  bool DeepEnough() {
    if (levels_.size() <= kDepthMax) return true;
    if (!reported_depth_ && violations_.size() < kViolationsMax) {
      violations_.push_back({Path(), "the body is nested deeper than " + std::to_string(kDepthMax) +
                                         " levels: a capture request needs four"});
    }
    reported_depth_ = true;
    return false;
  }

  // Whether its value is to be kept.
  bool NoteKey(const std::string& key) {
    Level& level = levels_.back();
    const bool is_too_many = level.keys.size() >= kFieldsMax;
    if (is_too_many && level.keys.size() == kFieldsMax) {
      level.current.clear();
      Report("has more than " + std::to_string(kFieldsMax) + " fields");
      level.keys.insert("");  // once is enough
    }
    level.current = key;
    if (is_too_many) return false;
    if (!level.keys.insert(key).second) Report("is given more than once: give it once");
    return true;
  }

  void Report(const std::string& complaint) {
    if (violations_.size() >= kViolationsMax) return;
    const std::string path = Path();
    violations_.push_back(
        {path, (path.empty() ? "the body" : "field " + ShownText(path)) + " " + complaint});
  }

  std::string Path() const {
    std::string path;
    for (const Level& level : levels_) {
      if (level.is_array && level.entries > 0) {
        path += "[" + std::to_string(level.entries - 1) + "]";
      } else if (!level.current.empty()) {
        path += (path.empty() ? "" : ".") + level.current;
      }
    }
    return path;
  }

  std::vector<Violation>& violations_;
  std::vector<Level> levels_;
  bool reported_depth_ = false;
};

std::string Shortened(std::string text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;
  while (end > 0 && (text[end] & 0xC0) == 0x80) --end;  // not in the middle of a UTF-8 sequence
  text.resize(end);
  return text + "...";
}

// The parser's own words, without the exception's number in brackets. They end with the last thing
// that was read, whatever its length.
std::string ParserWords(std::string_view what) {
  constexpr std::size_t kBytesMax = 300;
  const std::size_t end = what.find("] ");
  return Shortened(std::string(end == std::string_view::npos ? what : what.substr(end + 2)),
                   kBytesMax);
}

}  // namespace

std::string Dump(const Json& json) {
  return json.dump(kJsonIndent, ' ', false, Json::error_handler_t::replace);
}

std::string Shown(const Json& value) { return Shortened(Dump(value), kShownCharsMax); }

std::string ShownText(std::string_view text) { return Shown(Json(text)); }

std::string JoinNames(const std::vector<std::string_view>& names) {
  std::string text;
  for (const std::string_view name : names) {
    if (!text.empty()) text += ", ";
    text += name;
  }
  return text;
}

std::optional<Json> ParseObject(std::string_view text, std::string_view example,
                                std::vector<Violation>& violations) {
  if (text.empty()) {
    violations.push_back(
        {"", "the body is empty: send a JSON object such as " + std::string(example)});
    return std::nullopt;
  }
  const std::size_t violations_before = violations.size();
  Json root;
  try {
    root = Json::parse(text, Json::parser_callback_t(StructureCheck(violations)));
  } catch (const Json::exception& error) {
    violations.push_back({"", "the body is not JSON: " + ParserWords(error.what())});
    return std::nullopt;
  }
  if (violations.size() != violations_before) return std::nullopt;
  if (!root.is_object()) {
    violations.push_back({"", "the body must be a JSON object such as " + std::string(example) +
                                  ", not " + Shown(root)});
    return std::nullopt;
  }
  return root;
}

}  // namespace edgecap::control
