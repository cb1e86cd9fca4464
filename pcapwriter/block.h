// SPDX-License-Identifier: Apache-2.0
//
// A block: an aligned piece of memory with finished pcap records of one stream. It is the unit that
// crosses from workers to writers, so a writer does no work per packet, and a slow disk never holds
// a card's buffers.
//
// Life cycle: free in the pool -> filled by a worker -> in a ring -> written -> free again.
//
// Threading: owned by one thread at a time; the queues in between pass it on.

#pragma once

#include <cstddef>
#include <cstdint>

#include "base/traffic.h"

namespace edgecap::pcapwriter {

class Stream;

struct Block {
  std::byte* data = nullptr;   // null in a stream's end marker
  std::uint32_t capacity = 0;  // bytes
  std::uint32_t used = 0;      // bytes
  Traffic traffic;             // packets in it and their wire bytes
  Stream* stream = nullptr;

  [[nodiscard]] bool IsEndMarker() const noexcept { return data == nullptr; }
};

}  // namespace edgecap::pcapwriter
