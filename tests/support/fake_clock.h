// SPDX-License-Identifier: Apache-2.0
//
// A clock that stands where the test puts it.
//
// Threading: any.

#pragma once

#include <atomic>
#include <cstdint>

#include "base/clock.h"

namespace edgecap::testing {

class FakeClock final : public Clock {
 public:
  [[nodiscard]] std::uint64_t NowNs() const noexcept override { return now_ns_.load(); }
  void Set(std::uint64_t now_ns) { now_ns_.store(now_ns); }
  void Advance(std::uint64_t by_ns) { now_ns_.fetch_add(by_ns); }

 private:
  std::atomic<std::uint64_t> now_ns_{1'700'000'000'000'000'000};
};

}  // namespace edgecap::testing
