// SPDX-License-Identifier: Apache-2.0
//
// Options that several commands share, for CLI11: numbers, the filter's fields, the daemon's
// socket. A wrong value is reported by CLI11's ValidationError, which command_line.cc prints.
//
// Life cycle: the variables given here outlive the parser.
//
// Threading: none.

#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "control/cli/numbers.h"
#include "filter/filter_spec.h"

namespace edgecap::cli {

// Headings in `--help`.
inline constexpr char kFilterGroup[] = "Filter (all that are given must hold)";
inline constexpr char kLimitsGroup[] = "Limits";
inline constexpr char kSamplingGroup[] = "Sampling";
inline constexpr char kOutputGroup[] = "Output";
inline constexpr char kDaemonGroup[] = "Daemon";

// A plain number within `range`.
CLI::Option* AddNumber(CLI::App& app, const std::string& flags, std::optional<std::uint64_t>& value,
                       const NumberRange& range, const std::string& meaning);

// Seconds, kept as nanoseconds.
CLI::Option* AddSeconds(CLI::App& app, const std::string& flags,
                        std::optional<std::uint64_t>& value_ns, const std::string& meaning);

// The words of a filter as they were given, by field name ("source_address").
using FilterWords = std::map<std::string, std::string>;

void AddFilterOptions(CLI::App& app, FilterWords& words);

// Errors: kInvalidArgument from FilterSpec, which reads and judges the words.
[[nodiscard]] absl::StatusOr<filter::FilterSpec> ToFilterSpec(const FilterWords& words);

// How a command reaches the daemon and what it prints.
struct DaemonOptions {
  DaemonOptions();  // socket from the environment, else where the daemon puts it

  std::string socket;
  bool json = false;
};

void AddSocketOption(CLI::App& app, DaemonOptions& options);
void AddDaemonOptions(CLI::App& app, DaemonOptions& options);

}  // namespace edgecap::cli
