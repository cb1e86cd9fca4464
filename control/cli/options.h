// SPDX-License-Identifier: Apache-2.0
//
// Options that several commands share, for CLI11: numbers, the daemon's socket. Filters and
// samplers have their own headers. A wrong value is reported by CLI11's ValidationError, which
// command_line.cc prints.
//
// Life cycle: the variables given here outlive the parser.
//
// Threading: none.

#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "control/cli/numbers.h"

namespace edgecap::cli {

// Headings in `--help`.
inline constexpr char kLimitsGroup[] = "Limits";
inline constexpr char kOutputGroup[] = "Output";
inline constexpr char kDaemonGroup[] = "Daemon";

// A plain number within `range`.
CLI::Option* AddNumber(CLI::App& app, const std::string& flags, std::optional<std::uint64_t>& value,
                       const NumberRange& range, const std::string& meaning);

// Seconds, kept as nanoseconds.
CLI::Option* AddSeconds(CLI::App& app, const std::string& flags,
                        std::optional<std::uint64_t>& value_ns, const std::string& meaning);

// How a command reaches the daemon and what it prints.
struct DaemonOptions {
  DaemonOptions();  // socket from the environment, else where the daemon puts it

  std::string socket;
  bool json = false;
};

void AddSocketOption(CLI::App& app, DaemonOptions& options);
void AddDaemonOptions(CLI::App& app, DaemonOptions& options);

}  // namespace edgecap::cli
