// SPDX-License-Identifier: Apache-2.0

#include "control/cli/command_line.h"

int main(int argc, char** argv) { return edgecap::cli::RunCommandLine(argc, argv); }
