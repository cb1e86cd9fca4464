// SPDX-License-Identifier: Apache-2.0
//
// The figures of the whole service, as GET /v1/stats gives them.
//
// Threading: plain values and a pure function.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ledger.h"
#include "control/capture.h"
#include "filter/compiled_filter.h"

namespace edgecap::control {

struct ServiceStats {
  Identity identity;
  std::string version;
  std::uint64_t started_ns = 0;  // since 1970-01-01 UTC
  std::uint64_t now_ns = 0;
  std::vector<std::uint32_t> cores;   // of the workers, by number
  std::vector<WorkerLedger> workers;  // by number
  std::vector<PortLedger> ports;
  std::uint64_t blocks_total = 0;
  std::uint64_t blocks_free = 0;
  std::uint64_t block_bytes = 0;
  bool blocks_in_hugepages = false;
  filter::FilterStats filter;         // the program of all running captures
  std::uint64_t reservoir_bytes = 0;  // of all reservoirs
  CaptureCounts captures;
  std::uint64_t resident_bytes = 0;
};

[[nodiscard]] std::string ServiceStatsJson(const ServiceStats& stats);

// Memory of this process that is in RAM; hugepages are not in it. 0 if the kernel does not say.
[[nodiscard]] std::uint64_t ResidentBytes();

}  // namespace edgecap::control
