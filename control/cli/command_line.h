// SPDX-License-Identifier: Apache-2.0
//
// The whole of `edgecap`: reads the command line, runs the command, prints its error.
//
// Life cycle: one call.
//
// Threading: the first thread, before there are others.

#pragma once

namespace edgecap::cli {

// Returns the exit code.
[[nodiscard]] int RunCommandLine(int argc, const char* const* argv);

}  // namespace edgecap::cli
