// SPDX-License-Identifier: Apache-2.0
//
// The samplers' random numbers: small, fast, the same for the same seed. Not for secrets.
//
// Threading: an instance belongs to one thread.

#pragma once

#include <cmath>
#include <cstdint>

namespace edgecap::sampler {

// SplitMix64 (Steele, Lea, Flood 2014): spreads neighbouring values far apart. A bijection.
[[nodiscard]] constexpr std::uint64_t Spread(std::uint64_t value) noexcept {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

// xorshift64* (Vigna 2016).
class Random {
 public:
  // Streams of one seed are unlike each other.
  Random(std::uint64_t seed, std::uint64_t stream) noexcept
      : state_(Spread(Spread(seed) + stream) | 1) {}

  [[nodiscard]] std::uint64_t Next() noexcept {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1d;
  }

  // 0 to bound - 1. Off an even chance by at most bound / 2^64.
  [[nodiscard]] std::uint64_t Below(std::uint64_t bound) noexcept {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>((Wide{Next()} * bound) >> 64);
  }

  // More than 0, less than 1.
  [[nodiscard]] double Fraction() noexcept {
    return (static_cast<double>(Next() >> 11) + 0.5) * 0x1p-53;
  }

  // How many trials fail before the first success, when each succeeds with the probability p for
  // which `log_failure` is log(1 - p): 0 or less, down to minus infinity. At most kGapMax.
  [[nodiscard]] std::uint64_t Gap(double log_failure) noexcept {
    const double gap = std::log(Fraction()) / log_failure;
    return gap < double{kGapMax} ? static_cast<std::uint64_t>(gap) : kGapMax;
  }
  static constexpr std::uint64_t kGapMax = std::uint64_t{1} << 62;

 private:
  std::uint64_t state_;  // never 0
};

}  // namespace edgecap::sampler
