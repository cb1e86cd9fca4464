// SPDX-License-Identifier: Apache-2.0
//
// The daemon's HTTP API as the command line uses it, over its Unix socket. The only file that knows
// libcurl.
//
// Life cycle: one a program run; every call is one request and one connection.
//
// Threading: one at a time.

#pragma once

#include <cstddef>
#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace edgecap::cli {

// An answer: the JSON for reading, the text for `--json`.
struct Reply {
  std::string text;
  nlohmann::json json;  // null where the daemon sent no body
};

class Client {
 public:
  // Takes the pieces of a download as they come; an error ends it.
  using Sink = std::function<absl::Status(std::span<const std::byte>)>;
  // Asked again and again during a download; true ends it.
  using Cancelled = std::function<bool()>;

  explicit Client(std::string socket_path);

  // `method` is GET, POST or DELETE, `path` begins with "/v1/", `body` is JSON or empty.
  //
  // Errors: what the daemon says, with its details, coded as its HTTP status; kUnavailable when no
  // daemon answers, with what to do; kDataLoss for an answer that cannot be understood.
  [[nodiscard]] absl::StatusOr<Reply> Call(std::string_view method, std::string_view path,
                                           std::string_view body = {}) const;

  // Errors: as Call(); kDataLoss when the body ends early; kCancelled; those of `sink`.
  [[nodiscard]] absl::Status Download(std::string_view path, const Sink& sink,
                                      const Cancelled& cancelled) const;

 private:
  const std::string socket_path_;
};

// The status that an HTTP error of the daemon means: its message, then each detail on a line of its
// own. Ok for 2xx.
[[nodiscard]] absl::Status ToStatus(long http_status, const std::string& body);

}  // namespace edgecap::cli
