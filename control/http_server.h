// SPDX-License-Identifier: Apache-2.0
//
// HTTP/1.1 on the operator socket, by libmicrohttpd, which is known here only. It has no thread of
// its own: whoever runs the event loop waits for EventFd() or TimeoutMs() and calls Run(), and all
// handlers run in there. Memory is bounded by the options: connections, bytes of each one's
// headers, bytes of each body.
//
// What never reaches the handler: peers that may not use the socket (403), bodies over the bound
// (413), requests whose length is said twice or in two ways (400).
//
// Life cycle: Start(), then Run() as often as asked; the destructor closes all connections and
// removes the socket.
//
// Threading: control only.

#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "control/http.h"
#include "control/unix_listener.h"

namespace edgecap::control {

struct HttpServerOptions {
  std::uint64_t max_body_bytes = 65536;
  std::uint32_t max_connections = 64;
  std::uint32_t idle_timeout_s = 30;  // a connection on which nothing moves is closed
};

class HttpServer {
 public:
  // Errors: kInternal when the library refuses.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<HttpServer>> Start(
      std::unique_ptr<UnixListener> listener, const HttpServerOptions& options,
      HttpHandler handler);

  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  ~HttpServer();

  // Readable when Run() has something to do.
  [[nodiscard]] int EventFd() const;

  // Run() has something to do after this many milliseconds at the latest; -1: not by time.
  [[nodiscard]] int TimeoutMs() const;

  void Run();

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace edgecap::control
