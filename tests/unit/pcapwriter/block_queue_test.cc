// SPDX-License-Identifier: Apache-2.0

#include "pcapwriter/block_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "pcapwriter/block_pool.h"

namespace edgecap::pcapwriter {
namespace {

TEST(BlockQueue, KeepsTheOrderOfAProducer) {
  std::vector<Block> blocks(1000);
  BlockQueue queue(blocks.size(), 1);
  BlockQueue::Producer producer(queue);
  for (Block& block : blocks) producer.Push(&block);
  for (Block& block : blocks) EXPECT_EQ(queue.Pop(), &block);
  EXPECT_EQ(queue.Pop(), nullptr);
}

TEST(BlockQueue, HoldsItsWholeCapacityFromOneProducerAgainAndAgain) {
  std::vector<Block> blocks(5000);
  BlockQueue queue(blocks.size(), 3);
  BlockQueue::Producer idle(queue);
  BlockQueue::Producer producer(queue);
  std::vector<Block*> out(blocks.size());
  for (int round = 0; round < 50; ++round) {
    for (Block& block : blocks) producer.Push(&block);  // aborts if it allocates or is full
    std::size_t popped = 0;
    while (const std::size_t count = queue.Pop(out)) popped += count;
    EXPECT_EQ(popped, blocks.size());
  }
}

TEST(BlockQueue, LosesNothingBetweenThreads) {
  constexpr int kRounds = 200'000;
  std::vector<Block> blocks(64);
  BlockQueue forth(blocks.size(), 1);
  BlockQueue back(blocks.size(), 1);
  BlockQueue::Producer to_writer(forth);
  BlockQueue::Producer to_worker(back);
  for (Block& block : blocks) to_worker.Push(&block);
  std::thread writer([&] {
    for (int seen = 0; seen < kRounds;) {
      Block* block = forth.Pop();
      if (block == nullptr) {
        std::this_thread::yield();
        continue;
      }
      ASSERT_EQ(block->used, static_cast<std::uint32_t>(seen++));
      to_worker.Push(block);
    }
  });
  for (int sent = 0; sent < kRounds;) {
    Block* block = back.Pop();
    if (block == nullptr) {
      std::this_thread::yield();
      continue;
    }
    block->used = static_cast<std::uint32_t>(sent++);
    to_writer.Push(block);
  }
  writer.join();
}

TEST(BlockPool, GivesEachBlockOnceAndThenNone) {
  auto pool = BlockPool::Create(kBlockBytesMin, 10, /*want_hugepages=*/false, 1);
  ASSERT_TRUE(pool.ok()) << pool.status();
  std::vector<Block*> taken;
  while (Block* block = (*pool)->Take()) taken.push_back(block);
  ASSERT_EQ(taken.size(), 10u);
  EXPECT_EQ((*pool)->FreeApprox(), 0u);
  for (std::size_t i = 0; i < taken.size(); ++i) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(taken[i]->data) % kBlockAlignBytes, 0u);
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(taken[i]->data, taken[j]->data);
  }
  BlockPool::Returner returner(**pool);
  for (Block* block : taken) {
    block->used = 7;
    returner.Give(block);
  }
  EXPECT_EQ((*pool)->FreeApprox(), 10u);
  EXPECT_EQ((*pool)->Take()->used, 0u);
}

TEST(BlockPool, TakesWarmBlocksFirst) {
  auto pool = BlockPool::Create(kBlockBytesMin, 100, /*want_hugepages=*/false, 1);
  ASSERT_TRUE(pool.ok()) << pool.status();
  BlockPool::Returner returner(**pool);
  Block* block = (*pool)->Take();
  for (int i = 0; i < 10; ++i) {
    returner.Give(block);
    EXPECT_EQ((*pool)->Take(), block);
  }
}

TEST(BlockPool, SaysWhatToLowerWhenTheMemoryIsNotThere) {
  const auto pool = BlockPool::Create(std::uint64_t{1} << 30, std::uint64_t{1} << 40, false, 1);
  EXPECT_EQ(pool.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(pool.status().message().find("block_count"), absl::string_view::npos);
}

}  // namespace
}  // namespace edgecap::pcapwriter
