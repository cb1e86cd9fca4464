// SPDX-License-Identifier: Apache-2.0
//
// Turns wanted packets of one stream into finished pcap records: the one copy of the data path.
//
// Life cycle: one for each (job, worker), lives with the job. After Finish() nothing may be added.
//
// Threading: belongs to its worker; opened_at_ns and HasRecords too.
//
// Hot path: nothing here allocates, blocks, logs or throws. When no block is free, Reserve() says
// so and the caller counts.

#pragma once

#include <cstdint>

#include "base/packet.h"
#include "pcapwriter/block.h"
#include "pcapwriter/block_pool.h"
#include "pcapwriter/block_queue.h"
#include "pcapwriter/pcap_format.h"
#include "pcapwriter/stream.h"

namespace edgecap::pcapwriter {

// Room that a packet of `stored_bytes` takes in a block.
[[nodiscard]] constexpr std::uint32_t RecordBytes(std::uint32_t stored_bytes) noexcept {
  return stored_bytes + static_cast<std::uint32_t>(sizeof(RecordHeader));
}

class BlockBuilder {
 public:
  // `ring` leads to the stream's writer. All outlive the builder.
  BlockBuilder(Stream& stream, BlockPool& pool, BlockQueue::Producer& ring);

  // Makes room for `bytes` of records in one block: hands the current block over if it is too full,
  // and takes a new one. False when none is free. REQUIRES: bytes <= the pool's block_bytes.
  [[nodiscard]] bool Reserve(std::uint32_t bytes) noexcept;

  // Room in the current block.
  [[nodiscard]] std::uint32_t Room() const noexcept {
    return block_ == nullptr ? 0 : block_->capacity - block_->used;
  }

  // Appends the first `snaplen` bytes of each packet of `packets`; `amount` is
  // burst.Amount(packets). Returns the stored bytes, record headers not counted. REQUIRES: Room()
  // for all of their records.
  std::uint64_t Append(const Burst& burst, PacketSet packets, const Traffic& amount,
                       std::uint32_t snaplen) noexcept;

  // Hands over what is there, so that sparse traffic reaches the file.
  void Flush() noexcept;

  // Flush, then the end marker: nothing more will come.
  void Finish() noexcept;

  [[nodiscard]] bool HasRecords() const noexcept { return block_ != nullptr && block_->used != 0; }

 private:
  void HandOver() noexcept;
  [[nodiscard]] RecordHeader StartRecord(std::uint64_t time_ns) noexcept;

  Stream& stream_;
  BlockPool& pool_;
  BlockQueue::Producer& ring_;
  Block* block_ = nullptr;
  // The second that was converted last, so that packets of one second need no division.
  std::uint64_t second_begin_ns_ = 0;
  std::uint32_t second_ = 0;
};

}  // namespace edgecap::pcapwriter
