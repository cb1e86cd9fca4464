// SPDX-License-Identifier: Apache-2.0

#include "control/random.h"

#include <sys/random.h>

#include <algorithm>
#include <array>

#include "base/check.h"

namespace edgecap::control {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::size_t kIdBytes = 16;

template <typename T>
void FillRandom(T& value) {
  // So few bytes come whole, and cannot be interrupted: getrandom(2).
  EDGECAP_CHECK(getrandom(&value, sizeof(value), 0) == static_cast<ssize_t>(sizeof(value)));
}

}  // namespace

std::string RandomId() {
  std::array<std::uint8_t, kIdBytes> bytes{};
  FillRandom(bytes);
  std::string id;
  for (std::uint8_t byte : bytes) {
    id += kHexDigits[byte >> 4];
    id += kHexDigits[byte & 15];
  }
  return id;
}

bool IsId(std::string_view text) {
  return text.size() == 2 * kIdBytes && std::ranges::all_of(text, [](char c) {
           return kHexDigits.find(c) != std::string_view::npos;
         });
}

std::uint64_t RandomSeed() {
  std::uint64_t seed = 0;
  FillRandom(seed);
  return seed;
}

}  // namespace edgecap::control
