// SPDX-License-Identifier: Apache-2.0
//
// A stream is what one worker captures for one job: the blocks that become one shard. It carries
// the shard's plan to the writer and the writer's counters back to control.
//
// Life cycle: made by control with the job; its blocks travel worker -> ring -> writer; the worker
// sends the end marker after its last block; closed() turns true when the shard is whole. A sample
// that is complete only at the job's end (a reservoir) has no blocks: control hangs its records on
// the stream as the tail and sends the end marker itself.
//
// Threading:
//   member                      worker   writer   control
//   end_marker                  sends    reads    sends, where there is a tail
//   tail_                                takes    sets, before the end marker
//   written_, lost_                      writes   reads
//   shard_                               owns
//   error_, info_                        writes   reads, under a lock
//   plan_                                reads    made before the job starts

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "base/traffic.h"
#include "pcapwriter/block.h"

namespace edgecap::pcapwriter {

// How the shards of a job are called. The worker's number and the sequence are filled in:
// {directory}/{machine}-{worker}-{sequence}.pcap, unless `path` names the only file.
struct ShardPlan {
  std::string directory;
  std::string machine;
  std::string path;  // if set: this one file (edgecap record), replaced if it exists;
                     // "-" is standard output
};

// A shard as control reports it.
struct ShardInfo {
  std::string path;  // final name
  std::uint32_t worker = 0;
  std::uint64_t bytes = 0;
  std::uint64_t packets = 0;
  bool whole = false;  // closed and renamed
};

// Finished pcap records that come after the blocks.
struct Tail {
  std::unique_ptr<std::byte[]> data;
  std::size_t bytes = 0;
  Traffic traffic;  // packets in it and their wire bytes
};

class Shard;

class Stream {
 public:
  // snaplen goes into the file header.
  Stream(ShardPlan plan, std::uint32_t worker, std::uint32_t snaplen);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream();

  [[nodiscard]] std::uint32_t worker() const { return worker_; }
  [[nodiscard]] std::uint32_t snaplen() const { return snaplen_; }
  [[nodiscard]] std::string FinalPath() const;
  // Same directory, begins with a dot, until the shard is whole; standard output hides nothing.
  [[nodiscard]] std::string HiddenPath() const;
  [[nodiscard]] const ShardPlan& plan() const { return plan_; }

  [[nodiscard]] Traffic Written() const { return written_.Value(); }
  [[nodiscard]] Traffic Lost() const { return lost_.Value(); }

  // The writer has finished with this stream. Acquire: what it wrote before is visible.
  [[nodiscard]] bool closed() const { return closed_.load(std::memory_order_acquire); }

  // First error of the shard. Any thread.
  [[nodiscard]] absl::Status Error() const;
  [[nodiscard]] bool Failed() const { return failed_.load(std::memory_order_acquire); }

  // The shard, if it was ever opened; `path` is empty otherwise. Any thread.
  [[nodiscard]] ShardInfo Info() const;

  // Control, before the end marker is sent.
  void SetTail(Tail tail) { tail_ = std::move(tail); }

  // Travels after the last block; has no memory, so that ending needs no free block.
  Block end_marker;

 private:
  friend class Writer;
  void Fail(const absl::Status& error);
  void SetInfo(ShardInfo info);

  const ShardPlan plan_;
  const std::uint32_t worker_;
  const std::uint32_t snaplen_;
  TrafficCounter written_;
  TrafficCounter lost_;
  std::atomic<bool> closed_{false};
  std::atomic<bool> failed_{false};
  std::unique_ptr<Shard> shard_;  // writer only
  Tail tail_;

  mutable std::mutex mutex_;  // writer and control, never a worker
  absl::Status error_;        // guarded by mutex_
  ShardInfo info_;            // guarded by mutex_
};

}  // namespace edgecap::pcapwriter
