// SPDX-License-Identifier: Apache-2.0

#include "sampler/sampler.h"

#include <bit>

#include "base/check.h"

#if defined(__BMI2__)
#include <immintrin.h>
#endif

namespace edgecap::sampler {
namespace {

// SplitMix64 (Steele, Lea, Flood 2014): spreads neighbouring seeds far apart.
std::uint64_t Spread(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

// The set of only the n-th member (from 0) of `set`. REQUIRES: it has that many.
PacketSet NthPacket(PacketSet set, std::uint64_t n) noexcept {
#if defined(__BMI2__)
  return _pdep_u64(PacketSet{1} << n, set);
#else
  for (; n != 0; --n) set &= set - 1;
  return set & -set;
#endif
}

}  // namespace

Sampler::Sampler(const SamplingPolicy& policy, std::uint32_t worker)
    : one_in_(policy.one_in), random_(Spread(Spread(policy.seed) + worker) | 1) {
  EDGECAP_CHECK(policy.one_in >= 1);
  place_ = DrawPlace();
  skip_ = place_;
}

PacketSet Sampler::Thin(PacketSet matched) noexcept {
  if (one_in_ == 1) return matched;
  const auto count = static_cast<std::uint64_t>(std::popcount(matched));
  PacketSet taken = 0;
  while (skip_ < count) {
    taken |= NthPacket(matched, skip_);
    const std::uint64_t rest_of_run = one_in_ - place_;
    place_ = DrawPlace();
    skip_ += rest_of_run + place_;
  }
  skip_ -= count;
  return taken;
}

std::uint64_t Sampler::DrawPlace() noexcept {
  // xorshift64* (Vigna 2016); the high word scaled to the range.
  random_ ^= random_ >> 12;
  random_ ^= random_ << 25;
  random_ ^= random_ >> 27;
  const std::uint64_t high = (random_ * 0x2545f4914f6cdd1d) >> 32;
  return (high * one_in_) >> 32;
}

}  // namespace edgecap::sampler
