// SPDX-License-Identifier: Apache-2.0
//
// Reads a nanosecond pcap from memory, written apart from our encoder, and strict: anything odd
// gives nothing.
//
// Threading: pure functions.

#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace edgecap::testing {

struct PcapRecord {
  std::uint64_t time_ns = 0;
  std::uint32_t wire_bytes = 0;
  std::string bytes;
};

inline std::optional<std::vector<PcapRecord>> ReadPcap(std::string_view file) {
  const auto word = [&](std::size_t at) {
    std::uint32_t value;
    std::memcpy(&value, file.data() + at, 4);
    return value;
  };
  if (file.size() < 24 || word(0) != 0xa1b23c4d || word(4) != 0x00040002 || word(20) != 1) {
    return std::nullopt;
  }
  std::vector<PcapRecord> records;
  for (std::size_t at = 24; at < file.size();) {
    if (file.size() - at < 16) return std::nullopt;
    const std::uint32_t captured = word(at + 8);
    if (file.size() - at - 16 < captured || word(at + 4) >= 1'000'000'000) return std::nullopt;
    records.push_back({std::uint64_t{word(at)} * 1'000'000'000 + word(at + 4), word(at + 12),
                       std::string(file.substr(at + 16, captured))});
    at += 16 + captured;
  }
  return records;
}

}  // namespace edgecap::testing
