// SPDX-License-Identifier: Apache-2.0
//
// From mbufs to views: tags that a card has taken out, packets in several pieces. Needs EAL, in
// ordinary memory.

#include "dataplane/ethdev_rx_source.h"

#include <gtest/gtest.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <cstring>
#include <numeric>

#include "dataplane/eal.h"

namespace edgecap::dataplane {
namespace {

class FillBurstTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    config::DataplaneConfig config;
    config.hugepages = "off";
    config.memory_mb = 128;
    auto eal = Eal::Start(config);
    ASSERT_TRUE(eal.ok()) << eal.status();
    eal_ = *std::move(eal);
    pool_ = rte_pktmbuf_pool_create("test", 1023, 0, 0, 256 + RTE_PKTMBUF_HEADROOM, -1);
    ASSERT_NE(pool_, nullptr);
  }

  static void TearDownTestSuite() {
    rte_mempool_free(pool_);
    eal_.reset();
  }

  // A packet of bytes 0, 1, 2, ... in pieces of at most `piece`.
  rte_mbuf* Mbuf(std::uint32_t bytes, std::uint32_t piece = 256) {
    rte_mbuf* first = rte_pktmbuf_alloc(pool_);
    rte_mbuf* last = first;
    for (std::uint32_t at = 0; at < bytes;) {
      const std::uint32_t size = std::min(piece, bytes - at);
      if (at != 0) {
        rte_mbuf* next = rte_pktmbuf_alloc(pool_);
        last->next = next;
        last = next;
        ++first->nb_segs;
      }
      auto* data = rte_pktmbuf_mtod(last, std::uint8_t*);
      std::iota(data, data + size, static_cast<std::uint8_t>(at));
      last->data_len = static_cast<std::uint16_t>(size);
      first->pkt_len = at += size;
    }
    mbufs_.push_back(first);
    return first;
  }

  Burst& Fill() {
    segments_.reserve(256);
    plain_ = FillBurst(mbufs_, pool_, segments_, burst_);
    return burst_;
  }

  std::vector<std::uint8_t> BytesOf(std::uint32_t index) const {
    const PacketView& view = burst_.packets[index];
    std::vector<std::uint8_t> bytes(view.data, view.data + view.head_bytes);
    if (burst_.IsChained(index)) {
      for (const PacketSegment* s = burst_.rest[index]; s != nullptr; s = s->next) {
        bytes.insert(bytes.end(), s->data, s->data + s->bytes);
      }
    }
    return bytes;
  }

  static std::vector<std::uint8_t> Counting(std::uint32_t bytes) {
    std::vector<std::uint8_t> counting(bytes);
    std::iota(counting.begin(), counting.end(), std::uint8_t{0});
    return counting;
  }

  void TearDown() override { rte_pktmbuf_free_bulk(mbufs_.data(), mbufs_.size()); }

  static inline std::unique_ptr<Eal> eal_;  // starts once a process
  static inline rte_mempool* pool_ = nullptr;
  std::vector<rte_mbuf*> mbufs_;
  std::vector<PacketSegment> segments_;
  Burst burst_{};
  bool plain_ = false;
};

TEST_F(FillBurstTest, GivesPlainPacketsAsTheyAre) {
  for (std::uint32_t bytes = 60; bytes < 124; ++bytes) Mbuf(bytes);
  const Burst& burst = Fill();
  EXPECT_TRUE(plain_);
  EXPECT_EQ(burst.count, 64u);
  EXPECT_EQ(burst.chained, 0u);
  EXPECT_EQ(burst.wire_bytes, (60u + 123) * 64 / 2);
  for (std::uint32_t i = 0; i < burst.count; ++i) EXPECT_EQ(BytesOf(i), Counting(60 + i));
}

TEST_F(FillBurstTest, PutsPiecesInOrder) {
  Mbuf(60);
  Mbuf(1000, 100);
  Mbuf(61);
  Mbuf(257);
  const Burst& burst = Fill();
  EXPECT_FALSE(plain_);
  EXPECT_EQ(burst.chained, 0b1010u);
  EXPECT_EQ(burst.wire_bytes, 60u + 1000 + 61 + 257);
  EXPECT_EQ(burst.StoredBytes(1), 1000u);
  EXPECT_EQ(BytesOf(0), Counting(60));
  EXPECT_EQ(BytesOf(1), Counting(1000));
  EXPECT_EQ(BytesOf(2), Counting(61));
  EXPECT_EQ(BytesOf(3), Counting(257));
}

TEST_F(FillBurstTest, SeesAnMbufThatIsNotItsAlone) {
  Mbuf(60);
  rte_mbuf_refcnt_set(Mbuf(61), 2);
  const Burst& burst = Fill();
  EXPECT_FALSE(plain_);
  EXPECT_EQ(burst.wire_bytes, 121u);
  EXPECT_EQ(BytesOf(1), Counting(61));
  rte_mbuf_refcnt_set(mbufs_[1], 1);
}

TEST_F(FillBurstTest, SeesAnMbufOfAnotherPool) {
  rte_mempool* other = rte_pktmbuf_pool_create("other", 63, 0, 0, 256, -1);
  ASSERT_NE(other, nullptr);
  mbufs_.push_back(rte_pktmbuf_alloc(other));
  Fill();
  EXPECT_FALSE(plain_);
}

TEST_F(FillBurstTest, PutsAStrippedTagBack) {
  Mbuf(60);
  rte_mbuf* tagged = Mbuf(60);
  tagged->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
  tagged->vlan_tci = 0x6123;
  const Burst& burst = Fill();
  std::vector<std::uint8_t> expected = Counting(60);
  expected.insert(expected.begin() + 12, {0x81, 0x00, 0x61, 0x23});
  EXPECT_EQ(BytesOf(0), Counting(60));
  EXPECT_EQ(BytesOf(1), expected);
  EXPECT_EQ(burst.packets[1].wire_bytes, 64u);
  EXPECT_EQ(burst.wire_bytes, 124u);
}

TEST_F(FillBurstTest, PutsBothStrippedTagsBack) {
  rte_mbuf* tagged = Mbuf(300, 200);
  tagged->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_QINQ |
                      RTE_MBUF_F_RX_QINQ_STRIPPED;
  tagged->vlan_tci = 0x0005;
  tagged->vlan_tci_outer = 0x0006;
  Fill();
  std::vector<std::uint8_t> expected = Counting(300);
  expected.insert(expected.begin() + 12, {0x88, 0xa8, 0x00, 0x06, 0x81, 0x00, 0x00, 0x05});
  EXPECT_EQ(BytesOf(0), expected);
}

}  // namespace
}  // namespace edgecap::dataplane
