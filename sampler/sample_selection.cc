// SPDX-License-Identifier: Apache-2.0

#include "sampler/sample_selection.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "base/check.h"

namespace edgecap::sampler {
namespace {

// A stream of random numbers that is no worker's.
constexpr std::uint64_t kSelectionStream = ~std::uint64_t{0};

// How many of `size` packets come from each worker: drawn from the urn one by one.
std::vector<std::uint64_t> DrawShares(std::vector<std::uint64_t> left, std::uint64_t size,
                                      Random& random) {
  std::vector<std::uint64_t> shares(left.size());
  std::uint64_t all = std::accumulate(left.begin(), left.end(), std::uint64_t{0});
  for (; size != 0 && all != 0; --size, --all) {
    std::uint64_t ball = random.Below(all);
    std::size_t worker = 0;
    while (ball >= left[worker]) ball -= left[worker++];
    --left[worker];
    ++shares[worker];
  }
  return shares;
}

// `count` of the slots 0 to size - 1 (the first steps of Fisher and Yates' shuffle).
std::vector<std::uint64_t> DrawSlots(std::uint64_t size, std::uint64_t count, Random& random) {
  EDGECAP_CHECK(count <= size);
  std::vector<std::uint64_t> slots(size);
  std::iota(slots.begin(), slots.end(), std::uint64_t{0});
  for (std::uint64_t i = 0; i < count; ++i) {
    std::swap(slots[i], slots[i + random.Below(size - i)]);
  }
  slots.resize(count);
  return slots;
}

void SortByTime(const Reservoir& reservoir, std::vector<std::uint64_t>& slots) {
  std::vector<std::tuple<std::uint64_t, std::uint64_t, std::uint64_t>> order;  // time, place, slot
  order.reserve(slots.size());
  for (const std::uint64_t slot : slots) {
    const Reservoir::Packet packet = reservoir.At(slot);
    order.emplace_back(packet.time_ns, packet.place, slot);
  }
  std::sort(order.begin(), order.end());
  for (std::size_t i = 0; i < slots.size(); ++i) slots[i] = std::get<2>(order[i]);
}

}  // namespace

std::vector<std::vector<std::uint64_t>> SelectSample(std::span<const Reservoir* const> reservoirs,
                                                     std::uint64_t size, std::uint64_t seed) {
  Random random(seed, kSelectionStream);
  std::vector<std::uint64_t> came;
  for (const Reservoir* reservoir : reservoirs) came.push_back(reservoir->seen());
  const std::vector<std::uint64_t> shares = DrawShares(std::move(came), size, random);
  std::vector<std::vector<std::uint64_t>> selected;
  for (std::size_t worker = 0; worker < reservoirs.size(); ++worker) {
    selected.push_back(DrawSlots(reservoirs[worker]->size(), shares[worker], random));
    SortByTime(*reservoirs[worker], selected.back());
  }
  return selected;
}

}  // namespace edgecap::sampler
