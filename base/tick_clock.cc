// SPDX-License-Identifier: Apache-2.0

#include "base/tick_clock.h"

#include <pthread.h>
#include <time.h>

#include <algorithm>
#include <chrono>

#include "base/check.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace edgecap {
namespace {

constexpr double kSlewMax = 0.05;
constexpr std::int64_t kJumpForwardNs = 1'000'000'000;
constexpr auto kRefreshInterval = std::chrono::seconds(1);
constexpr auto kFirstCalibration = std::chrono::milliseconds(10);

std::uint64_t ReadClock(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kNsPerSecond +
         static_cast<std::uint64_t>(now.tv_nsec);
}

double NsPerTick(const ClockSample& from, const ClockSample& to) {
  return static_cast<double>(to.monotonic_ns - from.monotonic_ns) /
         static_cast<double>(to.ticks - from.ticks);
}

std::uint64_t ToQ32(double value) { return static_cast<std::uint64_t>(value * 4294967296.0); }

TickConverter Calibrate(const TickReader& ticks) {
  const ClockSample first = SampleClocks(ticks);
  std::this_thread::sleep_for(kFirstCalibration);
  return TickConverter(first, SampleClocks(ticks));
}

std::uint64_t ReadTsc(const void*) noexcept {
#if defined(__x86_64__)
  return __rdtsc();
#elif defined(__aarch64__)
  std::uint64_t ticks;
  asm volatile("mrs %0, cntvct_el0" : "=r"(ticks));
  return ticks;
#else
#error "edgecap runs on x86-64 and arm64"
#endif
}

}  // namespace

TickReader TscReader() noexcept { return {ReadTsc, nullptr}; }

ClockSample SampleClocks(const TickReader& ticks) {
  constexpr int kReadings = 5;
  ClockSample best;
  std::uint64_t best_gap = ~std::uint64_t{0};
  for (int i = 0; i < kReadings; ++i) {
    const std::uint64_t before = ticks();
    const std::uint64_t monotonic = ReadClock(CLOCK_MONOTONIC);
    const std::uint64_t realtime = ReadClock(CLOCK_REALTIME);
    const std::uint64_t gap = ticks() - before;
    if (gap < best_gap) {
      best_gap = gap;
      best = {before + gap / 2, monotonic, realtime};
    }
  }
  return best;
}

TickConverter::TickConverter(const ClockSample& first, const ClockSample& second) : last_(second) {
  EDGECAP_CHECK(second.ticks > first.ticks && second.monotonic_ns > first.monotonic_ns);
  Publish({second.ticks, second.realtime_ns, ToQ32(NsPerTick(first, second))});
}

void TickConverter::Refresh(const ClockSample& sample) {
  if (sample.ticks <= last_.ticks || sample.monotonic_ns <= last_.monotonic_ns) return;
  const double slope = NsPerTick(last_, sample);
  const std::uint64_t shown_ns = Evaluate(line_, sample.ticks);
  const auto behind_ns = static_cast<std::int64_t>(sample.realtime_ns - shown_ns);
  last_ = sample;
  if (behind_ns > kJumpForwardNs) {
    Publish({sample.ticks, sample.realtime_ns, ToQ32(slope)});
    return;
  }
  // Walk the distance off within one refresh interval.
  const double slew = std::clamp(static_cast<double>(behind_ns) / static_cast<double>(kNsPerSecond),
                                 -kSlewMax, kSlewMax);
  Publish({sample.ticks, shown_ns, ToQ32(slope * (1.0 + slew))});
}

std::uint64_t TickConverter::Evaluate(const Line& line, std::uint64_t ticks) noexcept {
  // Signed: another core's counter may read a little before the base.
  const auto distance = static_cast<std::int64_t>(ticks - line.base_ticks);
  __extension__ using Wide = __int128;
  const Wide product = static_cast<Wide>(distance) * static_cast<Wide>(line.ns_per_tick_q32);
  return line.base_ns + static_cast<std::uint64_t>(static_cast<std::int64_t>(product >> 32));
}

std::uint64_t TickConverter::ToNs(std::uint64_t ticks) const noexcept {
  for (;;) {
    const std::uint32_t before = sequence_.load(std::memory_order_acquire);
    const Line line{base_ticks_.load(std::memory_order_acquire),
                    base_ns_.load(std::memory_order_acquire),
                    ns_per_tick_q32_.load(std::memory_order_acquire)};
    if ((before & 1) == 0 && sequence_.load(std::memory_order_relaxed) == before) {
      return Evaluate(line, ticks);
    }
  }
}

void TickConverter::Publish(const Line& line) noexcept {
  line_ = line;
  const std::uint32_t sequence = sequence_.load(std::memory_order_relaxed);
  sequence_.store(sequence + 1, std::memory_order_relaxed);
  // Release stores: whoever sees a new word also sees the odd sequence number.
  base_ticks_.store(line.base_ticks, std::memory_order_release);
  base_ns_.store(line.base_ns, std::memory_order_release);
  ns_per_tick_q32_.store(line.ns_per_tick_q32, std::memory_order_release);
  sequence_.store(sequence + 2, std::memory_order_release);
}

TickClock::TickClock(TickReader ticks)
    : ticks_(ticks), converter_(Calibrate(ticks)), refresher_([this] { RefreshLoop(); }) {}

TickClock::~TickClock() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  refresher_.join();
}

void TickClock::RefreshLoop() {
  pthread_setname_np(pthread_self(), "clock");
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, kRefreshInterval, [this] { return stopping_; })) {
    converter_.Refresh(SampleClocks(ticks_));
  }
}

}  // namespace edgecap
