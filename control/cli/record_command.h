// SPDX-License-Identifier: Apache-2.0
//
// `edgecap record`: options, run, report.
//
// Life cycle: AddRecordCommand() gives `app` the subcommand; when the parser meets it, `chosen`
// becomes the command. Both outlive the parsing.
//
// Threading: none.

#pragma once

#include <CLI/CLI.hpp>

#include "control/cli/exit_code.h"

namespace edgecap::cli {

void AddRecordCommand(CLI::App& app, Command& chosen);

}  // namespace edgecap::cli
