// SPDX-License-Identifier: Apache-2.0
//
// The ways to sample on the command line: --one-in, --probability, --per-flow, --rate with
// --rate-burst, --reservoir, and --seed. They mean what control/sampling_request.h says.
//
// Threading: none.

#pragma once

#include <CLI/CLI.hpp>

#include "absl/status/status.h"
#include "control/sampling_request.h"

namespace edgecap::cli {

// `request` outlives the parser.
void AddSamplingOptions(CLI::App& app, control::SamplingRequest& request);

// Errors: kInvalidArgument, naming what is wrong.
[[nodiscard]] absl::Status CheckSampling(const control::SamplingRequest& request);

}  // namespace edgecap::cli
