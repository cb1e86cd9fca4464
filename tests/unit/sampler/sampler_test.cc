// SPDX-License-Identifier: Apache-2.0

#include "sampler/sampler.h"

#include <gtest/gtest.h>

#include <bit>
#include <random>
#include <vector>

namespace edgecap::sampler {
namespace {

TEST(Sampler, OneInOneTakesAll) {
  Sampler sampler({1, 0}, 0);
  EXPECT_EQ(sampler.Thin(0b1011), 0b1011u);
}

TEST(Sampler, TakesOnlyWhatMatched) {
  Sampler sampler({3, 1}, 0);
  std::mt19937_64 random(1);
  for (int i = 0; i < 1000; ++i) {
    const PacketSet matched = random() & random();
    EXPECT_EQ(sampler.Thin(matched) & ~matched, 0u);
  }
}

TEST(Sampler, TakesExactlyOneOfEachRun) {
  for (const std::uint32_t one_in : {2u, 7u, 64u, 1000u}) {
    Sampler sampler({one_in, 99}, 0);
    std::mt19937_64 random(one_in);
    std::vector<bool> taken;  // by place among the matched packets
    while (taken.size() < std::size_t{one_in} * 50) {
      const PacketSet matched = random() & random();
      const PacketSet kept = sampler.Thin(matched);
      ForEachPacket(matched, [&](std::uint32_t i) { taken.push_back(((kept >> i) & 1) != 0); });
    }
    for (std::size_t run = 0; run + one_in <= taken.size(); run += one_in) {
      EXPECT_EQ(std::count(taken.begin() + run, taken.begin() + run + one_in, true), 1)
          << "one in " << one_in << ", run at " << run;
    }
  }
}

TEST(Sampler, DrawsEveryPlaceOfARunAboutEquallyOften) {
  constexpr std::uint32_t kOneIn = 8;
  constexpr int kRuns = 80'000;
  Sampler sampler({kOneIn, 5}, 0);
  std::vector<int> places(kOneIn);
  for (int i = 0; i < kRuns; ++i) ++places[std::countr_zero(sampler.Thin(0xff))];
  // Chi squared with 7 degrees of freedom: 24.3 is passed once in a thousand seeds; this is one.
  double chi_squared = 0;
  for (const int count : places) {
    const double expected = double{kRuns} / kOneIn;
    chi_squared += (count - expected) * (count - expected) / expected;
  }
  EXPECT_LT(chi_squared, 24.3);
}

TEST(Sampler, TheSameSeedTakesTheSamePackets) {
  Sampler a({10, 123}, 2);
  Sampler b({10, 123}, 2);
  Sampler other_worker({10, 123}, 3);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const PacketSet taken = a.Thin(~PacketSet{0});
    EXPECT_EQ(taken, b.Thin(~PacketSet{0}));
    differs |= taken != other_worker.Thin(~PacketSet{0});
  }
  EXPECT_TRUE(differs);
}

TEST(Sampler, TakesOneOfTheLargestRun) {
  Sampler sampler({4294967295u, 1}, 0);
  EXPECT_LE(std::popcount(sampler.Thin(~PacketSet{0})), 1);
}

}  // namespace
}  // namespace edgecap::sampler
