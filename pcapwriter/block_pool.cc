// SPDX-License-Identifier: Apache-2.0

#include "pcapwriter/block_pool.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/check.h"
#include "base/memory_info.h"

namespace edgecap::pcapwriter {
namespace {

constexpr std::uint64_t kHugepageBytes = 2 * 1024 * 1024;
// Given back blocks beyond this many wait in the cold queue: their lines have left the cache
// anyway.
constexpr std::size_t kWarmBlocks = 2;

void* MapMemory(std::uint64_t bytes, int flags) {
  return mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | flags, -1, 0);
}

}  // namespace

absl::StatusOr<std::unique_ptr<BlockPool>> BlockPool::Create(std::uint64_t block_bytes,
                                                             std::uint64_t block_count,
                                                             bool want_hugepages,
                                                             std::uint32_t writers) {
  EDGECAP_CHECK(block_bytes % kBlockAlignBytes == 0 && block_count > 0);
  const std::uint64_t bytes =
      (block_bytes * block_count + kHugepageBytes - 1) / kHugepageBytes * kHugepageBytes;
  bool hugepages = want_hugepages;
  void* memory = hugepages ? MapMemory(bytes, MAP_HUGETLB) : MAP_FAILED;
  if (memory == MAP_FAILED) {
    hugepages = false;
    // Asked for more than there is, the kernel would give it, and then kill somebody.
    errno = ENOMEM;
    memory = bytes < AvailableMemoryBytes() ? MapMemory(bytes, 0) : MAP_FAILED;
  }
  if (memory == MAP_FAILED) {
    return absl::ResourceExhaustedError(
        "block memory: cannot get " + std::to_string(bytes) + " bytes (" + std::strerror(errno) +
        "); lower capture.block_count (" + std::to_string(block_count) +
        ") or capture.block_bytes (" + std::to_string(block_bytes) + ")");
  }
  return std::unique_ptr<BlockPool>(new BlockPool(static_cast<std::byte*>(memory), block_bytes,
                                                  block_count, bytes, hugepages, writers));
}

BlockPool::BlockPool(std::byte* memory, std::uint64_t block_bytes, std::uint64_t block_count,
                     std::uint64_t mapped_bytes, bool hugepages, std::uint32_t writers)
    : memory_(memory),
      block_bytes_(block_bytes),
      mapped_bytes_(mapped_bytes),
      hugepages_(hugepages),
      blocks_(block_count),
      warm_(block_count, writers),
      cold_(block_count, writers + 1) {
  BlockQueue::Producer fill(cold_);
  for (std::uint64_t i = 0; i < block_count; ++i) {
    blocks_[i].data = memory + i * block_bytes;
    blocks_[i].capacity = static_cast<std::uint32_t>(block_bytes);
    fill.Push(&blocks_[i]);
  }
}

BlockPool::~BlockPool() { munmap(memory_, mapped_bytes_); }

Block* BlockPool::Take() noexcept {
  Block* block = warm_.Pop();
  if (block == nullptr) block = cold_.Pop();
  if (block != nullptr) {
    block->used = 0;
    block->traffic = {};
  }
  return block;
}

std::uint64_t BlockPool::FreeApprox() const noexcept {
  return warm_.SizeApprox() + cold_.SizeApprox();
}

BlockPool::Returner::Returner(BlockPool& pool)
    : pool_(pool), warm_(pool.warm_), cold_(pool.cold_) {}

void BlockPool::Returner::Give(Block* block) noexcept {
  (pool_.warm_.SizeApprox() < kWarmBlocks ? warm_ : cold_).Push(block);
}

}  // namespace edgecap::pcapwriter
