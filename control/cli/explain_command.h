// SPDX-License-Identifier: Apache-2.0
//
// The command `edgecap explain`: what a filter becomes, and what it does to a capture file.
//
// Life cycle, threading: see control/cli/capture_commands.h.

#pragma once

#include <CLI/CLI.hpp>

#include "control/cli/exit_code.h"

namespace edgecap::cli {

void AddExplainCommand(CLI::App& app, Command& chosen);

}  // namespace edgecap::cli
