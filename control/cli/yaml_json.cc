// SPDX-License-Identifier: Apache-2.0

#include "control/cli/yaml_json.h"

#include <yaml-cpp/anchor.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

namespace edgecap::cli {
namespace {

using control::Json;

constexpr std::size_t kDepthMax = 8;
constexpr std::size_t kKeysMax = 100;
constexpr std::size_t kValuesMax = 1'000'000;

[[noreturn]] void Refuse(const YAML::Mark& mark, const std::string& message) {
  throw YAML::ParserException(mark, message);
}

// Puts a document together from the parser's events. Bad text ends in an exception, as the
// parser's own complaints do.
class JsonBuilder : public YAML::EventHandler {
 public:
  Json Take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) Refuse(mark, "a second document begins; there may be one");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Add(mark, nullptr, anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    CheckTag(mark, tag);
    Add(mark, value, anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const Anchored& anchored = anchors_[anchor];
    Count(mark, anchored.values);
    if (levels_.size() + anchored.depth > kDepthMax) RefuseDepth(mark);
    Put(mark, anchored.json);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    CheckTag(mark, tag);
    Open(mark, Json::array(), anchor);
  }
  void OnSequenceEnd() override { Close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    CheckTag(mark, tag);
    Open(mark, Json::object(), anchor);
  }
  void OnMapEnd() override { Close(); }

 private:
  struct Level {
    Json json;
    YAML::Mark mark;
    YAML::anchor_t anchor;
    std::size_t values_before;
    std::size_t depth = 1;           // of what is in it
    std::optional<std::string> key;  // of a map, whose value is next
  };
  struct Anchored {
    Json json;
    std::size_t values = 0;
    std::size_t depth = 0;
  };

  // "?" is a plain scalar's tag, "!" a quoted one's.
  static void CheckTag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    Refuse(mark, "a word that begins with ! is a tag to YAML; write text with a ! in quotes");
  }

  static void RefuseDepth(const YAML::Mark& mark) {
    Refuse(mark, "nested deeper than " + std::to_string(kDepthMax) + " levels");
  }

  void Count(const YAML::Mark& mark, std::size_t values) {
    values_ += values;
    if (values_ > kValuesMax) {
      Refuse(mark, "more than " + std::to_string(kValuesMax) + " values, aliases counted");
    }
  }

  void Open(const YAML::Mark& mark, Json json, YAML::anchor_t anchor) {
    Count(mark, 1);
    if (levels_.size() >= kDepthMax) RefuseDepth(mark);
    levels_.push_back({std::move(json), mark, anchor, values_ - 1});
  }

  void Close() {
    Level level = std::move(levels_.back());
    levels_.pop_back();
    if (!levels_.empty()) levels_.back().depth = std::max(levels_.back().depth, level.depth + 1);
    if (level.anchor != YAML::NullAnchor) {
      anchors_[level.anchor] = {level.json, values_ - level.values_before, level.depth};
    }
    Put(level.mark, std::move(level.json));
  }

  void Add(const YAML::Mark& mark, Json scalar, YAML::anchor_t anchor) {
    Count(mark, 1);
    if (anchor != YAML::NullAnchor) anchors_[anchor] = {scalar, 1, 0};
    Put(mark, std::move(scalar));
  }

  void Put(const YAML::Mark& mark, Json json) {
    if (levels_.empty()) {
      root_ = std::move(json);
      return;
    }
    Level& level = levels_.back();
    if (level.json.is_array()) {
      level.json.push_back(std::move(json));
    } else if (!level.key) {
      NoteKey(mark, level, json);
    } else {
      level.json[*std::exchange(level.key, std::nullopt)] = std::move(json);
    }
  }

  static void NoteKey(const YAML::Mark& mark, Level& level, const Json& key) {
    if (!key.is_string()) Refuse(mark, "a key must be text, not " + control::Shown(key));
    const auto& text = key.get_ref<const std::string&>();
    if (level.json.contains(text)) {
      Refuse(mark, control::ShownText(text) + " is given more than once: give it once");
    }
    if (level.json.size() >= kKeysMax) {
      Refuse(mark, "more than " + std::to_string(kKeysMax) + " keys");
    }
    level.key = text;
  }

  Json root_;
  std::vector<Level> levels_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  std::size_t values_ = 0;
  int documents_ = 0;
};

}  // namespace

absl::StatusOr<Json> ReadYaml(const std::string& text, std::string_view name) {
  JsonBuilder builder;
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
    return builder.Take();
  } catch (const YAML::Exception& error) {
    const int line = std::max(error.mark.line, 0) + 1;
    const int column = std::max(error.mark.column, 0) + 1;
    return absl::InvalidArgumentError(std::string(name) + ":" + std::to_string(line) + ":" +
                                      std::to_string(column) + ": " + error.msg);
  }
}

}  // namespace edgecap::cli
