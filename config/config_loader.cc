// SPDX-License-Identifier: Apache-2.0

#include "config/config_loader.h"

#include <unistd.h>
#include <yaml-cpp/anchor.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <climits>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <sstream>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "config/config_validator.h"
#include "config/device.h"
#include "config/settings.h"

namespace edgecap::config {
namespace {

absl::string_view Abseil(std::string_view text) { return {text.data(), text.size()}; }

int LineOf(const YAML::Mark& mark) { return std::max(mark.line, 0) + 1; }

// Not in quotes, without a tag: what YAML may read as a number or a boolean.
bool IsPlain(const YAML::Node& node) { return node.IsScalar() && node.Tag() == "?"; }

std::string Shown(const YAML::Node& node) {
  if (node.IsScalar()) return Quoted(node.Scalar());
  if (node.IsSequence()) return "a list";
  return node.IsMap() ? "a map" : "nothing";
}

// Insertions, deletions and replacements that make `a` into `b`.
std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

std::string_view LastWord(std::string_view key) { return key.substr(key.rfind('.') + 1); }

// "; did you mean capture.sync?" for a key that is nearly known, or known in another section.
template <typename Owner>
std::string Suggestion(std::span<const Setting<Owner>> settings, const std::string& key) {
  constexpr std::size_t kMaxLength = 64;
  constexpr std::size_t kMaxDistance = 2;
  if (key.size() > kMaxLength) return "";
  std::size_t best_distance = std::min(kMaxDistance, LastWord(key).size() / 2) + 1;
  std::string_view best;
  const auto consider = [&](std::string_view candidate) {
    const std::size_t distance =
        std::min(EditDistance(key, candidate), EditDistance(LastWord(key), LastWord(candidate)));
    if (distance >= best_distance) return;
    best_distance = distance;
    best = candidate;
  };
  for (const Setting<Owner>& setting : settings) {
    consider(setting.key);
    consider(setting.key.substr(0, setting.key.find('.')));
  }
  return best.empty() ? "" : absl::StrCat("; did you mean ", Abseil(best), "?");
}

// "a.b[0].c", "a.b[0]", "a.b", "a": a key and what holds it.
std::vector<std::string> KeyAndHolders(std::string key) {
  std::vector<std::string> keys;
  while (true) {
    keys.push_back(key);
    const std::size_t cut = key.find_last_of(".[");
    if (cut == std::string::npos) return keys;
    key.resize(cut);
  }
}

// Finds the line in which a second document begins. YAML::Load() ignores whatever follows the
// first, and YAML::LoadAll() does not return from some broken texts.
class SecondDocument : public YAML::EventHandler {
 public:
  static std::optional<int> LineIn(const std::string& text) {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    SecondDocument handler;
    if (!parser.HandleNextDocument(handler)) return std::nullopt;
    if (!parser.HandleNextDocument(handler)) return std::nullopt;
    return handler.line_;
  }

