// SPDX-License-Identifier: Apache-2.0
//
// Waits for a condition, with a deadline that only a hung program reaches.
//
// Threading: any.

#pragma once

#include <chrono>
#include <functional>
#include <thread>

namespace edgecap::testing {

inline bool Eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  return true;
}

}  // namespace edgecap::testing
