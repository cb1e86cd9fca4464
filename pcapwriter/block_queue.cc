// SPDX-License-Identifier: Apache-2.0

#include "pcapwriter/block_queue.h"

#include <concurrentqueue/concurrentqueue.h>

#include "base/check.h"

namespace edgecap::pcapwriter {
namespace {

struct Traits : moodycamel::ConcurrentQueueDefaultTraits {
  static const size_t BLOCK_SIZE = 256;
  // One index for 2^21 entries, so that it never has to grow.
  static const size_t EXPLICIT_INITIAL_INDEX_SIZE = 8192;
  static const size_t INITIAL_IMPLICIT_PRODUCER_HASH_SIZE = 0;  // explicit producers only
};

}  // namespace

struct BlockQueue::Impl {
  Impl(std::size_t capacity, std::size_t producers) : queue(capacity, producers, 0) {}
  moodycamel::ConcurrentQueue<Block*, Traits> queue;
};

struct BlockQueue::Producer::Token {
  explicit Token(Impl& impl) : token(impl.queue) {}
  moodycamel::ProducerToken token;
};

BlockQueue::Producer::Producer(BlockQueue& queue)
    : queue_(queue), token_(std::make_unique<Token>(*queue.impl_)) {}
BlockQueue::Producer::~Producer() = default;

void BlockQueue::Producer::Push(Block* block) noexcept {
  const bool had_room = queue_.impl_->queue.try_enqueue(token_->token, block);
  EDGECAP_CHECK(had_room);
}

BlockQueue::BlockQueue(std::size_t capacity, std::size_t producers)
    : impl_(std::make_unique<Impl>(capacity, producers)) {}
BlockQueue::~BlockQueue() = default;

std::size_t BlockQueue::Pop(std::span<Block*> out) noexcept {
  return impl_->queue.try_dequeue_bulk(out.data(), out.size());
}

Block* BlockQueue::Pop() noexcept {
  Block* block = nullptr;
  return impl_->queue.try_dequeue(block) ? block : nullptr;
}

std::size_t BlockQueue::SizeApprox() const noexcept { return impl_->queue.size_approx(); }

}  // namespace edgecap::pcapwriter
