// SPDX-License-Identifier: Apache-2.0
//
// The engine: workers, blocks, rings and writers, put together and started, with the one door by
// which captures come and go. The daemon and `edgecap record` both run this; what differs is only
// which receive sources they hand to it.
//
// Life cycle: Start() builds everything and starts the threads; Stop(), or the destructor, ends
// what still runs in order: jobs, workers, writers. Every packet captured until then is on disk.
//
// Threading: all methods belong to one thread, control. Nothing in here calls up: control polls.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/ledger.h"
#include "dataplane/job.h"
#include "dataplane/rx_source.h"
#include "filter/compiled_filter.h"
#include "filter/filter_context.h"
#include "pcapwriter/file_system.h"

namespace edgecap::dataplane {

// What one worker gets: its core and its queues.
struct WorkerSetup {
  int core = -1;  // -1: not pinned
  std::vector<std::unique_ptr<RxSource>> sources;
  // Called on the worker's thread before the first and after the last poll (DPDK registration).
  std::function<void()> on_start;
  std::function<void()> on_stop;
};

struct EngineOptions {
  std::uint64_t block_bytes = 1048576;
  std::uint64_t block_count = 256;
  bool hugepages = true;  // for blocks, where there are some
  std::uint32_t flush_interval_ms = 500;
  std::uint32_t writer_threads = 1;
  std::uint32_t idle_sleep_us_max = 100;
  std::uint32_t max_jobs = 64;
  std::uint32_t max_rules = 16384;  // filters of all running jobs together
  filter::FilterContext filter_context;
  bool sync = true;
  // Of all reservoirs together, those of jobs that read only files not counted.
  std::uint64_t reservoir_bytes_max = std::uint64_t{1} << 30;
};

// Figures of the engine that belong to no job.
struct EngineStats {
  std::vector<WorkerLedger> workers;
  std::uint64_t blocks_total = 0;
  std::uint64_t blocks_free = 0;
  std::uint64_t block_bytes = 0;
  bool blocks_in_hugepages = false;
  std::uint32_t jobs_running = 0;
  filter::FilterStats filter;         // the program of all running jobs
  std::uint64_t reservoir_bytes = 0;  // of all reservoirs
};

class Engine {
 public:
  // `files` and `clock` outlive the engine.
  //
  // Errors: kResourceExhausted when the block memory cannot be had; kInternal when a thread cannot
  // be started or pinned.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Engine>> Start(
      const EngineOptions& options, std::vector<WorkerSetup> workers, pcapwriter::FileSystem& files,
      const Clock& clock);

  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine();

  // Starts a capture: when this returns every worker captures for it. Pauses no worker.
  //
  // Errors: kInvalidArgument for a filter that cannot be compiled, a sampler's parameter out of its
  // bounds, or a reservoir that is too large for one worker; kResourceExhausted when max_jobs run
  // already, when there would be more than max_rules filters, or when the others' reservoirs leave
  // too little memory.
  [[nodiscard]] absl::StatusOr<std::shared_ptr<Job>> Begin(JobSpec spec);

  // What Begin() would say, without starting anything; the job's filter program in words.
  [[nodiscard]] absl::StatusOr<std::string> Check(const JobSpec& spec) const;

  // Ends a capture: when this returns no worker captures for it and all its blocks, or its sample
  // out of the reservoirs, are on their way to a writer. Wait for job.Closed() before its ledger
  // and files are final. REQUIRES: job came from Begin() and was not ended before.
  void End(Job& job);

  // All sources of all workers have ended (files read to their end), and what they brought is in
  // blocks. Errors of sources: the first one, naming the file.
  [[nodiscard]] bool SourcesEnded() const;
  [[nodiscard]] absl::Status SourceError() const;

  // Ends sources that wait for input, so that End() need not wait for it.
  void InterruptSources();

  [[nodiscard]] EngineStats Stats() const;

  // Ends all jobs, joins all threads. Idempotent.
  void Stop();

 private:
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace edgecap::dataplane
