// SPDX-License-Identifier: Apache-2.0
//
// Reads the configuration file. Strict: keys that do not exist, keys given twice, values of the
// wrong type or outside what is allowed are errors, and all of them are reported together, one on
// each line, in the order of the file:
//
//   /etc/edgecap/edgecapd.yaml:7: dataplane.mbuf_bytes: 100 is refused; allowed: 256 to 65000 bytes
//
// Whatever is not given has its default; a section may be empty.
//
// Life cycle: free functions, called at start.
//
// Threading: any.

#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "config/config.h"

namespace edgecap::config {

// The valid configuration in the file `path`, the machine's name filled in from the host.
//
// Errors:
//   kInvalidArgument    the file holds no valid configuration; the message is the report
//   others              it cannot be read: the path and the system's reason
[[nodiscard]] absl::StatusOr<Config> LoadConfig(const std::string& path);

// The same from text; `name` is the file's in messages. The machine's name stays as it is given.
[[nodiscard]] absl::StatusOr<Config> ParseConfig(std::string_view text, std::string_view name);

// A host name made fit for `machine`: characters that are not allowed there become '-'.
[[nodiscard]] std::string MachineName(std::string_view host_name);

}  // namespace edgecap::config
