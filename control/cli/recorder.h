// SPDX-License-Identifier: Apache-2.0
//
// One capture by an engine of its own, from start to whole file: what `edgecap record` does.
//
// Life cycle: one call, once a process where a device is recorded from (EAL starts only once).
//
// Threading: the first thread, before there are others: SIGINT and SIGTERM are taken in.

#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ledger.h"
#include "control/cli/record_plan.h"
#include "pcapwriter/stream.h"

namespace edgecap::cli {

// How a capture came out.
struct RecordResult {
  std::string end_reason;  // "end_of_file", "packet_limit", "byte_limit", "time_limit",
                           // "interrupted", "error"
  absl::Status error;      // of the input or the disk; the ledger says what was captured before
  JobLedger ledger;
  dataplane::SamplingReport sampling;
  std::uint64_t stored_bytes = 0;
  std::chrono::duration<double> elapsed{0};
  std::vector<pcapwriter::ShardInfo> shards;  // as they are when all are closed
  std::vector<std::uint32_t> cores;           // of the workers; none with a file
  std::vector<WorkerLedger> workers;
  std::vector<PortLedger> ports;
};

// Captures until the input, a limit, an error or a person ends it.
//
// Errors: whatever keeps it from starting; then there is no output file.
[[nodiscard]] absl::StatusOr<RecordResult> Record(const RecordPlan& plan);

}  // namespace edgecap::cli
