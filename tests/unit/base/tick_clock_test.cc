// SPDX-License-Identifier: Apache-2.0

#include "base/tick_clock.h"

#include <gtest/gtest.h>
#include <time.h>

#include <thread>
#include <vector>

namespace edgecap {
namespace {

constexpr std::uint64_t kTicksPerSecond = 2'300'000'000;
constexpr std::uint64_t kStartNs = 1'700'000'000'000'000'000;

// What the three clocks show `seconds` after the start; realtime `offset_ns` away from the truth.
ClockSample At(double seconds, std::int64_t offset_ns = 0) {
  const auto ns = static_cast<std::uint64_t>(seconds * 1e9);
  return {1000 + static_cast<std::uint64_t>(seconds * kTicksPerSecond), 5'000 + ns,
          kStartNs + ns + static_cast<std::uint64_t>(offset_ns)};
}

std::int64_t ErrorAt(const TickConverter& converter, double seconds) {
  return static_cast<std::int64_t>(converter.ToNs(At(seconds).ticks) - At(seconds).realtime_ns);
}

TEST(TickConverter, FollowsTheRealtimeClock) {
  TickConverter converter(At(0), At(0.01));
  for (int second = 1; second < 10; ++second) {
    converter.Refresh(At(second));
    EXPECT_LE(std::abs(ErrorAt(converter, second + 0.5)), 200) << "second " << second;
  }
}

TEST(TickConverter, IsExactForAMonthWithoutARefresh) {
  // Both samples are exact: the slope's 32 fractional bits alone err 0.6 ms in a month.
  const TickConverter converter(At(0), At(100));
  constexpr double kMonth = 30.0 * 86400;
  EXPECT_LE(std::abs(ErrorAt(converter, kMonth)), 2'000'000);
  EXPECT_GT(converter.ToNs(At(kMonth).ticks), converter.ToNs(At(kMonth - 1).ticks));
}

TEST(TickConverter, ConvertsTicksFromJustBeforeItsBase) {
  const TickConverter converter(At(0), At(1));
  EXPECT_LE(std::abs(ErrorAt(converter, 0.999999)), 10);
}

TEST(TickConverter, NeverGoesBackWhenTheRealtimeClockIsSetBack) {
  TickConverter converter(At(0), At(0.01));
  std::uint64_t last = converter.ToNs(At(0.01).ticks);
  for (int step = 1; step < 300; ++step) {
    const double now = 0.01 + step * 0.1;
    // The operator sets the clock back by a minute after three seconds.
    if (step % 10 == 0) converter.Refresh(At(now, now > 3 ? -60'000'000'000 : 0));
    const std::uint64_t shown = converter.ToNs(At(now).ticks);
    EXPECT_GT(shown, last);
    last = shown;
  }
}

TEST(TickConverter, WalksOffASmallStepWithinSeconds) {
  TickConverter converter(At(0), At(0.01));
  constexpr std::int64_t kStep = -20'000'000;
  for (int second = 1; second < 5; ++second) converter.Refresh(At(second, kStep));
  EXPECT_LE(std::abs(ErrorAt(converter, 5) - kStep), 1'000);
}

TEST(TickConverter, JumpsForwardWhenTheRealtimeClockIsSetForward) {
  TickConverter converter(At(0), At(0.01));
  constexpr std::int64_t kHour = 3'600'000'000'000;
  converter.Refresh(At(1, kHour));
  EXPECT_LE(std::abs(ErrorAt(converter, 1.5) - kHour), 1'000);
}

TEST(TickConverter, IgnoresSamplesThatDoNotAdvance) {
  TickConverter converter(At(0), At(1));
  converter.Refresh(At(1));
  converter.Refresh(At(0.5));
  EXPECT_LE(std::abs(ErrorAt(converter, 2)), 10);
}

TEST(TickConverter, GivesWholeLinesToReadersDuringRefreshes) {
  TickConverter converter(At(0), At(1));
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    while (!stop.load()) EXPECT_LE(std::abs(ErrorAt(converter, 100)), 1'000'000);
  });
  for (int i = 2; i < 20'000; ++i) converter.Refresh(At(1 + i * 0.001));
  stop = true;
  reader.join();
}

TEST(TickClock, IsCloseToTheRealtimeClock) {
  const TickClock clock;
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  const auto realtime = static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
  EXPECT_LE(std::abs(static_cast<std::int64_t>(clock.NowNs()) - realtime), 5'000'000);
}

}  // namespace
}  // namespace edgecap
