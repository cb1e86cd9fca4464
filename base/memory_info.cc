// SPDX-License-Identifier: Apache-2.0

#include "base/memory_info.h"

#include <fstream>
#include <string>

namespace edgecap {

std::uint64_t AvailableMemoryBytes() {
  std::ifstream info("/proc/meminfo");
  for (std::string line; std::getline(info, line);) {
    // "MemAvailable:   12345 kB"
    if (line.starts_with("MemAvailable:")) return std::stoull(line.substr(13)) * 1024;
  }
  return ~std::uint64_t{0};
}

}  // namespace edgecap
