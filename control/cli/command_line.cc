// SPDX-License-Identifier: Apache-2.0

#include "control/cli/command_line.h"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>

#include "base/status_macros.h"
#include "control/cli/capture_commands.h"
#include "control/cli/exit_code.h"
#include "control/cli/explain_command.h"
#include "control/cli/options.h"
#include "control/cli/record_command.h"

namespace edgecap::cli {
namespace {

constexpr std::size_t kHelpColumn = 36;

void AddCommands(CLI::App& app, DaemonOptions& daemon, Command& chosen) {
  app.get_formatter()->column_width(kHelpColumn);
  app.get_formatter()->label("REQUIRED", "");
  app.set_version_flag("--version", std::string("edgecap ") + EDGECAP_VERSION,
                       "print the version and exit");
  app.set_help_flag("-h,--help", "print this help and exit");
  app.require_subcommand(1);
  AddSocketOption(app, daemon);
  AddRecordCommand(app, chosen);
  AddExplainCommand(app, chosen);
  AddCreateCommand(app, daemon, chosen);
  AddListCommand(app, daemon, chosen);
  AddShowCommand(app, daemon, chosen);
  AddWaitCommand(app, daemon, chosen);
  AddStopCommand(app, daemon, chosen);
  AddDeleteCommand(app, daemon, chosen);
  AddDownloadCommand(app, daemon, chosen);
  AddStatsCommand(app, daemon, chosen);
  app.footer(
      "edgecap COMMAND --help explains a command.\n"
      "Exit codes: 0 success, 1 failure, 2 wrong command line, 3 out of time (wait).\n\n"
      "Examples:\n"
      "  edgecap create full --destination-port 443 --time-limit 60 --wait\n"
      "  edgecap record --read in.pcap -w out.pcap --protocol tcp");
}

int PrintError(const std::string& message) {
  std::fprintf(stderr, "edgecap: %s\n", message.c_str());
  return kExitFailure;
}

int PrintUsageError(const CLI::App& app, const CLI::ParseError& error) {
  std::string command = "edgecap";
  for (const CLI::App* sub : app.get_subcommands()) command += " " + sub->get_name();
  PrintError(error.what());
  std::fprintf(stderr, "  see: %s --help\n", command.c_str());
  return kExitUsage;
}

// Standard output may be a full disk or a closed pipe.
int Finish(int exit_code) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return exit_code;
  return PrintError(std::string("standard output: ") + std::strerror(errno));
}

}  // namespace

int RunCommandLine(int argc, const char* const* argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a reader that goes away is an error like any other
  CLI::App app("On-demand packet capture from DPDK ports.", "edgecap");
  DaemonOptions daemon;
  Command chosen;
  AddCommands(app, daemon, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help_or_version) {
    return Finish(app.exit(help_or_version));
  } catch (const CLI::ParseError& error) {
    return PrintUsageError(app, error);
  }
  const absl::StatusOr<int> exit_code = chosen();
  if (!exit_code.ok()) return PrintError(MessageOf(exit_code.status()));
  return Finish(*exit_code);
}

}  // namespace edgecap::cli
