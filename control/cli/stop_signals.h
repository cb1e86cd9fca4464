// SPDX-License-Identifier: Apache-2.0
//
// The signals by which a person or a service manager asks to stop (SIGINT, SIGTERM, SIGHUP), taken
// as answers to a question instead of interruptions.
//
// Life cycle: from the constructor on the signals wait to be asked for, in this thread and in those
// it starts; the destructor restores what was.
//
// Threading: one thread, the first.

#pragma once

#include <chrono>
#include <csignal>

namespace edgecap::cli {

class StopSignals {
 public:
  StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  ~StopSignals();

  // Waits up to `patience`; true as soon as one of them has come.
  [[nodiscard]] bool Wait(std::chrono::milliseconds patience) const;

 private:
  sigset_t signals_;
  sigset_t before_;
};

}  // namespace edgecap::cli
