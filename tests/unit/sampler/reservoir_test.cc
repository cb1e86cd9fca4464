// SPDX-License-Identifier: Apache-2.0
//
// Tests of chance state their bound through tests/support/statistics.h: a right implementation
// passes each with a probability of more than 1 - 1e-6 over all seeds.

#include "sampler/reservoir.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include "sampler/sample_selection.h"
#include "tests/support/statistics.h"
#include "tests/support/test_burst.h"

namespace edgecap::sampler {
namespace {

using testing::BinomialSlack;
using testing::ChiSquared;
using testing::ChiSquaredBound;

std::unique_ptr<Reservoir> Make(std::uint64_t capacity, std::uint64_t seed,
                                std::uint32_t worker = 0, std::uint32_t packet_bytes = 8) {
  auto reservoir =
      Reservoir::Create({capacity, packet_bytes, seed, worker, /*touched=*/capacity > 1});
  EXPECT_TRUE(reservoir.ok()) << reservoir.status();
  return *std::move(reservoir);
}

// Packets whose bytes are numbers that count on from burst to burst.
class NumberedPackets {
 public:
  explicit NumberedPackets(std::uint64_t first = 0) : next_(first) {}

  void Give(Reservoir& reservoir, std::uint64_t packets) {
    while (packets != 0) {
      burst_.count = static_cast<std::uint32_t>(std::min<std::uint64_t>(packets, 64));
      burst_.time_ns[0] = next_;
      for (std::uint32_t i = 0; i < burst_.count; ++i) {
        numbers_[i] = next_++;
        burst_.packets[i] = {reinterpret_cast<const std::uint8_t*>(&numbers_[i]), 8, 8};
      }
      reservoir.Take(burst_, burst_.All());
      packets -= burst_.count;
    }
  }

