// SPDX-License-Identifier: Apache-2.0
//
// Tests of chance state their bound through tests/support/statistics.h: a right implementation
// passes each with a probability of more than 1 - 1e-6 over all seeds.

#include "sampler/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>
#include <vector>

#include "tests/support/statistics.h"

namespace edgecap::sampler {
namespace {

using testing::BinomialSlack;
using testing::ChiSquared;
using testing::ChiSquaredBound;

constexpr PacketSet kAllOfBurst = ~PacketSet{0};

// A sampler of packets without any bytes, which only `rate` would look at.
class Thinner {
 public:
  explicit Thinner(const SamplingPolicy& policy, std::uint32_t worker = 0)
      : sampler_(policy, worker, nullptr) {}
  PacketSet operator()(PacketSet matched) { return sampler_.Thin(burst_, matched, nullptr); }
  PacketSet operator()(PacketSet matched, const std::uint64_t* flow_hash) {
    return sampler_.Thin(burst_, matched, flow_hash);
  }

 private:
  Burst burst_{};
  Sampler sampler_;
};

// Which of the first `packets` matched packets are taken, where bursts are cut by `random`.
std::vector<bool> Decisions(Thinner& thin, std::size_t packets, std::mt19937_64& random) {
  std::vector<bool> taken;
  while (taken.size() < packets) {
    const PacketSet matched = random() & random();
    const PacketSet kept = thin(matched);
    EXPECT_EQ(kept & ~matched, 0u);
    ForEachPacket(matched, [&](std::uint32_t i) { taken.push_back(((kept >> i) & 1) != 0); });
  }
  taken.resize(packets);
  return taken;
}

TEST(Sampler, AllTakesAll) {
  Thinner thin({});
  EXPECT_EQ(thin(0b1011), 0b1011u);
  Thinner one_in_one(SamplingPolicy::OneIn(1, 0));
  EXPECT_EQ(one_in_one(0b1011), 0b1011u);
}

TEST(Sampler, OneInTakesExactlyOneOfEachRun) {
  for (const std::uint32_t one_in : {2u, 7u, 64u, 1000u}) {
    Thinner thin(SamplingPolicy::OneIn(one_in, 99));
    std::mt19937_64 random(one_in);
    const std::vector<bool> taken = Decisions(thin, std::size_t{one_in} * 50, random);
    for (std::size_t run = 0; run + one_in <= taken.size(); run += one_in) {
      EXPECT_EQ(std::count(taken.begin() + run, taken.begin() + run + one_in, true), 1)
          << "one in " << one_in << ", run at " << run;
    }
  }
}

TEST(Sampler, OneInDrawsEveryPlaceOfARunEquallyOften) {
  constexpr std::uint32_t kOneIn = 8;
  constexpr int kRuns = 80'000;
  Thinner thin(SamplingPolicy::OneIn(kOneIn, 5));
  std::vector<std::uint64_t> places(kOneIn);
  for (int i = 0; i < kRuns; ++i) ++places[std::countr_zero(thin(0xff))];
  EXPECT_LT(ChiSquared(places, double{kRuns} / kOneIn), ChiSquaredBound(kOneIn - 1));
}

TEST(Sampler, OneInTakesTheSameAsEver) {
  // The generator and its use are part of what a seed means (tests/e2e/harness.py has them too).
  Thinner thin(SamplingPolicy::OneIn(10, 7));
  const std::vector<PacketSet> taken = {thin(kAllOfBurst), thin(kAllOfBurst)};
  std::uint64_t state = Spread(Spread(7)) | 1;
  std::vector<PacketSet> expected(2);
  for (std::uint64_t run = 0; run < 130; run += 10) {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    const std::uint64_t place = run + ((((state * 0x2545f4914f6cdd1d) >> 32) * 10) >> 32);
    if (place < 128) expected[place / 64] |= PacketSet{1} << (place % 64);
  }
  EXPECT_EQ(taken, expected);
}

TEST(Sampler, TheSameSeedTakesTheSamePackets) {
  for (const SamplingPolicy& policy :
       {SamplingPolicy::OneIn(10, 123), SamplingPolicy::Probability(0.1, 123)}) {
    Thinner a(policy, 2);
    Thinner b(policy, 2);
    Thinner other_worker(policy, 3);
    bool differs = false;
    for (int i = 0; i < 100; ++i) {
      const PacketSet taken = a(kAllOfBurst);
      EXPECT_EQ(taken, b(kAllOfBurst));
      differs |= taken != other_worker(kAllOfBurst);
    }
    EXPECT_TRUE(differs);
  }
}

TEST(Sampler, OneInTakesOneOfTheLargestRun) {
  Thinner thin(SamplingPolicy::OneIn(4294967295u, 1));
  EXPECT_LE(std::popcount(thin(kAllOfBurst)), 1);
}

TEST(Sampler, HowBurstsAreCutDoesNotMatter) {
  for (const SamplingPolicy& policy :
       {SamplingPolicy::OneIn(10, 3), SamplingPolicy::Probability(0.1, 3)}) {
    Thinner a(policy);
    Thinner b(policy);
    std::mt19937_64 one_way(1);
    std::mt19937_64 another(2);
    EXPECT_EQ(Decisions(a, 10'000, one_way), Decisions(b, 10'000, another));
  }
}

TEST(Sampler, ProbabilityTakesItsShare) {
  for (const double p : {1e-5, 0.001, 0.1, 0.5, 0.999}) {
    Thinner thin(SamplingPolicy::Probability(p, 17));
    std::mt19937_64 random(4);
    constexpr std::uint32_t kPackets = 3'000'000;
    const std::vector<bool> taken = Decisions(thin, kPackets, random);
    EXPECT_NEAR(static_cast<double>(std::count(taken.begin(), taken.end(), true)), kPackets * p,
                BinomialSlack(kPackets, p))
        << p;
  }
}

TEST(Sampler, ProbabilityLeavesGapsOfGeometricLength) {
  constexpr double kP = 0.1;
  constexpr std::size_t kGaps = 200'000;
  constexpr std::size_t kBins = 50;  // the last one: 49 and longer, 0.57 %
  Thinner thin(SamplingPolicy::Probability(kP, 23));
  std::vector<std::uint64_t> counts(kBins);
  std::size_t gap = 0;
  for (std::size_t gaps = 0; gaps < kGaps;) {
    const PacketSet taken = thin(kAllOfBurst);
    for (int i = 0; i < 64 && gaps < kGaps; ++i) {
      if (((taken >> i) & 1) == 0) {
        ++gap;
      } else {
        ++counts[std::min(gap, kBins - 1)];
        ++gaps;
        gap = 0;
      }
    }
  }
  std::vector<double> expected(kBins);
  for (std::size_t i = 0; i < kBins; ++i) {
    expected[i] = kGaps * std::pow(1 - kP, static_cast<double>(i)) * (i + 1 < kBins ? kP : 1);
  }
  EXPECT_LT(ChiSquared(counts, expected), ChiSquaredBound(kBins - 1));
}

TEST(Sampler, ProbabilityDecidesNeighboursApart) {
  // All 16 outcomes of four packets in a row, at one half.
  constexpr int kBursts = 20'000;
  Thinner thin(SamplingPolicy::Probability(0.5, 29));
  std::vector<std::uint64_t> counts(16);
  for (int burst = 0; burst < kBursts; ++burst) {
    const PacketSet taken = thin(kAllOfBurst);
    for (int i = 0; i < 64; i += 4) ++counts[(taken >> i) & 15];
  }
  EXPECT_LT(ChiSquared(counts, kBursts * 16.0 / 16), ChiSquaredBound(15));
}

TEST(Sampler, ProbabilityHoldsAtItsEnds) {
  Thinner all(SamplingPolicy::Probability(1, 1));
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(all(kAllOfBurst), kAllOfBurst);
  // Of 64,000 packets one is taken with a probability of 64,000 * 1e-300.
  for (const double p : {1e-300, 5e-324}) {
    Thinner none(SamplingPolicy::Probability(p, 1));
    for (int i = 0; i < 1000; ++i) EXPECT_EQ(none(kAllOfBurst), 0u);
  }
}

// Decisions for flows with these hashes; each flow comes twice, far apart.
std::vector<bool> FlowsTaken(const SamplingPolicy& policy, std::uint32_t worker,
                             const std::vector<std::uint64_t>& hashes) {
  Thinner thin(policy, worker);
  std::vector<bool> taken;
  for (int round = 0; round < 2; ++round) {
    for (std::size_t at = 0; at + 64 <= hashes.size(); at += 64) {
      const PacketSet kept = thin(kAllOfBurst, &hashes[at]);
      for (std::size_t i = 0; i < 64; ++i) {
        const bool is_taken = ((kept >> i) & 1) != 0;
        if (round == 0) {
          taken.push_back(is_taken);
        } else {
          EXPECT_EQ(taken[at + i], is_taken) << "a flow is taken whole or not at all";
        }
      }
    }
  }
  return taken;
}

TEST(Sampler, PerFlowTakesItsShareOfFlowsWholeOnEveryWorker) {
  constexpr std::size_t kFlows = 640'000;
  std::mt19937_64 random(5);
  std::vector<std::uint64_t> good(kFlows);
  std::generate(good.begin(), good.end(), std::ref(random));
  std::vector<std::uint64_t> counting(kFlows);  // a bad hash: the mixing has to do all
  for (std::size_t i = 0; i < kFlows; ++i) counting[i] = i;
  for (const auto& hashes : {good, counting}) {
    for (const std::uint32_t one_in : {1u, 2u, 10u, 1000u}) {
      const SamplingPolicy policy = SamplingPolicy::PerFlow(one_in, 77);
      const std::vector<bool> taken = FlowsTaken(policy, 0, hashes);
      EXPECT_EQ(taken, FlowsTaken(policy, 3, hashes)) << "workers agree";
      EXPECT_NEAR(static_cast<double>(std::count(taken.begin(), taken.end(), true)),
                  double{kFlows} / one_in, BinomialSlack(kFlows, 1.0 / one_in))
          << "one in " << one_in;
    }
  }
}

TEST(Sampler, PerFlowTakesOtherFlowsWithAnotherSeed) {
  constexpr std::size_t kFlows = 640'000;
  std::mt19937_64 random(6);
  std::vector<std::uint64_t> hashes(kFlows);
  std::generate(hashes.begin(), hashes.end(), std::ref(random));
  const std::vector<bool> a = FlowsTaken(SamplingPolicy::PerFlow(10, 1), 0, hashes);
  const std::vector<bool> b = FlowsTaken(SamplingPolicy::PerFlow(10, 2), 0, hashes);
  double both = 0;
  for (std::size_t i = 0; i < kFlows; ++i) both += a[i] && b[i] ? 1 : 0;
  EXPECT_NEAR(both, kFlows / 100.0, BinomialSlack(kFlows, 0.01));
}

TEST(Sampler, PerFlowLooksOnlyAtWhatMatched) {
  Thinner thin(SamplingPolicy::PerFlow(1, 1));
  const std::vector<std::uint64_t> hashes(64, 1);
  EXPECT_EQ(thin(0b1010, hashes.data()), 0b1010u);
}

TEST(SamplingPolicy, NamesItsMethods) {
  for (const auto method :
       {SamplingMethod::kAll, SamplingMethod::kOneIn, SamplingMethod::kProbability,
        SamplingMethod::kPerFlow, SamplingMethod::kRate, SamplingMethod::kReservoir}) {
    EXPECT_EQ(SamplingMethodNamed(NameOf(method)), method);
  }
  EXPECT_EQ(NameOf(SamplingMethod::kPerFlow), "per_flow");
  EXPECT_EQ(SamplingMethodNamed("flow"), std::nullopt);
}

TEST(SamplingPolicy, RefusesWhatItsMethodCannotDo) {
  const struct {
    SamplingPolicy policy;
    const char* message;
  } cases[] = {
      {SamplingPolicy::OneIn(0, 1), "one_in: 0 "},
      {SamplingPolicy::Probability(0, 1), "probability: 0"},
      {SamplingPolicy::Probability(1.5, 1), "probability: 1.5"},
      {SamplingPolicy::Probability(std::nan(""), 1), "probability: nan"},
      {SamplingPolicy::PerFlow(0, 1), "per_flow: 0 "},
      {SamplingPolicy::Rate(0, 1), "rate: 0 "},
      {SamplingPolicy::Rate(kRateMax + 1, 1), "rate: 1000000001 "},
      {SamplingPolicy::Rate(1, 0), "rate_burst: 0 "},
      {SamplingPolicy::Rate(1, kRateBurstMax + 1), "rate_burst: 10000001 "},
  };
  for (const auto& [policy, message] : cases) {
    EXPECT_EQ(policy.Validate().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(policy.Validate().message().find(message), 0u) << policy.Validate();
  }
  for (const SamplingPolicy& policy :
       {SamplingPolicy{}, SamplingPolicy::OneIn(~0u, 1), SamplingPolicy::Probability(1, 1),
        SamplingPolicy::PerFlow(~0u, 1), SamplingPolicy::Rate(kRateMax, kRateBurstMax),
        SamplingPolicy::Reservoir(1)}) {
    EXPECT_TRUE(policy.Validate().ok()) << policy.Validate();
  }
}

}  // namespace
}  // namespace edgecap::sampler
