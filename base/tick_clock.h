// SPDX-License-Identifier: Apache-2.0
//
// Packet time from a free-running counter: the processor's TSC, or a card's clock. A TickConverter
// is a straight line from ticks to nanoseconds since 1970 UTC; it is bent a little at every
// refresh, so that it follows the realtime clock and never jumps back. A TickClock is a counter
// with its converter and a thread of its own that refreshes it.
//
// How it follows: the slope comes from CLOCK_MONOTONIC, which is never set; the distance to
// CLOCK_REALTIME is walked off over the next second at a slope changed by at most 5 %. When the
// realtime clock is set forward by more than a second the line jumps forward at once; when it is
// set back the line runs 5 % slow until it is caught up, because packet times must not go back.
//
// Range: 128-bit products; exact for ages without a refresh.
//
// Threading: Refresh() belongs to one thread. ToNs() and NowNs() may be called from any, take no
// lock and make no system call; they retry in the rare moment that a refresh is being published.

#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "base/cache_line.h"
#include "base/clock.h"

namespace edgecap {

// The three clocks, read together.
struct ClockSample {
  std::uint64_t ticks = 0;
  std::uint64_t monotonic_ns = 0;
  std::uint64_t realtime_ns = 0;
};

// A counter: its function and what that needs. Callable from any thread.
struct TickReader {
  std::uint64_t (*read)(const void* context) noexcept;
  const void* context = nullptr;

  [[nodiscard]] std::uint64_t operator()() const noexcept { return read(context); }
};

// The processor's TSC (x86-64) or virtual counter (arm64).
[[nodiscard]] TickReader TscReader() noexcept;

// Reads CLOCK_MONOTONIC and CLOCK_REALTIME next to the counter, several times, and keeps the
// reading that was interrupted least.
[[nodiscard]] ClockSample SampleClocks(const TickReader& ticks);

class TickConverter {
 public:
  // The line through two samples. REQUIRES: both ticks and monotonic time advance between them.
  TickConverter(const ClockSample& first, const ClockSample& second);

  // Bends the line at `sample`. Samples that do not advance are ignored.
  void Refresh(const ClockSample& sample);

  [[nodiscard]] std::uint64_t ToNs(std::uint64_t ticks) const noexcept;

 private:
  struct Line {
    std::uint64_t base_ticks = 0;
    std::uint64_t base_ns = 0;
    std::uint64_t ns_per_tick_q32 = 0;  // 32 fractional bits
  };
  [[nodiscard]] static std::uint64_t Evaluate(const Line& line, std::uint64_t ticks) noexcept;
  void Publish(const Line& line) noexcept;

  ClockSample last_;  // refresher only
  Line line_;         // refresher only: what is published

  // A sequence lock: odd while the three words change.
  alignas(kCacheLineBytes) std::atomic<std::uint32_t> sequence_{0};
  std::atomic<std::uint64_t> base_ticks_{0};
  std::atomic<std::uint64_t> base_ns_{0};
  std::atomic<std::uint64_t> ns_per_tick_q32_{0};
};

// Life cycle: the constructor calibrates for 10 ms and starts the refresher; the destructor joins
// it.
class TickClock final : public Clock {
 public:
  explicit TickClock(TickReader ticks = TscReader());
  ~TickClock() override;

  [[nodiscard]] std::uint64_t NowNs() const noexcept override { return converter_.ToNs(ticks_()); }

  [[nodiscard]] const TickConverter& converter() const noexcept { return converter_; }

 private:
  void RefreshLoop();

  const TickReader ticks_;
  TickConverter converter_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread refresher_;
};

}  // namespace edgecap
