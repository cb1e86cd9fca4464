// SPDX-License-Identifier: Apache-2.0
//
// The lock-free queue of blocks: the ring from workers to a writer, and the free lists back. It is
// moodycamel's queue with a bound of ours: room for `capacity` blocks is made at construction, and
// nothing is allocated afterwards. As there are never more blocks than that, Push() cannot fail.
//
// Blocks of one producer come out in the order they went in; there is no order between producers.
//
// Life cycle: constructed with the number of producers, each of which takes its Producer once.
//
// Threading: a Producer belongs to one thread at a time. Pop() from any thread.
//
// Hot path: Push() and Pop() neither allocate nor lock.

#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "pcapwriter/block.h"

namespace edgecap::pcapwriter {

class BlockQueue {
 public:
  class Producer {
   public:
    explicit Producer(BlockQueue& queue);
    Producer(const Producer&) = delete;
    Producer& operator=(const Producer&) = delete;
    ~Producer();

    // REQUIRES: no more than the queue's capacity is in it.
    void Push(Block* block) noexcept;

   private:
    struct Token;
    BlockQueue& queue_;
    std::unique_ptr<Token> token_;
  };

  BlockQueue(std::size_t capacity, std::size_t producers);
  BlockQueue(const BlockQueue&) = delete;
  BlockQueue& operator=(const BlockQueue&) = delete;
  ~BlockQueue();

  // Up to out.size() blocks; how many there were.
  [[nodiscard]] std::size_t Pop(std::span<Block*> out) noexcept;

  // One block, or null.
  [[nodiscard]] Block* Pop() noexcept;

  // Recent, not exact.
  [[nodiscard]] std::size_t SizeApprox() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace edgecap::pcapwriter
