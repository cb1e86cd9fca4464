// SPDX-License-Identifier: Apache-2.0

#include "dataplane/ethdev_rx_source.h"

#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_mbuf_dyn.h>
#include <rte_mempool.h>
#include <rte_prefetch.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace edgecap::dataplane {
namespace {

constexpr std::uint64_t kStrippedFlags = RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_QINQ_STRIPPED;
constexpr std::uint64_t kForeignFlags = RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
// Pieces of all chained packets of a burst; a packet's pieces beyond that are not stored.
constexpr std::size_t kSegmentsMax = kBurstPacketsMax * 64;
// What comes on top of the MTU: the Ethernet header and two VLAN tags.
constexpr std::uint32_t kFrameBytes = 14 + 2 * 4;
constexpr std::uint32_t kTagAt = 12;  // behind the two MAC addresses

// Puts one tag into the headroom. Without headroom the packet stays as it is.
void PutTagBack(rte_mbuf* mbuf, std::uint16_t ether_type, std::uint16_t tag) noexcept {
  if (rte_pktmbuf_headroom(mbuf) < 4 || rte_pktmbuf_data_len(mbuf) < kTagAt) return;
  auto* begin = reinterpret_cast<std::uint8_t*>(rte_pktmbuf_prepend(mbuf, 4));
  std::memmove(begin, begin + 4, kTagAt);
  const std::uint8_t bytes[4] = {
      static_cast<std::uint8_t>(ether_type >> 8), static_cast<std::uint8_t>(ether_type),
      static_cast<std::uint8_t>(tag >> 8), static_cast<std::uint8_t>(tag)};
  std::memcpy(begin + kTagAt, bytes, sizeof(bytes));
}

void PutTagsBack(rte_mbuf* mbuf) noexcept {
  const bool both = (mbuf->ol_flags & RTE_MBUF_F_RX_QINQ_STRIPPED) != 0;
  if ((mbuf->ol_flags & kStrippedFlags) == 0) return;
  PutTagBack(mbuf, RTE_ETHER_TYPE_VLAN, mbuf->vlan_tci);
  if (both) PutTagBack(mbuf, RTE_ETHER_TYPE_QINQ, mbuf->vlan_tci_outer);
  mbuf->ol_flags &= ~kStrippedFlags;
}

// The pieces behind the first one, as a chain of segments.
const PacketSegment* ChainOf(const rte_mbuf* mbuf, std::vector<PacketSegment>& segments) noexcept {
  PacketSegment* first = nullptr;
  PacketSegment* last = nullptr;
  for (mbuf = mbuf->next; mbuf != nullptr && segments.size() < segments.capacity();
       mbuf = mbuf->next) {
    segments.push_back({rte_pktmbuf_mtod(mbuf, const std::uint8_t*), mbuf->data_len, nullptr});
    PacketSegment* segment = &segments.back();
    if (last == nullptr) {
      first = segment;
    } else {
      last->next = segment;
    }
    last = segment;
  }
  return first;
}

// The mbuf's first words in one load: data_off, refcnt, nb_segs, port, 16 bits each.
static_assert(offsetof(rte_mbuf, refcnt) == offsetof(rte_mbuf, data_off) + 2 &&
              offsetof(rte_mbuf, nb_segs) == offsetof(rte_mbuf, data_off) + 4);

std::uint64_t RearmWord(const rte_mbuf* mbuf) noexcept {
  std::uint64_t word;
  std::memcpy(&word, &mbuf->data_off, sizeof(word));
  return word;
}

// refcnt 1, nb_segs 1.
constexpr std::uint64_t kAloneMask = 0x0000'ffff'ffff'0000;
constexpr std::uint64_t kAlone = 0x0000'0001'0001'0000;

}  // namespace