  void OnDocumentStart(const YAML::Mark& mark) override { line_ = LineOf(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

 private:
  int line_ = 1;
};

// Fills a Config from YAML and collects every complaint with its line.
class Reader {
 public:
  explicit Reader(std::string_view name) : name_(name) {}

  absl::StatusOr<Config> Read(const std::string& text) {
    Config config;
    if (const auto line = SecondDocument::LineIn(text)) {
      Complain(*line, "", "begins a second document; allowed: one");
    }
    ReadSection(YAML::Load(text), Settings(), "", "", config);
    for (PortConfig& port : config.dataplane.ports) {
      if (port.name.empty()) port.name = DeviceName(port.device);
    }
    for (const Violation& violation : ValidateConfig(config)) Complain(violation);
    if (complaints_.empty()) return config;
    return Report();
  }

 private:
  // `section` is what keys begin with in the table, `prefix` in messages: "dataplane.ports[0].".
  template <typename Owner>
  void ReadSection(const YAML::Node& node, std::span<const Setting<Owner>> settings,
                   const std::string& section, const std::string& prefix, Owner& owner) {
    if (node.IsNull()) return;
    if (!node.IsMap()) {
      const std::string key = prefix.substr(0, prefix.find_last_not_of('.') + 1);
      return Complain(LineOf(node.Mark()), key,
                      Shown(node) + " is refused; allowed: settings, each as \"key: value\"");
    }
    for (const auto& entry : node) {
      const YAML::Node& name = entry.first;
      const int line = LineOf(name.Mark());
      if (!name.IsScalar()) {
        Complain(line, "", Shown(name) + " is refused as a key; allowed: plain text");
        continue;
      }
      const std::string key = prefix + absl::CEscape(name.Scalar());
      const auto [first, is_first] = lines_.emplace(key, line);
      if (name.Scalar().find('.') != std::string::npos) {
        Complain(line, key, "is no setting; write sections and settings as nested keys");
      } else if (is_first) {
        ReadEntry(entry.second, settings, section + name.Scalar(), key, owner);
      } else {
        Complain(line, key, absl::StrCat("is given twice, first in line ", first->second));
      }
    }
  }

  // `table_key` is `key` as it is in the table.
  template <typename Owner>
  void ReadEntry(const YAML::Node& node, std::span<const Setting<Owner>> settings,
                 const std::string& table_key, const std::string& key, Owner& owner) {
    const auto setting = std::ranges::find(settings, table_key, &Setting<Owner>::key);
    if (setting != settings.end()) {
      return std::visit([&](auto field) { ReadValue(node, key, setting->rules, field(owner)); },
                        setting->field);
    }
    const std::string section = table_key + ".";
    const bool is_section = std::ranges::any_of(
        settings, [&](const auto& candidate) { return candidate.key.starts_with(section); });
    if (is_section) return ReadSection(node, settings, section, key + ".", owner);
    Complain(lines_[key], key, "is no setting" + Suggestion(settings, table_key));
  }

  void ReadValue(const YAML::Node& node, const std::string& key, const Rules&, bool& value) {
    value = IsPlain(node) && node.Scalar() == "true";
    if (value || (IsPlain(node) && node.Scalar() == "false")) return;
    Complain(lines_[key], key, Shown(node) + " is no boolean; allowed: true, false");
  }

  template <std::unsigned_integral Number>
  void ReadValue(const YAML::Node& node, const std::string& key, const Rules& rules,
                 Number& value) {
    const std::string text = IsPlain(node) ? node.Scalar() : "";
    const bool is_number = !text.empty() && std::ranges::all_of(text, absl::ascii_isdigit) &&
                           (text == "0" || text.front() != '0');
    const char* end = text.data() + text.size();
    if (is_number && std::from_chars(text.data(), end, value).ec == std::errc()) return;
    Complain(lines_[key], key,
             absl::StrCat(is_number ? text + " is refused" : Shown(node) + " is no plain number",
                          "; allowed: ", rules.AllowedNumbers()));
  }

  void ReadValue(const YAML::Node& node, const std::string& key, const Rules& rules,
                 std::string& value) {
    if (node.IsScalar()) {
      value = node.Scalar();
    } else {
      Complain(lines_[key], key, Shown(node) + " is no text; allowed: " + rules.AllowedTexts());
    }
  }

  void ReadValue(const YAML::Node& node, const std::string& key, const Rules&, PortConfig& port) {
    if (node.IsScalar()) {
      port.device = node.Scalar();
    } else if (node.IsMap()) {
      ReadSection(node, PortSettings(), "", key + ".", port);
    } else {
      Complain(lines_[key], key,
               Shown(node) + " is no port; allowed: a device, or a map with \"device\" in it");
    }
  }

  template <typename Entry>
  void ReadValue(const YAML::Node& node, const std::string& key, const Rules& rules,
                 std::vector<Entry>& entries) {
    if (!node.IsSequence()) {
      return Complain(lines_[key], key,
                      Shown(node) + " is no list; allowed: a list of " + rules.AllowedEntries());
    }
    entries.assign(node.size(), Entry{});
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const std::string entry_key = absl::StrCat(key, "[", i, "]");
      lines_[entry_key] = LineOf(node[i].Mark());
      ReadValue(node[i], entry_key, rules, entries[i]);
    }
  }

  void Complain(int line, const std::string& key, const std::string& text) {
    unread_.insert(key);
    complaints_.emplace(line, absl::StrCat(key, key.empty() ? "" : ": ", text));
  }

  // A violation stands at the first of its keys that is in the file, else at what holds it. It is
  // not judged where one of its values could not be read.
  void Complain(const Violation& violation) {
    for (const std::string& key : violation.keys) {
      for (const std::string& holder : KeyAndHolders(key)) {
        if (unread_.contains(holder)) return;
      }
    }
    const auto given = std::ranges::find_if(
        violation.keys, [this](const std::string& key) { return lines_.contains(key); });
    const std::string key = given == violation.keys.end() ? violation.keys.front() : *given;
    int line = 1;
    for (const std::string& holder : KeyAndHolders(key)) {
      if (const auto found = lines_.find(holder); found != lines_.end()) {
        line = found->second;
        break;
      }
    }
    complaints_.emplace(line, absl::StrCat(key, ": ", violation.text));
  }

  absl::Status Report() const {
    std::string report;
    for (const auto& [line, text] : complaints_) {
      absl::StrAppend(&report, report.empty() ? "" : "\n", name_, ":", line, ": ", text);
    }
    return absl::InvalidArgumentError(report);
  }

  const std::string name_;
  std::map<std::string, int> lines_;  // where each key of the file is
  std::set<std::string> unread_;      // keys whose values keep their defaults
  std::multimap<int, std::string> complaints_;
};

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"),
                                                             &std::fclose);
  std::string text;
  while (file != nullptr) {
    char part[65536];
    const std::size_t bytes = std::fread(part, 1, sizeof(part), file.get());
    text.append(part, bytes);
    if (bytes > 0) continue;
    if (std::ferror(file.get()) == 0) return text;
    break;
  }
  return absl::ErrnoToStatus(errno, "cannot read the configuration file " + path);
}

}  // namespace

absl::StatusOr<Config> ParseConfig(std::string_view text, std::string_view name) {
  try {
    return Reader(name).Read(std::string(text));
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(Abseil(name), ":", LineOf(error.mark), ":",
                                                   std::max(error.mark.column, 0) + 1, ": ",
                                                   error.msg));
  }
}

absl::StatusOr<Config> LoadConfig(const std::string& path) {
  EDGECAP_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  EDGECAP_ASSIGN_OR_RETURN(Config config, ParseConfig(text, path));
  if (config.machine.empty()) {
    char host_name[HOST_NAME_MAX + 1] = {};
    gethostname(host_name, sizeof(host_name) - 1);
    config.machine = MachineName(host_name);
  }
  return config;
}

std::string MachineName(std::string_view host_name) {
  constexpr std::size_t kMaxLength = 64;
  std::string name(host_name.substr(0, kMaxLength));
  for (char& c : name) {
    if (!absl::ascii_isalnum(c) && c != '.' && c != '_' && c != '-') c = '-';
  }
  if (name.starts_with('.')) name.front() = '-';
  return name.empty() ? "localhost" : name;
}

}  // namespace edgecap::config
