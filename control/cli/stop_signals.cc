// SPDX-License-Identifier: Apache-2.0

#include "control/cli/stop_signals.h"

#include <pthread.h>

#include <ctime>

namespace edgecap::cli {
namespace {

// nohup(1) ignores SIGHUP, and means it. A blocked signal would come all the same.
bool IsIgnored(int signal) {
  struct sigaction action = {};
  return sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

StopSignals::StopSignals() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGINT);
  sigaddset(&signals_, SIGTERM);
  if (!IsIgnored(SIGHUP)) sigaddset(&signals_, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals_, &before_);
}

StopSignals::~StopSignals() {
  while (Wait(std::chrono::milliseconds(0))) {  // asked twice is asked once
  }
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

bool StopSignals::Wait(std::chrono::milliseconds patience) const {
  const std::chrono::seconds seconds = std::chrono::duration_cast<std::chrono::seconds>(patience);
  const timespec timeout = {seconds.count(), std::chrono::nanoseconds(patience - seconds).count()};
  return sigtimedwait(&signals_, nullptr, &timeout) > 0;
}

}  // namespace edgecap::cli
