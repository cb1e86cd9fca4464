// SPDX-License-Identifier: Apache-2.0

#include "sampler/rate_limit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <random>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "sampler/sampling_policy.h"

namespace edgecap::sampler {
namespace {

constexpr std::uint64_t kStart = 1'700'000'000'000'000'000;
__extension__ using Wide = __int128;

// Packets that come at the given times, at most 64.
Burst At(const std::vector<std::uint64_t>& times) {
  Burst burst{};
  burst.count = static_cast<std::uint32_t>(times.size());
  burst.packet_times = true;
  std::copy(times.begin(), times.end(), burst.time_ns.begin());
  return burst;
}

// Packets that come at once.
Burst AtOnce(std::uint32_t count, std::uint64_t time_ns) {
  Burst burst{};
  burst.count = count;
  burst.time_ns[0] = time_ns;
  return burst;
}

int Taken(RateLimit& limit, const Burst& burst) {
  return std::popcount(limit.Take(burst, burst.All()));
}

// True when no interval between two of these times, ends included, holds more than
// rate * T + burst of them. In whole numbers, over all intervals: with f(i) = i * 1e9 - rate * t(i)
// for the i-th time in order, f(j) - f(i) + 1e9 <= burst * 1e9 for all i <= j.
bool WithinBound(std::vector<std::uint64_t> times, std::uint64_t rate, std::uint64_t burst) {
  std::sort(times.begin(), times.end());
  Wide least = 0;
  for (std::size_t j = 0; j < times.size(); ++j) {
    const Wide f = Wide{j} * kNsPerSecond - Wide{rate} * times[j];
    least = j == 0 ? f : std::min(least, f);
    if (f - least + kNsPerSecond > Wide{burst} * kNsPerSecond) return false;
  }
  return true;
}

TEST(RateLimit, TheBoundOfTheseTestsIsTight) {
  EXPECT_TRUE(WithinBound({0, 0, 1'000'000}, 1000, 2));
  EXPECT_FALSE(WithinBound({0, 0, 999'999}, 1000, 2));
  EXPECT_FALSE(WithinBound({5, 0, 0}, 1, 2));
}

TEST(RateLimit, TakesTheFirstOfABurst) {
  RateLimit limit(1000, 10);
  EXPECT_EQ(limit.Take(AtOnce(64, kStart), ~PacketSet{1}), PacketSet{0x7fe});
  EXPECT_EQ(Taken(limit, AtOnce(64, kStart)), 0);
  EXPECT_EQ(Taken(limit, AtOnce(64, kStart + 999'999)), 0);
  EXPECT_EQ(Taken(limit, AtOnce(64, kStart + 1'000'000)), 1);
  EXPECT_EQ(Taken(limit, AtOnce(64, kStart + kNsPerSecond)), 10) << "never more than the burst";
}

TEST(RateLimit, SteadyTrafficGetsItsRate) {
  // The interval is rounded up by at most 2^-8 ns: of all packets rate / 2.56e11 fewer.
  for (const std::uint64_t rate : {3u, 1000u, 33'333u, 3'000'000u, 14'880'952u}) {
    RateLimit limit(rate, 1);
    std::uint64_t taken = 0;
    const std::uint64_t span = rate < 1000 ? 2 * kNsPerSecond : kNsPerSecond / 10;
    constexpr std::uint64_t kStep = 50;  // 20 million packets a second
    for (std::uint64_t time = 0; time <= span; time += 64 * kStep) {
      std::vector<std::uint64_t> times;
      for (std::uint64_t i = 0; i < 64; ++i) times.push_back(kStart + time + i * kStep);
      taken += Taken(limit, At(times));
    }
    const double due = static_cast<double>(span) * 1e-9 * static_cast<double>(rate);
    // A packet is taken up to a step late, but the next one is not the later for it on average only
    // if the bucket has room, so with a burst of 1 each interval may be a step longer.
    const double interval_ns = 1e9 / static_cast<double>(rate);
    EXPECT_GE(static_cast<double>(taken), due * interval_ns / (interval_ns + kStep + 1)) << rate;
    EXPECT_LE(static_cast<double>(taken), due * (1 + 1e-5) + 2) << rate;
    RateLimit roomy(rate, 100);
    taken = 0;
    for (std::uint64_t time = 0; time <= span; time += 64 * kStep) {
      std::vector<std::uint64_t> times;
      for (std::uint64_t i = 0; i < 64; ++i) times.push_back(kStart + time + i * kStep);
      taken += Taken(roomy, At(times));
    }
    EXPECT_GE(static_cast<double>(taken), due * (1 - static_cast<double>(rate) / 2.56e11) - 1)
        << rate;
  }
}

TEST(RateLimit, HoldsOverEveryIntervalOfUnevenTraffic) {
  std::mt19937_64 random(1);
  for (const auto& [rate, burst] : std::vector<std::pair<std::uint64_t, std::uint64_t>>{
           {1, 1}, {10, 100}, {1000, 1}, {1000, 64}, {999'983, 17}, {3'000'000, 1000}}) {
    RateLimit limit(rate, burst);
    std::vector<std::uint64_t> taken;
    std::uint64_t now = kStart;
    for (int poll = 0; poll < 20'000; ++poll) {
      // Pauses from nothing to many times the interval.
      now += random() % (std::uint64_t{1} << (random() % 34)) % (100 * kNsPerSecond / rate + 1);
      std::vector<std::uint64_t> times;
      for (std::uint64_t i = random() % 64 + 1; i != 0; --i) {
        now += random() % 100;
        times.push_back(now - random() % 1000);  // not quite in order
      }
      const Burst packets = At(times);
      ForEachPacket(limit.Take(packets, packets.All()),
                    [&](std::uint32_t i) { taken.push_back(times[i]); });
    }
    EXPECT_GT(taken.size(), 1000u);
    EXPECT_TRUE(WithinBound(taken, rate, burst)) << rate << " with " << burst;
  }
}

TEST(RateLimit, HoldsAcrossWorkers) {
  constexpr std::uint64_t kRate = 100'000;
  constexpr std::uint64_t kBurst = 50;
  constexpr int kWorkers = 4;
  constexpr std::uint64_t kSpan = kNsPerSecond;
  for (int round = 0; round < 5; ++round) {
    RateLimit limit(kRate, kBurst);
    std::vector<std::vector<std::uint64_t>> taken(kWorkers);
    std::vector<std::thread> workers;
    for (int worker = 0; worker < kWorkers; ++worker) {
      workers.emplace_back([&, worker] {
        std::mt19937_64 random(static_cast<std::uint64_t>(round * kWorkers + worker));
        // Each at its own pace: their times are as far apart as threads may be.
        for (std::uint64_t now = kStart; now < kStart + kSpan; now += random() % 20'000) {
          const Burst burst = AtOnce(static_cast<std::uint32_t>(random() % 64 + 1), now);
          const int count = Taken(limit, burst);
          taken[worker].insert(taken[worker].end(), count, now);
        }
      });
    }
    for (std::thread& thread : workers) thread.join();
    std::vector<std::uint64_t> all;
    for (const auto& its : taken) all.insert(all.end(), its.begin(), its.end());
    EXPECT_TRUE(WithinBound(all, kRate, kBurst));
    // Whoever is ahead may take what others come too late for, so it is at least nearly all.
    EXPECT_GE(all.size(), kRate * kSpan / kNsPerSecond * 9 / 10);
  }
}

TEST(RateLimit, TimesThatStepBackBeginAnew) {
  RateLimit limit(1, 2);
  EXPECT_EQ(Taken(limit, AtOnce(5, kStart)), 2);
  // A little back: still the same bucket, empty.
  EXPECT_EQ(Taken(limit, AtOnce(5, kStart - kNsPerSecond)), 0);
  // Another file: as if it were the first.
  const std::uint64_t years_before = kStart - 3 * 365 * 86'400 * kNsPerSecond;
  EXPECT_EQ(Taken(limit, AtOnce(5, years_before)), 2);
  EXPECT_EQ(Taken(limit, AtOnce(5, years_before + kNsPerSecond)), 1);
  // And forward again: time enough for a full bucket.
  EXPECT_EQ(Taken(limit, AtOnce(5, kStart)), 2);
  EXPECT_EQ(Taken(limit, AtOnce(5, kStart)), 0);
}

TEST(RateLimit, TimesOfAllKindsAreDealtWith) {
  for (const std::uint64_t time :
       {std::uint64_t{0}, std::uint64_t{1}, kStart, ~std::uint64_t{0}, std::uint64_t{1} << 55,
        std::uint64_t{1} << 56, (std::uint64_t{1} << 56) - 1}) {
    RateLimit limit(1000, 3);
    EXPECT_EQ(Taken(limit, AtOnce(64, time)), 3) << time;
    EXPECT_EQ(Taken(limit, AtOnce(64, time)), 0) << time;
    EXPECT_EQ(Taken(limit, AtOnce(64, time + kNsPerSecond)), 3) << time;
  }
  // Whatever a broken file claims: no more than the burst at any one time, and never stuck.
  std::mt19937_64 random(3);
  RateLimit limit(1000, 3);
  for (int i = 0; i < 10'000; ++i) {
    EXPECT_LE(Taken(limit, AtOnce(64, random())), 3);
  }
  EXPECT_EQ(Taken(limit, AtOnce(64, kStart)) + Taken(limit, AtOnce(64, kStart + kNsPerSecond * 20)),
            6);
}

TEST(RateLimit, TheLargestRateAndBurstDoNotOverflow) {
  RateLimit fastest(kRateMax, kRateBurstMax);
  RateLimit slowest(1, kRateBurstMax);
  for (RateLimit* limit : {&fastest, &slowest}) {
    std::uint64_t taken = 0;
    for (std::uint64_t i = 0; i < kRateBurstMax / 64 + 10; ++i) {
      taken += Taken(*limit, AtOnce(64, kStart));
    }
    EXPECT_EQ(taken, kRateBurstMax);
  }
}

}  // namespace
}  // namespace edgecap::sampler
