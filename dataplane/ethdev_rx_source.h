// SPDX-License-Identifier: Apache-2.0
//
// One receive queue of a DPDK port. The card's receive time where it has one, else one reading of
// the clock a burst. A VLAN tag that the card has taken out of a packet is put back, so what is
// captured is what was on the wire.
//
// Life cycle: the port is started before the first Receive() and stopped after the last.
//
// Threading and hot path: as RxSource.

#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/tick_clock.h"
#include "dataplane/rx_source.h"

namespace edgecap::dataplane {

// Where a card leaves its receive time in an mbuf, and how its ticks become nanoseconds.
struct CardTime {
  const TickConverter* converter = nullptr;  // null: the card has none
  int field_offset = -1;
  std::uint64_t flag = 0;
};

// Fills the views, lengths and segments of `burst` from mbufs; puts VLAN tags back. burst.count is
// set, times are not. `segments` is room for the pieces of chained packets. True when all mbufs are
// plain ones of `pool`: in one piece, direct, owned by nobody else. They may go back to it in bulk.
[[nodiscard]] bool FillBurst(std::span<rte_mbuf*> mbufs, const rte_mempool* pool,
                             std::vector<PacketSegment>& segments, Burst& burst) noexcept;

class EthdevRxSource final : public RxSource {
 public:
  // Queue `queue` of DPDK's port `port`, which bursts call `number`; `pool` is the one that the
  // queue was set up with.
  EthdevRxSource(std::uint16_t port, std::uint16_t queue, std::uint16_t number, rte_mempool* pool,
                 const Clock& clock, const CardTime& card_time);

  void Receive(Burst& burst) noexcept override;
  void Release(Burst& burst) noexcept override;
  [[nodiscard]] std::uint32_t PacketBytesMax() const override;

 private:
  void SetTimes(Burst& burst) noexcept;

  const std::uint16_t port_;
  const std::uint16_t queue_;
  const std::uint16_t number_;
  rte_mempool* const pool_;
  const Clock& clock_;
  const CardTime card_time_;
  std::uint64_t last_time_ns_ = 0;
  std::array<rte_mbuf*, kBurstPacketsMax> mbufs_{};
  bool plain_ = false;  // the mbufs of this burst go back in bulk
  std::vector<PacketSegment> segments_;
};

}  // namespace edgecap::dataplane
