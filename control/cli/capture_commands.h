// SPDX-License-Identifier: Apache-2.0
//
// The commands that ask the daemon: create, list, show, wait, stop, delete, download, stats.
//
// Life cycle: each Add function gives `app` a subcommand; when the parser meets it, `chosen`
// becomes the command. All that is given here outlives the command. `daemon` is shared, because
// --socket may stand before the subcommand as well.
//
// Threading: none.

#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "control/cli/exit_code.h"
#include "control/cli/options.h"
#include "control/json_text.h"
#include "control/sampling_request.h"
#include "filter/filter_spec.h"

namespace edgecap::cli {

// What `create` asks for. What is not given is left to the daemon's configuration.
struct CreateOptions {
  std::string type;
  filter::CaptureFilter filter;
  std::optional<std::uint64_t> time_limit;
  std::optional<std::uint64_t> packet_limit;
  std::optional<std::uint64_t> byte_limit;
  std::optional<std::uint64_t> snaplen;
  control::SamplingRequest sampling;
  bool dry_run = false;
  bool wait = false;
};

// The body of POST /v1/captures.
[[nodiscard]] control::Json CreateRequest(const CreateOptions& options);

void AddCreateCommand(CLI::App& app, DaemonOptions& daemon, Command& chosen);
void AddListCommand(CLI::App& app, DaemonOptions& daemon, Command& chosen);
void AddShowCommand(CLI::App& app, DaemonOptions& daemon, Command& chosen);
void AddWaitCommand(CLI::App& app, DaemonOptions& daemon, Command& chosen);
void AddStopCommand(CLI::App& app, DaemonOptions& daemon, Command& chosen);
void AddDeleteCommand(CLI::App& app, DaemonOptions& daemon, Command& chosen);
void AddDownloadCommand(CLI::App& app, DaemonOptions& daemon, Command& chosen);
void AddStatsCommand(CLI::App& app, DaemonOptions& daemon, Command& chosen);

}  // namespace edgecap::cli
