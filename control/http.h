// SPDX-License-Identifier: Apache-2.0
//
// A request and its answer, as the routes see them: nothing of the library that carries them.
//
// Threading: values; a Stream is read on the thread that made it.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace edgecap::control {

struct HttpRequest {
  std::string method;  // a HEAD request arrives as "GET"
  std::string path;    // decoded, without the query
  std::string body;
};

// A body that is pulled while it is sent.
struct BodyStream {
  std::uint64_t total_bytes = 0;
  // Fills a part of the span, at least one byte. An error ends the connection, so that the client
  // sees that its body is short.
  std::function<absl::StatusOr<std::size_t>(std::span<std::byte>)> read;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::optional<BodyStream> stream;  // instead of body
};

using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

}  // namespace edgecap::control
