// SPDX-License-Identifier: Apache-2.0
//
// The ledger as JSON, in one form for the API, the statistics and `edgecap record`.
//
// Threading: pure functions.

#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "base/ledger.h"
#include "pcapwriter/stream.h"

namespace edgecap::control {

// {"packets": {door: count, ...}, "bytes": {door: count, ...}}
[[nodiscard]] nlohmann::ordered_json LedgerObject(const JobLedger& ledger);

// [{"worker", "core", "received", "unmatched", "matched"}]; cores[i] is worker i's.
[[nodiscard]] nlohmann::ordered_json WorkerObjects(std::span<const std::uint32_t> cores,
                                                   const std::vector<WorkerLedger>& ledgers);

// [{"name", "device", "offered_packets", "received_packets", ...}]
[[nodiscard]] nlohmann::ordered_json PortObjects(const std::vector<PortLedger>& ports);

// [{"name", "worker", "bytes", "packets", "whole"}]
[[nodiscard]] nlohmann::ordered_json FileObjects(const std::vector<pcapwriter::ShardInfo>& files);

}  // namespace edgecap::control
