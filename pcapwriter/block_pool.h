// SPDX-License-Identifier: Apache-2.0
//
// All blocks there are: their memory is taken once, at start, from hugepages where there are some,
// and touched, so that the data path never meets a page fault.
//
// Free blocks lie in two queues. Those that writers gave back last are taken first, as long as
// there are some: with a fast disk a few blocks go round and stay in the processor's cache, instead
// of the whole pool being walked through.
//
// Life cycle: Create() before the threads start; destroyed after they have ended.
//
// Threading: Take() from any worker; Give() by a writer through its own Returner; counts from any.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "pcapwriter/block.h"
#include "pcapwriter/block_queue.h"

namespace edgecap::pcapwriter {

// Blocks begin at multiples of this, as O_DIRECT and DMA like it.
inline constexpr std::size_t kBlockAlignBytes = 4096;

// A block holds at least one packet of the largest snaplen.
inline constexpr std::uint64_t kBlockBytesMin = 266240;

class BlockPool {
 public:
  // REQUIRES: block_bytes is a multiple of kBlockAlignBytes; block_count > 0.
  //
  // Errors: kResourceExhausted when the memory is not there.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<BlockPool>> Create(std::uint64_t block_bytes,
                                                                         std::uint64_t block_count,
                                                                         bool want_hugepages,
                                                                         std::uint32_t writers);

  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;
  ~BlockPool();

  // One writer's way to give blocks back.
  class Returner {
   public:
    explicit Returner(BlockPool& pool);
    void Give(Block* block) noexcept;

   private:
    BlockPool& pool_;
    BlockQueue::Producer warm_;
    BlockQueue::Producer cold_;
  };

  // An empty block, or null.
  [[nodiscard]] Block* Take() noexcept;

  [[nodiscard]] std::uint64_t block_bytes() const noexcept { return block_bytes_; }
  [[nodiscard]] std::uint64_t block_count() const noexcept { return blocks_.size(); }
  [[nodiscard]] bool hugepages() const noexcept { return hugepages_; }
  [[nodiscard]] std::uint64_t FreeApprox() const noexcept;

 private:
  BlockPool(std::byte* memory, std::uint64_t block_bytes, std::uint64_t block_count,
            std::uint64_t mapped_bytes, bool hugepages, std::uint32_t writers);

  std::byte* const memory_;
  const std::uint64_t block_bytes_;
  const std::uint64_t mapped_bytes_;
  const bool hugepages_;
  std::vector<Block> blocks_;
  BlockQueue warm_;
  BlockQueue cold_;
};

}  // namespace edgecap::pcapwriter
