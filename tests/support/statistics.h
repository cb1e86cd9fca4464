// SPDX-License-Identifier: Apache-2.0
//
// Bounds for tests of chance. Each is passed by a right implementation with a probability of less
// than kFalseAlarm over all seeds; a test with fixed seeds either always or never fails.
//
// Threading: pure functions.

#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace edgecap::testing {

inline constexpr double kFalseAlarm = 1e-7;

// How far the number of successes of `trials` independent trials, each with probability p, may be
// from trials * p. Bernstein: P(|X - np| >= t) <= 2 exp(-t^2 / (2 (np(1-p) + t/3))); solved for t.
inline double BinomialSlack(double trials, double p) {
  const double l = std::log(2 / kFalseAlarm);
  return l / 3 + std::sqrt(l * l / 9 + 2 * trials * p * (1 - p) * l);
}

// What a chi-squared variable exceeds with less than kFalseAlarm. Laurent and Massart (2000):
// P(X >= d + 2 sqrt(dx) + 2x) <= exp(-x).
inline double ChiSquaredBound(double degrees_of_freedom) {
  const double x = std::log(1 / kFalseAlarm);
  return degrees_of_freedom + 2 * std::sqrt(degrees_of_freedom * x) + 2 * x;
}

// Pearson's statistic; chi-squared where every expected count is large (here always over 100, so
// that the approximation costs little of the gap between kFalseAlarm and 1e-6).
inline double ChiSquared(const std::vector<std::uint64_t>& counts,
                         const std::vector<double>& expected) {
  double sum = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double off = static_cast<double>(counts[i]) - expected[i];
    sum += off * off / expected[i];
  }
  return sum;
}

inline double ChiSquared(const std::vector<std::uint64_t>& counts, double expected) {
  return ChiSquared(counts, std::vector<double>(counts.size(), expected));
}

}  // namespace edgecap::testing
