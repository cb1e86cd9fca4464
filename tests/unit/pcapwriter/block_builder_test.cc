// SPDX-License-Identifier: Apache-2.0

#include "pcapwriter/block_builder.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "tests/support/pcap_reader.h"
#include "tests/support/test_burst.h"

namespace edgecap::pcapwriter {
namespace {

using testing::TestBurst;

std::vector<std::uint8_t> Bytes(std::size_t size) {
  std::vector<std::uint8_t> bytes(size);
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{1});
  return bytes;
}

class BlockBuilderTest : public ::testing::Test {
 protected:
  BlockBuilderTest()
      : pool_(*BlockPool::Create(kBlockBytesMin, 2, false, 1)),
        ring_(16, 1),
        producer_(ring_),
        stream_({"/d", "m", ""}, 0, 65535),
        builder_(stream_, *pool_, producer_) {}

  std::uint64_t Append(TestBurst& burst, std::uint32_t snaplen = 65535) {
    const PacketSet all = burst.burst().All();
    return builder_.Append(burst.burst(), all, burst.burst().Amount(all), snaplen);
  }

  // The records of a block, read as a file.
  static std::vector<testing::PcapRecord> Records(const Block& block) {
    const FileHeader header = MakeFileHeader(65535);
    std::string file(reinterpret_cast<const char*>(&header), sizeof(header));
    file.append(reinterpret_cast<const char*>(block.data), block.used);
    const auto records = testing::ReadPcap(file);
    EXPECT_TRUE(records.has_value());
    return records.value_or(std::vector<testing::PcapRecord>{});
  }

  std::unique_ptr<BlockPool> pool_;
  BlockQueue ring_;
  BlockQueue::Producer producer_;
  Stream stream_;
  BlockBuilder builder_;
};

TEST_F(BlockBuilderTest, WritesWholeRecordsOfEverySize) {
  constexpr std::uint64_t kTime = 1'700'000'000'999'999'990;
  ASSERT_TRUE(builder_.Reserve(kBlockBytesMin));
  for (const std::size_t size : {0, 1, 15, 63, 64, 65, 127, 128, 1514, 9000}) {
    TestBurst burst;
    burst.Add(Bytes(size), kTime + size);
    EXPECT_EQ(Append(burst), size);
  }
  builder_.Flush();
  const auto records = Records(*ring_.Pop());
  ASSERT_EQ(records.size(), 10u);
  for (const testing::PcapRecord& record : records) {
    const std::vector<std::uint8_t> bytes = Bytes(record.wire_bytes);
    EXPECT_EQ(record.bytes, std::string(bytes.begin(), bytes.end()));
    EXPECT_EQ(record.time_ns, kTime + record.wire_bytes);
  }
}

TEST_F(BlockBuilderTest, TimesMayGoBackAcrossASecond) {
  ASSERT_TRUE(builder_.Reserve(kBlockBytesMin));
  TestBurst burst;
  for (const std::uint64_t time : {5'000'000'001ULL, 4'999'999'999ULL, 0ULL, 7'000'000'000ULL}) {
    burst.Add(Bytes(60), time);
  }
  Append(burst);
  builder_.Flush();
  const auto records = Records(*ring_.Pop());
  EXPECT_EQ(records[0].time_ns, 5'000'000'001u);
  EXPECT_EQ(records[1].time_ns, 4'999'999'999u);
  EXPECT_EQ(records[2].time_ns, 0u);
  EXPECT_EQ(records[3].time_ns, 7'000'000'000u);
}

TEST_F(BlockBuilderTest, SnaplenCutsAndTheWireLengthStays) {
  ASSERT_TRUE(builder_.Reserve(kBlockBytesMin));
  TestBurst burst;
  burst.Add(Bytes(100));
  burst.AddPieces(Bytes(100), {10, 50, 40});
  EXPECT_EQ(Append(burst, 64), 128u);
  builder_.Flush();
  for (const testing::PcapRecord& record : Records(*ring_.Pop())) {
    EXPECT_EQ(record.wire_bytes, 100u);
    const std::vector<std::uint8_t> bytes = Bytes(64);
    EXPECT_EQ(record.bytes, std::string(bytes.begin(), bytes.end()));
  }
}

TEST_F(BlockBuilderTest, PutsPiecesTogether) {
  ASSERT_TRUE(builder_.Reserve(kBlockBytesMin));
  TestBurst burst;
  burst.AddPieces(Bytes(9000), {2048, 2048, 0, 2048, 2856});
  EXPECT_EQ(Append(burst), 9000u);
  builder_.Flush();
  const std::vector<std::uint8_t> bytes = Bytes(9000);
  EXPECT_EQ(Records(*ring_.Pop())[0].bytes, std::string(bytes.begin(), bytes.end()));
}

TEST_F(BlockBuilderTest, HandsAFullBlockOverAndSaysWhenNoneIsFree) {
  ASSERT_TRUE(builder_.Reserve(kBlockBytesMin));
  TestBurst burst;
  burst.Add(Bytes(1000));
  Append(burst);
  ASSERT_TRUE(builder_.Reserve(kBlockBytesMin)) << "the second block";
  Append(burst);
  EXPECT_FALSE(builder_.Reserve(kBlockBytesMin)) << "there are two";
  EXPECT_FALSE(builder_.HasRecords());
  for (int i = 0; i < 2; ++i) {
    const Block* block = ring_.Pop();
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(block->traffic, (Traffic{1, 1000}));
    EXPECT_EQ(block->stream, &stream_);
  }
}

TEST_F(BlockBuilderTest, FinishSendsWhatIsThereAndThenTheEndMarker) {
  ASSERT_TRUE(builder_.Reserve(kBlockBytesMin));
  TestBurst burst;
  burst.Add(Bytes(60));
  Append(burst);
  builder_.Finish();
  EXPECT_FALSE(ring_.Pop()->IsEndMarker());
  EXPECT_TRUE(ring_.Pop()->IsEndMarker());
  EXPECT_EQ(ring_.Pop(), nullptr);
}

TEST_F(BlockBuilderTest, FlushOfNothingSendsNothing) {
  builder_.Flush();
  ASSERT_TRUE(builder_.Reserve(100));
  builder_.Flush();
  EXPECT_EQ(ring_.Pop(), nullptr);
}

}  // namespace
}  // namespace edgecap::pcapwriter
