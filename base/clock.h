// SPDX-License-Identifier: Apache-2.0
//
// The clock as a seam: nanoseconds since 1970-01-01 UTC, never going back for one reader.
//
// Threading: NowNs() from any thread, without a system call in the real one (base/tick_clock.h).

#pragma once

#include <cstdint>

namespace edgecap {

inline constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual std::uint64_t NowNs() const noexcept = 0;
};

}  // namespace edgecap
