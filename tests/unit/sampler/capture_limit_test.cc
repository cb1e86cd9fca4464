// SPDX-License-Identifier: Apache-2.0

#include "sampler/capture_limit.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>
#include <thread>
#include <vector>

namespace edgecap::sampler {
namespace {

using Sizes = std::vector<std::uint32_t>;

TEST(CaptureLimit, WithoutLimitsGrantsAll) {
  CaptureLimit limit(0, 0);
  EXPECT_FALSE(limit.limited());
  EXPECT_EQ(limit.Claim(Sizes{1, 2, 3}), 3u);
  EXPECT_FALSE(limit.Reached());
}

TEST(CaptureLimit, GrantsPacketsUntilThereIsNone) {
  CaptureLimit limit(5, 0);
  EXPECT_EQ(limit.Claim(Sizes(3, 60)), 3u);
  EXPECT_FALSE(limit.Reached());
  EXPECT_EQ(limit.Claim(Sizes(3, 60)), 2u);
  EXPECT_TRUE(limit.PacketsReached());
  EXPECT_EQ(limit.Claim(Sizes(3, 60)), 0u);
}

TEST(CaptureLimit, StopsAtTheFirstPacketThatDoesNotFit) {
  CaptureLimit limit(0, 100);
  EXPECT_EQ(limit.Claim(Sizes{60, 41, 10}), 1u);
  EXPECT_TRUE(limit.BytesReached());
  EXPECT_EQ(limit.Claim(Sizes{10}), 0u) << "a later small packet is not squeezed in";
}

TEST(CaptureLimit, ReachesTheLastByte) {
  CaptureLimit limit(0, 100);
  EXPECT_EQ(limit.Claim(Sizes{60, 40}), 2u);
  EXPECT_TRUE(limit.BytesReached());
}

TEST(CaptureLimit, OfTwoLimitsTheFirstReachedEndsIt) {
  CaptureLimit packets_first(2, 1000);
  EXPECT_EQ(packets_first.Claim(Sizes(5, 10)), 2u);
  EXPECT_TRUE(packets_first.PacketsReached());
  CaptureLimit bytes_first(100, 25);
  EXPECT_EQ(bytes_first.Claim(Sizes(5, 10)), 2u);
  EXPECT_TRUE(bytes_first.BytesReached());
  EXPECT_FALSE(bytes_first.PacketsReached());
}

// Claims in bursts from several threads until refused; what was granted in all.
std::pair<std::uint64_t, std::uint64_t> ClaimFromThreads(CaptureLimit& limit, std::uint32_t size) {
  std::atomic<std::uint64_t> packets{0};
  std::atomic<std::uint64_t> bytes{0};
  std::vector<std::thread> workers;
  for (int worker = 0; worker < 4; ++worker) {
    workers.emplace_back([&, worker] {
      std::mt19937 random(worker);
      while (!limit.Reached()) {
        const Sizes burst(random() % 64 + 1, size);
        const std::uint32_t granted = limit.Claim(burst);
        packets += granted;
        bytes += std::uint64_t{granted} * size;
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  return {packets.load(), bytes.load()};
}

TEST(CaptureLimit, IsExactAcrossWorkers) {
  for (int round = 0; round < 20; ++round) {
    CaptureLimit packets(100'003, 0);
    EXPECT_EQ(ClaimFromThreads(packets, 60).first, 100'003u);
    CaptureLimit bytes(0, 60 * 50'001);
    EXPECT_EQ(ClaimFromThreads(bytes, 60).second, 60u * 50'001);
    CaptureLimit both(50'001, 60 * 50'007);
    EXPECT_EQ(ClaimFromThreads(both, 60).first, 50'001u);
  }
}

}  // namespace
}  // namespace edgecap::sampler
