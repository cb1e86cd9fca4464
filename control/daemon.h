// SPDX-License-Identifier: Apache-2.0
//
// The daemon: every part of the service built in order, one event loop on the control thread, and
// an orderly end.
//
// Life cycle: Start() once a process, before any thread was started; Run() returns after SIGTERM or
// SIGINT, when every captured packet is on disk and every file is whole.
//
// Threading: the control thread is the one that calls.

#pragma once

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "config/config.h"

namespace edgecap::control {

class Daemon {
 public:
  // Says on standard error what was started. Errors: the first part's that refuses; nothing runs
  // then.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Daemon>> Start(config::Config config);

  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;
  ~Daemon();

  // Errors: kInternal when the event loop cannot wait.
  [[nodiscard]] absl::Status Run();

 private:
  struct Impl;
  explicit Daemon(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace edgecap::control
