// SPDX-License-Identifier: Apache-2.0
//
// Where a worker's packets come from: one receive queue of a DPDK port, a capture file, or a
// test's fake. The only seam between the data path and the outside world.
//
// Life cycle: made by control, then owned and polled by one worker. Receive() and Release() come in
// pairs; the views of a burst are valid in between.
//
// Threading: Receive() and Release() on the worker's thread; Ended() and Error() from any thread.
//
// Hot path: Receive() and Release() of a live source do not allocate, lock, log, throw or block.

#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "base/packet.h"

namespace edgecap::dataplane {

// As tcpdump's largest snaplen.
inline constexpr std::uint32_t kPacketBytesMax = 262144;

class RxSource {
 public:
  virtual ~RxSource() = default;

  // Fills `burst` with up to kBurstPacketsMax packets and their times. burst.count may be 0.
  virtual void Receive(Burst& burst) noexcept = 0;

  // Takes back the memory of the burst that Receive() filled last. Not called for an empty one.
  virtual void Release(Burst& burst) noexcept = 0;

  // A patient source loses nothing when the worker waits (a file); a live one does, so for it the
  // worker never waits but counts.
  [[nodiscard]] virtual bool Patient() const noexcept { return false; }

  // No packet has more bytes than this. Asked once, before the first Receive(). What is longer
  // nonetheless is cut by reservoirs, which have room for so much.
  [[nodiscard]] virtual std::uint32_t PacketBytesMax() const { return kPacketBytesMax; }

  // Any thread: a Receive() that waits for input (a pipe) returns soon, and the source ends.
  virtual void Interrupt() noexcept {}

  // Nothing more will ever come.
  [[nodiscard]] virtual bool Ended() const noexcept { return false; }

  // Why it ended, if it did not end well. Read after Ended().
  [[nodiscard]] virtual absl::Status Error() const { return absl::OkStatus(); }
};

}  // namespace edgecap::dataplane
