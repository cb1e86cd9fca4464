// SPDX-License-Identifier: Apache-2.0
//
// What `edgecap record` was asked for, as words (RecordOptions), and what will be done, checked as
// a whole (RecordPlan).
//
// Life cycle: the parser fills the options; PlanRecord() makes the plan, which never changes.
//
// Threading: plain values.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "config/config.h"
#include "control/cli/filter_options.h"
#include "control/sampling_request.h"
#include "dataplane/engine.h"
#include "dataplane/job.h"

namespace edgecap::cli {

struct RecordOptions {
  std::string read_path;
  std::string vdev;
  std::string pci;  // or as --port: see PlanRecord()
  std::string write_path;
  bool discard = false;
  bool force = false;
  FilterOptions filter;
  std::vector<std::string> local_prefixes;
  std::optional<std::uint64_t> packet_limit;
  std::optional<std::uint64_t> byte_limit;
  std::optional<std::uint64_t> time_limit_ns;
  std::optional<std::uint64_t> snaplen;
  control::SamplingRequest sampling;
  std::optional<std::uint64_t> core;
  std::optional<std::uint64_t> blocks;
  std::optional<std::uint64_t> block_bytes;
  std::optional<std::uint64_t> queues;
  std::optional<std::uint64_t> idle_sleep_us;
  std::optional<std::uint64_t> mbufs;
  std::optional<std::uint64_t> mbuf_bytes;
  std::vector<std::string> eal_args;
  bool no_huge = false;
  bool quiet = false;
  bool json = false;
};

struct RecordPlan {
  std::string read_path;              // empty: from a device
  config::DataplaneConfig dataplane;  // with a device: that port and one worker
  int core = -1;                      // of the worker that reads a file; -1: any
  dataplane::EngineOptions engine;
  dataplane::JobSpec job;
  bool discard = false;
  bool progress = true;
};

// A --port that is a PCI address is the card to record from, as --pci; any other is the filter's
// port. The two cannot be mistaken for each other.
//
// Looks at nothing but the words, the file of filters and the processors there are; the output file
// is checked by CheckOutput().
//
// Errors: kInvalidArgument, naming the option, the value and what to do.
[[nodiscard]] absl::StatusOr<RecordPlan> PlanRecord(const RecordOptions& given);

}  // namespace edgecap::cli
