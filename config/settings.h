// SPDX-License-Identifier: Apache-2.0
//
// The one table of settings. Each row is a setting: where it lives in the structs of config.h, its
// key, unit, allowed values and meaning; its default is the struct's own. The loader, the validator
// and the printed reference are all made from these rows, so a new setting is one field and one
// row. Settings are read at start: a change of any of them needs a restart.
//
// Life cycle: constant.
//
// Threading: immutable.

#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/config.h"

namespace edgecap::config {

// Both ends included.
struct Range {
  std::uint64_t min = 0;
  std::uint64_t max = std::numeric_limits<std::uint64_t>::max();

  constexpr bool Contains(std::uint64_t value) const { return min <= value && value <= max; }
};

enum class TextForm {
  kPrintable,     // no control characters
  kName,          // letters, digits, '.', '_', '-'; no leading dot: safe as a part of a file name
  kAbsolutePath,  // printable, begins with '/'
  kPrefix,        // an IP address, or a network: 10.0.0.0/8
};

// What a value may be. For a list these hold for each entry.
struct Rules {
  std::string_view unit = {};
  Range range = {};  // of a number; of a text's length in bytes
  std::uint64_t multiple_of = 1;
  TextForm form = TextForm::kPrintable;
  std::span<const std::string_view> choices = {};  // empty: any text of that form
  Range entries = {};                              // of a list: how many

  [[nodiscard]] bool Allow(std::uint64_t number) const;
  [[nodiscard]] bool Allow(std::string_view text) const;

  // The rule in words: "256 to 65000 bytes", "auto, on, off".
  [[nodiscard]] std::string AllowedNumbers() const;
  [[nodiscard]] std::string AllowedTexts() const;
  [[nodiscard]] std::string AllowedEntries() const;
};

// Finds a setting's value in the struct that owns it; its type is the setting's type.
template <typename Owner>
using Field =
    std::variant<bool& (*)(Owner&), std::uint32_t& (*)(Owner&), std::uint64_t& (*)(Owner&),
                 std::string& (*)(Owner&), std::vector<std::uint32_t>& (*)(Owner&),
                 std::vector<std::string>& (*)(Owner&), std::vector<PortConfig>& (*)(Owner&)>;

template <typename Owner>
struct Setting {
  std::string_view key;  // "dataplane.mbuf_bytes"; of a port: "queues"
  Field<Owner> field;
  Rules rules;
  std::string_view meaning;
};

[[nodiscard]] std::span<const Setting<Config>> Settings();

// Of each entry of dataplane.ports.
[[nodiscard]] std::span<const Setting<PortConfig>> PortSettings();

// Every setting with type, default, allowed values and meaning: an aligned Markdown table, in the
// order of the example file.
[[nodiscard]] std::string SettingsReference();

}  // namespace edgecap::config