bool FillBurst(std::span<rte_mbuf*> mbufs, const rte_mempool* pool,
               std::vector<PacketSegment>& segments, Burst& burst) noexcept {
  burst.count = static_cast<std::uint32_t>(mbufs.size());
  burst.chained = 0;
  std::uint64_t wire_bytes = 0;
  std::uint64_t unusual = 0;  // any packet in several pieces, with a tag taken out, or not all ours
  for (std::uint32_t i = 0; i < burst.count; ++i) {
    const rte_mbuf* mbuf = mbufs[i];
    const std::uint64_t rearm = RearmWord(mbuf);
    const auto* data = static_cast<const std::uint8_t*>(mbuf->buf_addr) + (rearm & 0xffff);
    rte_prefetch0(data);
    burst.packets[i] = {data, mbuf->data_len, mbuf->pkt_len};
    wire_bytes += mbuf->pkt_len;
    unusual |=
        (mbuf->ol_flags & (kStrippedFlags | kForeignFlags)) | ((rearm & kAloneMask) ^ kAlone) |
        (reinterpret_cast<std::uintptr_t>(mbuf->pool) ^ reinterpret_cast<std::uintptr_t>(pool));
  }
  burst.wire_bytes = burst.stored_bytes = wire_bytes;
  if (unusual == 0) [[likely]]
    return true;
  segments.clear();
  burst.wire_bytes = 0;
  for (std::uint32_t i = 0; i < burst.count; ++i) {
    rte_mbuf* mbuf = mbufs[i];
    PutTagsBack(mbuf);
    burst.packets[i] = {rte_pktmbuf_mtod(mbuf, const std::uint8_t*), mbuf->data_len, mbuf->pkt_len};
    burst.wire_bytes += mbuf->pkt_len;
    if (mbuf->nb_segs == 1) continue;
    burst.chained |= PacketSet{1} << i;
    burst.rest[i] = ChainOf(mbuf, segments);
  }
  burst.stored_bytes = burst.wire_bytes;
  return false;
}

EthdevRxSource::EthdevRxSource(std::uint16_t port, std::uint16_t queue, std::uint16_t number,
                               rte_mempool* pool, const Clock& clock, const CardTime& card_time)
    : port_(port),
      queue_(queue),
      number_(number),
      pool_(pool),
      clock_(clock),
      card_time_(card_time) {
  segments_.reserve(kSegmentsMax);
}

std::uint32_t EthdevRxSource::PacketBytesMax() const {
  std::uint16_t mtu = 0;
  return rte_eth_dev_get_mtu(port_, &mtu) == 0 ? mtu + kFrameBytes : kPacketBytesMax;
}

void EthdevRxSource::Receive(Burst& burst) noexcept {
  const std::uint16_t count = rte_eth_rx_burst(port_, queue_, mbufs_.data(), kBurstPacketsMax);
  burst.count = count;
  if (count == 0) return;
  burst.port = number_;
  plain_ = FillBurst({mbufs_.data(), count}, pool_, segments_, burst);
  SetTimes(burst);
}

void EthdevRxSource::Release(Burst& burst) noexcept {
  if (plain_) {
    // What rte_pktmbuf_free_bulk would ask each mbuf has been asked already.
    rte_mempool_put_bulk(pool_, reinterpret_cast<void**>(mbufs_.data()), burst.count);
  } else {
    rte_pktmbuf_free_bulk(mbufs_.data(), burst.count);
  }
}

void EthdevRxSource::SetTimes(Burst& burst) noexcept {
  last_time_ns_ = std::max(last_time_ns_, clock_.NowNs());
  burst.packet_times = card_time_.converter != nullptr;
  burst.time_ns[0] = last_time_ns_;
  if (!burst.packet_times) return;
  for (std::uint32_t i = 0; i < burst.count; ++i) {
    const rte_mbuf* mbuf = mbufs_[i];
    const bool has_time = (mbuf->ol_flags & card_time_.flag) != 0;
    burst.time_ns[i] = has_time ? card_time_.converter->ToNs(*RTE_MBUF_DYNFIELD(
                                      mbuf, card_time_.field_offset, const rte_mbuf_timestamp_t*))
                                : last_time_ns_;
  }
}

}  // namespace edgecap::dataplane
