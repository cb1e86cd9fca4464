// SPDX-License-Identifier: Apache-2.0
//
// What the exit code of `edgecap` says, and what a command is once its words have been read: a
// function that gives the exit code, or an error to be printed (kExitFailure).
//
// Life cycle: a command is made while the command line is parsed and called once.
//
// Threading: none.

#pragma once

#include <functional>

#include "absl/status/statusor.h"

namespace edgecap::cli {

inline constexpr int kExitSuccess = 0;
inline constexpr int kExitFailure = 1;  // it was tried and did not work
inline constexpr int kExitUsage = 2;    // the command line is wrong; nothing was tried
inline constexpr int kExitTimeout = 3;  // `wait` ran out of time

using Command = std::function<absl::StatusOr<int>()>;

}  // namespace edgecap::cli