 private:
  Burst burst_{};
  std::uint64_t numbers_[64];
  std::uint64_t next_;
};

std::uint64_t NumberOf(const Reservoir::Packet& packet) {
  std::uint64_t number = ~std::uint64_t{0};
  if (packet.bytes.size() == 8) std::memcpy(&number, packet.bytes.data(), 8);
  return number;
}

std::vector<std::uint64_t> HeldNumbers(const Reservoir& reservoir) {
  std::vector<std::uint64_t> numbers;
  for (std::uint64_t slot = 0; slot < reservoir.size(); ++slot) {
    numbers.push_back(NumberOf(reservoir.At(slot)));
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

// Of `size` out of `all` packets, how often each group of equally many packets is in the sample, as
// a statistic that is chi-squared with groups - 1 degrees of freedom. Draws without replacement
// spread less than independent ones, by (all - size) / (all - 1).
double GroupStatistic(const std::vector<std::uint64_t>& counts, double size, double all,
                      double runs) {
  const double expected = runs * size / static_cast<double>(counts.size());
  return ChiSquared(counts, expected) * (all - 1) / (all - size);
}

TEST(Reservoir, HoldsAllAsLongAsThereIsRoom) {
  for (const std::uint64_t packets : {0u, 1u, 63u, 64u, 99u, 100u}) {
    const auto reservoir = Make(100, 1);
    NumberedPackets().Give(*reservoir, packets);
    std::vector<std::uint64_t> all(packets);
    std::iota(all.begin(), all.end(), std::uint64_t{0});
    EXPECT_EQ(HeldNumbers(*reservoir), all);
    EXPECT_EQ(reservoir->seen(), packets);
  }
}

TEST(Reservoir, HoldsExactlyItsCapacityOfDifferentPackets) {
  for (const std::uint64_t capacity : {1u, 2u, 64u, 1000u}) {
    const auto reservoir = Make(capacity, 7);
    NumberedPackets().Give(*reservoir, 100'000);
    const std::vector<std::uint64_t> held = HeldNumbers(*reservoir);
    EXPECT_EQ(std::set<std::uint64_t>(held.begin(), held.end()).size(), capacity);
    EXPECT_LT(held.back(), 100'000u);
    EXPECT_EQ(reservoir->Held(), (Traffic{capacity, 8 * capacity}));
    for (std::uint64_t slot = 0; slot < capacity; ++slot) {
      EXPECT_EQ(reservoir->At(slot).place, NumberOf(reservoir->At(slot)));
    }
  }
}

TEST(Reservoir, EverySetOfPacketsIsEquallyLikely) {
  // Three of six: 20 sets.
  constexpr int kRuns = 40'000;
  std::vector<std::uint64_t> counts(64);
  for (int run = 0; run < kRuns; ++run) {
    const auto reservoir = Make(3, static_cast<std::uint64_t>(run));
    NumberedPackets().Give(*reservoir, 6);
    std::uint64_t set = 0;
    for (const std::uint64_t number : HeldNumbers(*reservoir)) set |= std::uint64_t{1} << number;
    ++counts[set];
  }
  std::erase(counts, 0u);
  ASSERT_EQ(counts.size(), 20u);
  EXPECT_LT(ChiSquared(counts, kRuns / 20.0), ChiSquaredBound(19));
}

TEST(Reservoir, EveryPlaceInTimeIsEquallyLikely) {
  const struct {
    std::uint64_t capacity, packets, runs;
  } cases[] = {{1, 1000, 40'000}, {20, 1000, 4000}, {900, 1000, 1000}, {10, 200'000, 1000}};
  for (const auto& [capacity, packets, runs] : cases) {
    constexpr std::uint64_t kGroups = 50;
    std::vector<std::uint64_t> counts(kGroups);
    for (std::uint64_t run = 0; run < runs; ++run) {
      const auto reservoir = Make(capacity, run);
      NumberedPackets().Give(*reservoir, packets);
      for (const std::uint64_t number : HeldNumbers(*reservoir)) {
        ++counts[number * kGroups / packets];
      }
    }
    EXPECT_LT(GroupStatistic(counts, static_cast<double>(capacity), static_cast<double>(packets),
                             static_cast<double>(runs)),
              ChiSquaredBound(kGroups - 1))
        << capacity << " of " << packets;
  }
}

TEST(Reservoir, HowBurstsAreCutDoesNotMatter) {
  const auto one_way = Make(50, 3);
  const auto another = Make(50, 3);
  NumberedPackets a;
  NumberedPackets b;
  a.Give(*one_way, 50'000);
  std::mt19937_64 random(1);
  for (std::uint64_t given = 0; given < 50'000;) {
    const std::uint64_t next = std::min<std::uint64_t>(random() % 200, 50'000 - given);
    b.Give(*another, next);
    given += next;
  }
  EXPECT_EQ(HeldNumbers(*one_way), HeldNumbers(*another));
}

TEST(Reservoir, KeepsPacketsWholeInPiecesAndCutWithTheirTimesAndLengths) {
  std::mt19937_64 random(11);
  const auto reservoir = Make(40, 5, 0, /*packet_bytes=*/500);
  std::vector<std::vector<std::uint8_t>> packets;
  for (int round = 0; round < 200; ++round) {
    testing::TestBurst burst;
    for (int i = 0; i < 10; ++i) {
      std::vector<std::uint8_t> bytes(random() % 1000 + 1);
      for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
      if (bytes.size() > 3 && i % 2 == 0) {
        const std::size_t first = bytes.size() / 3;
        const std::size_t second = bytes.size() / 4;
        burst.AddPieces(bytes, {first, second, bytes.size() - first - second},
                        1000 + packets.size());
      } else {
        burst.Add(bytes, 1000 + packets.size());
      }
      packets.push_back(std::move(bytes));
    }
    reservoir->Take(burst.burst(), burst.burst().All());
    Traffic held;
    std::uint64_t stored = 0;
    for (std::uint64_t slot = 0; slot < reservoir->size(); ++slot) {
      const Reservoir::Packet packet = reservoir->At(slot);
      const auto& bytes = packets[packet.place];
      ASSERT_EQ(packet.time_ns, 1000 + packet.place);
      ASSERT_EQ(packet.wire_bytes, bytes.size());
      ASSERT_EQ(packet.bytes.size(), std::min<std::size_t>(bytes.size(), 500));
      ASSERT_EQ(std::memcmp(packet.bytes.data(), bytes.data(), packet.bytes.size()), 0);
      held += {1, packet.wire_bytes};
      stored += packet.bytes.size();
    }
    ASSERT_EQ(reservoir->Held(), held);
    ASSERT_EQ(reservoir->StoredBytes(), stored);
  }
}

TEST(Reservoir, LooksOnlyAtWhatMatched) {
  testing::TestBurst burst;
  for (std::uint8_t i = 0; i < 10; ++i) burst.Add({i});
  const auto reservoir = Make(10, 1);
  reservoir->Take(burst.burst(), 0b1010010);
  ASSERT_EQ(reservoir->size(), 3u);
  EXPECT_EQ(reservoir->At(0).bytes[0], std::byte{1});
  EXPECT_EQ(reservoir->At(1).bytes[0], std::byte{4});
  EXPECT_EQ(reservoir->At(2).bytes[0], std::byte{6});
}

TEST(Reservoir, SaysWhatFits) {
  for (const std::uint64_t bytes : {100u, 4096u, 67'108'864u}) {
    for (const std::uint64_t capacity : {1u, 3u, 1000u}) {
      const std::uint64_t fits = Reservoir::PacketBytesWithin(bytes, capacity);
      if (fits != 0) {
        EXPECT_LE(capacity * Reservoir::SlotBytes(static_cast<std::uint32_t>(fits)), bytes);
      }
      EXPECT_GT(capacity * Reservoir::SlotBytes(static_cast<std::uint32_t>(fits) + 1), bytes);
    }
  }
}

TEST(Reservoir, MemoryThatCannotBeHadIsAnError) {
  const auto reservoir = Reservoir::Create({std::uint64_t{1} << 38, 262144, 0, 0, false});
  EXPECT_EQ(reservoir.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(reservoir.status().message().find("packet_limit"), absl::string_view::npos);
}

// ---- one sample out of several reservoirs ----

// The numbers in the sample of `size` out of workers that were given so many packets each, numbered
// on from worker to worker.
std::vector<std::uint64_t> Sample(const std::vector<std::uint64_t>& loads, std::uint64_t size,
                                  std::uint64_t seed) {
  std::vector<std::unique_ptr<Reservoir>> reservoirs;
  std::vector<const Reservoir*> pointers;
  std::uint64_t first = 0;
  for (std::uint32_t worker = 0; worker < loads.size(); ++worker) {
    reservoirs.push_back(Make(size, seed, worker));
    pointers.push_back(reservoirs.back().get());
    NumberedPackets(first).Give(*reservoirs.back(), loads[worker]);
    first += loads[worker];
  }
  std::vector<std::uint64_t> numbers;
  const auto selected = SelectSample(pointers, size, seed);
  EXPECT_EQ(selected.size(), loads.size());
  for (std::size_t worker = 0; worker < selected.size(); ++worker) {
    for (const std::uint64_t slot : selected[worker]) {
      numbers.push_back(NumberOf(reservoirs[worker]->At(slot)));
    }
  }
  return numbers;
}

TEST(SampleSelection, HasExactlyAsManyAsAskedForOrAllThereWere) {
  for (const std::vector<std::uint64_t>& loads : std::vector<std::vector<std::uint64_t>>{
           {0}, {5}, {1000}, {0, 0}, {3, 4}, {70, 40}, {10'000, 0}, {500, 1, 30, 99}}) {
    const std::uint64_t all = std::accumulate(loads.begin(), loads.end(), std::uint64_t{0});
    const std::vector<std::uint64_t> sample = Sample(loads, 100, 9);
    EXPECT_EQ(sample.size(), std::min<std::uint64_t>(all, 100));
    EXPECT_EQ(std::set<std::uint64_t>(sample.begin(), sample.end()).size(), sample.size());
    // Numbers ascend with time and, from worker to worker, by construction.
    EXPECT_TRUE(std::is_sorted(sample.begin(), sample.end())) << "in time order";
  }
}

TEST(SampleSelection, EverySetOfPacketsIsEquallyLikely) {
  constexpr int kRuns = 40'000;
  for (const std::vector<std::uint64_t>& loads :
       std::vector<std::vector<std::uint64_t>>{{4, 2}, {5, 1}, {1, 2, 3}, {3, 0, 2, 1}}) {
    std::vector<std::uint64_t> counts(64);
    for (int run = 0; run < kRuns; ++run) {
      std::uint64_t set = 0;
      for (const std::uint64_t number : Sample(loads, 3, static_cast<std::uint64_t>(run))) {
        set |= std::uint64_t{1} << number;
      }
      ++counts[set];
    }
    std::erase(counts, 0u);
    ASSERT_EQ(counts.size(), 20u);
    EXPECT_LT(ChiSquared(counts, kRuns / 20.0), ChiSquaredBound(19));
  }
}

TEST(SampleSelection, IsUniformOverWorkersOfVeryUnequalLoad) {
  const struct {
    std::vector<std::uint64_t> loads;
    std::uint64_t size;
  } cases[] = {{{9000, 1000}, 100}, {{19'000, 900, 90, 10}, 50}, {{60, 9940}, 500}};
  for (const auto& [loads, size] : cases) {
    constexpr std::uint64_t kRuns = 2000;
    constexpr std::uint64_t kGroups = 50;
    const std::uint64_t all = std::accumulate(loads.begin(), loads.end(), std::uint64_t{0});
    std::vector<std::uint64_t> groups(kGroups);
    std::vector<double> of_worker(loads.size());
    for (std::uint64_t run = 0; run < kRuns; ++run) {
      for (const std::uint64_t number : Sample(loads, size, run)) {
        ++groups[number * kGroups / all];
        std::size_t worker = 0;
        for (std::uint64_t left = number; left >= loads[worker]; ++worker) left -= loads[worker];
        ++of_worker[worker];
      }
    }
    EXPECT_LT(GroupStatistic(groups, static_cast<double>(size), static_cast<double>(all), kRuns),
              ChiSquaredBound(kGroups - 1));
    // A hypergeometric count keeps the binomial's bound (Hoeffding 1963, theorem 4).
    for (std::size_t worker = 0; worker < loads.size(); ++worker) {
      const double p = static_cast<double>(loads[worker]) / static_cast<double>(all);
      const double draws = static_cast<double>(kRuns * size);
      EXPECT_NEAR(of_worker[worker], draws * p, BinomialSlack(draws, p)) << "worker " << worker;
    }
  }
}

TEST(SampleSelection, OrdersByTimeAlsoWhereTimesDoNotAscend) {
  const auto reservoir = Make(6, 1);
  testing::TestBurst burst;
  const std::vector<std::uint64_t> times = {50, 10, 40, 10, 60, 10};
  for (std::uint8_t i = 0; i < times.size(); ++i) burst.Add({i}, times[i]);
  reservoir->Take(burst.burst(), burst.burst().All());
  const Reservoir* const one[] = {reservoir.get()};
  const auto selected = SelectSample(one, 6, 1);
  std::vector<int> order;
  for (const std::uint64_t slot : selected[0]) {
    order.push_back(static_cast<int>(reservoir->At(slot).bytes[0]));
  }
  EXPECT_EQ(order, (std::vector<int>{1, 3, 5, 2, 0, 4})) << "as they came within one time";
}

}  // namespace
}  // namespace edgecap::sampler
