// SPDX-License-Identifier: Apache-2.0
//
// Waiting for the end of a capture by asking for it again and again, with a progress line.
//
// Life cycle: one call.
//
// Threading: one at a time.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "control/cli/client.h"

namespace edgecap::cli {

struct Waited {
  Reply capture;  // as it was asked for last
  bool ended = false;
};

// Without a timeout it waits as long as it takes. Errors: those of Client::Call().
[[nodiscard]] absl::StatusOr<Waited> WaitForCapture(const Client& client, const std::string& id,
                                                    std::optional<std::uint64_t> timeout_ns);

}  // namespace edgecap::cli
