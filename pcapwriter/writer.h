// SPDX-License-Identifier: Apache-2.0
//
// A writer drains its ring into shards, block by block, and gives the blocks back. A disk error
// fails the stream it belongs to: its file is cut back to the last whole block, what still comes
// for it is counted as lost_on_disk, and the other streams go on.
//
// Life cycle: the constructor starts the thread; Stop() lets it drain what is in the ring and
// joins. REQUIRES at Stop(): every stream has sent its end marker.
//
// Threading: one thread of its own; ring() is for workers' producers; Stop() from control.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <thread>

#include "pcapwriter/block_pool.h"
#include "pcapwriter/block_queue.h"
#include "pcapwriter/file_system.h"
#include "pcapwriter/stream.h"

namespace edgecap::pcapwriter {

class Writer {
 public:
  // All outlive the writer. `number` is for the thread's name.
  Writer(std::uint32_t number, BlockQueue& ring, BlockPool& pool, FileSystem& files, bool sync);
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer();

  void Stop();

 private:
  void Run(std::uint32_t number);
  void Process(Block& block);
  void Write(Stream& stream, std::span<const std::byte> records, const Traffic& traffic);
  [[nodiscard]] absl::Status EnsureOpen(Stream& stream);
  void Close(Stream& stream);
  static void Report(Stream& stream, bool whole);

  BlockQueue& ring_;
  BlockPool::Returner returner_;
  FileSystem& files_;
  const bool sync_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace edgecap::pcapwriter
