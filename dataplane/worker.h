// SPDX-License-Identifier: Apache-2.0
//
// A worker turns bursts from its receive queues into finished pcap records in blocks. It has a core
// to itself, and one trip round its loop is the whole data path:
//
//   Receive  ->  Match            ->  Thin      ->  Limit, Append
//   RxSource     filter (parses)      sampler       sampler/capture_limit, pcapwriter/block_builder
//
// Every packet received leaves by exactly one door for each job, and each door is counted
// (base/ledger.h). A packet that two jobs want is copied twice, once into each one's block.
//
// Life cycle: made by the engine; Run() on a thread of its own until RequestStop(). Tests call
// PollOnce() directly, on any one thread, without EAL, hugepages or root.
//
// Threading:
//   member            worker   other threads
//   stop_requested_   reads    set by RequestStop()
//   ledger counters   writes   read through Ledger()
//   sources_ended_    writes   read through SourcesEnded()
//   sources_          owns     Error(), Interrupt() by control
//   all others        owns     no access
//
// Hot path: nothing below PollOnce() allocates, locks, logs, throws or blocks. A worker with a
// patient source (a file) may wait for a free block.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/cache_line.h"
#include "base/clock.h"
#include "base/ledger.h"
#include "dataplane/job_publisher.h"
#include "dataplane/rx_source.h"
#include "filter/compiled_filter.h"

namespace edgecap::dataplane {

struct WorkerOptions {
  std::uint64_t flush_interval_ns = 500'000'000;  // records wait no longer in a block
  std::uint32_t idle_sleep_us_max = 100;          // 0 never sleeps
};

class Worker {
 public:
  // `jobs` and `clock` outlive the worker.
  Worker(std::uint32_t number, const WorkerOptions& options,
         std::vector<std::unique_ptr<RxSource>> sources, JobPublisher& jobs, const Clock& clock);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // ---- worker thread ----

  // Takes up the current job table. Before the first PollOnce().
  void GoOnline() noexcept;

  // One trip round the loop over all sources; the number of packets received.
  std::uint32_t PollOnce() noexcept;

  // What is done now and then: hands over blocks whose records have waited long enough.
  void Housekeep() noexcept;

  // Uses no job table from here on.
  void GoOffline() noexcept;

  // GoOnline, polls until RequestStop(), GoOffline.
  void Run() noexcept;

  // ---- any thread ----

  void RequestStop() noexcept { stop_requested_.store(true, std::memory_order_relaxed); }

  void InterruptSources() noexcept;

  [[nodiscard]] WorkerLedger Ledger() const noexcept;
  [[nodiscard]] Traffic Received() const noexcept { return received_.Value(); }

  // All sources have ended, and what they brought has been dealt with.
  [[nodiscard]] bool SourcesEnded() const noexcept {
    return sources_ended_.load(std::memory_order_acquire);
  }
  [[nodiscard]] absl::Status SourceError() const;

 private:
  void TakeUpTable(const JobTable* table) noexcept;
  void EndOverdueJobs(std::uint64_t now_ns) noexcept;
  void ProcessBurst(bool patient) noexcept;
  void Capture(Job& job, JobPart& part, PacketSet packets, bool patient) noexcept;
  [[nodiscard]] const std::uint64_t* FlowHashes(PacketSet packets) noexcept;
  void Store(Job& job, JobPart& part, PacketSet packets, bool patient) noexcept;
  void StoreOneByOne(Job& job, JobPart& part, PacketSet packets, bool patient) noexcept;
  [[nodiscard]] PacketSet Claim(Job& job, PacketSet packets) noexcept;
  [[nodiscard]] bool Reserve(JobPart& part, std::uint32_t bytes, bool patient) noexcept;
  void IdleSleep() noexcept;

  const std::uint32_t number_;
  const WorkerOptions options_;
  const std::vector<std::unique_ptr<RxSource>> sources_;
  JobPublisher& jobs_;
  const Clock& clock_;

  const JobTable* table_ = nullptr;
  PacketSet flow_hashed_ = 0;  // packets of the burst whose flow_hash_ is known
  std::uint64_t flow_hash_[kBurstPacketsMax];
  Burst burst_;  // reused by every poll
  std::uint64_t next_flush_check_ns_ = 0;
  std::uint32_t idle_polls_ = 0;
  std::uint32_t idle_sleep_us_ = 0;

  alignas(kCacheLineBytes) TrafficCounter received_;
  TrafficCounter unmatched_;
  TrafficCounter matched_;
  std::atomic<bool> sources_ended_{false};
  alignas(kCacheLineBytes) std::atomic<bool> stop_requested_{false};
};

}  // namespace edgecap::dataplane
