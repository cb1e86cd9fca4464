// SPDX-License-Identifier: Apache-2.0

#include "pcapwriter/writer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <thread>

#include "pcapwriter/block_builder.h"
#include "pcapwriter/shard.h"
#include "tests/support/eventually.h"
#include "tests/support/fake_file_system.h"
#include "tests/support/pcap_reader.h"
#include "tests/support/test_burst.h"

namespace edgecap::pcapwriter {
namespace {

using testing::Eventually;

constexpr std::uint64_t kPacketBytes = 100;
constexpr std::uint64_t kRecordBytes = kPacketBytes + sizeof(RecordHeader);

class WriterTest : public ::testing::Test {
 protected:
  // A stream of its own worker, with a block of `packets` records handed over.
  struct Source {
    Source(WriterTest& test, ShardPlan plan, std::uint32_t worker)
        : producer(test.ring_),
          stream(std::move(plan), worker, 65535),
          builder(stream, *test.pool_, producer) {}

    void Send(std::uint32_t packets) {
      ASSERT_TRUE(Eventually([&] { return builder.Reserve(packets * kRecordBytes); }));
      for (std::uint32_t i = 0; i < packets; ++i) {
        testing::TestBurst burst;
        burst.Add(std::vector<std::uint8_t>(kPacketBytes, 7), 1'000'000'000 + sent++);
        builder.Append(burst.burst(), 1, {1, kPacketBytes}, 65535);
      }
      builder.Flush();
    }

    BlockQueue::Producer producer;
    Stream stream;
    BlockBuilder builder;
    std::uint64_t sent = 0;
  };

  WriterTest() : pool_(*BlockPool::Create(kBlockBytesMin, 8, false, 1)), ring_(64, 4) {
    writer_.emplace(0, ring_, *pool_, files_, /*sync=*/true);
  }

  ShardPlan Plan() { return {"/captures/id", "edge", ""}; }

  static bool Closed(const Stream& stream) {
    return Eventually([&] { return stream.closed(); });
  }

  std::size_t RecordsIn(const std::string& path) {
    const auto files = files_.Files();
    const auto file = files.find(path);
    if (file == files.end()) return 0;
    const auto records = testing::ReadPcap(file->second);
    EXPECT_TRUE(records.has_value()) << path << " is torn";
    return records ? records->size() : 0;
  }

  testing::FakeFileSystem files_;
  std::unique_ptr<BlockPool> pool_;
  BlockQueue ring_;
  std::optional<Writer> writer_;
};

TEST_F(WriterTest, AShardIsHiddenUntilItIsWhole) {
  Source source(*this, Plan(), 3);
  source.Send(10);
  ASSERT_TRUE(Eventually([&] { return source.stream.Written().packets == 10; }));
  EXPECT_TRUE(files_.Files().contains("/captures/id/.edge-3-0.pcap.part"));
  EXPECT_FALSE(files_.Files().contains("/captures/id/edge-3-0.pcap"));
  EXPECT_FALSE(source.stream.Info().whole);
  source.builder.Finish();
  ASSERT_TRUE(Closed(source.stream));
  EXPECT_EQ(files_.Files().size(), 1u);
  EXPECT_EQ(RecordsIn("/captures/id/edge-3-0.pcap"), 10u);
  const ShardInfo info = source.stream.Info();
  EXPECT_TRUE(info.whole);
  EXPECT_EQ(info.packets, 10u);
  EXPECT_EQ(info.bytes, 24 + 10 * kRecordBytes);
}

TEST_F(WriterTest, WithoutPacketsThereIsNoShard) {
  Source source(*this, Plan(), 0);
  source.builder.Finish();
  ASSERT_TRUE(Closed(source.stream));
  EXPECT_TRUE(files_.Files().empty());
  EXPECT_TRUE(source.stream.Info().path.empty());
}

TEST_F(WriterTest, ASingleNamedFileExistsEvenWithoutPackets) {
  Source source(*this, {"", "", "/out.pcap"}, 0);
  source.builder.Finish();
  ASSERT_TRUE(Closed(source.stream));
  EXPECT_EQ(files_.Files().at("/out.pcap").size(), 24u);
}

TEST_F(WriterTest, BlocksGoBackToThePool) {
  Source source(*this, Plan(), 0);
  for (int i = 0; i < 100; ++i) source.Send(5);
  source.builder.Finish();
  ASSERT_TRUE(Closed(source.stream));
  EXPECT_EQ(source.stream.Written().packets, 500u);
  EXPECT_TRUE(Eventually([&] { return pool_->FreeApprox() == 8; }));
}

TEST_F(WriterTest, AFullDiskFailsTheStreamAndKeepsWhatWasWhole) {
  files_.SetFreeBytes(24 + 10 * kRecordBytes + 5);  // a block and a torn piece
  Source source(*this, Plan(), 0);
  for (int i = 0; i < 4; ++i) source.Send(10);
  source.builder.Finish();
  ASSERT_TRUE(Closed(source.stream));
  EXPECT_EQ(source.stream.Error().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(source.stream.Error().message().find("No space left"), absl::string_view::npos);
  EXPECT_EQ(source.stream.Written(), (Traffic{10, 10 * kPacketBytes}));
  EXPECT_EQ(source.stream.Lost(), (Traffic{30, 30 * kPacketBytes}));
  EXPECT_EQ(RecordsIn("/captures/id/edge-0-0.pcap"), 10u);
}

TEST_F(WriterTest, AnErrorOfOneStreamLeavesTheOthersAlone) {
  files_.FailWritesTo("edge-1-");
  Source good(*this, Plan(), 0);
  Source bad(*this, Plan(), 1);
  for (int i = 0; i < 10; ++i) {
    good.Send(3);
    bad.Send(3);
  }
  good.builder.Finish();
  bad.builder.Finish();
  ASSERT_TRUE(Closed(good.stream) && Closed(bad.stream));
  EXPECT_TRUE(good.stream.Error().ok());
  EXPECT_EQ(RecordsIn("/captures/id/edge-0-0.pcap"), 30u);
  EXPECT_NE(bad.stream.Error().message().find("edge-1-0.pcap"), absl::string_view::npos);
  EXPECT_NE(bad.stream.Error().message().find("Input/output error"), absl::string_view::npos);
  EXPECT_EQ(bad.stream.Lost().packets, 30u);
  EXPECT_EQ(files_.Files().size(), 1u) << "a file without a header is of no use";
}

TEST_F(WriterTest, AStalledDiskHoldsBlocksAndLosesNothingOnceItGoesOn) {
  files_.Stall();
  Source source(*this, Plan(), 0);
  for (int i = 0; i < 8; ++i) source.Send(2);
  EXPECT_FALSE(source.builder.Reserve(100)) << "all blocks are with the writer";
  files_.Resume();
  source.Send(2);
  source.builder.Finish();
  ASSERT_TRUE(Closed(source.stream));
  EXPECT_EQ(RecordsIn("/captures/id/edge-0-0.pcap"), 18u);
}

TEST_F(WriterTest, StopWritesWhatIsInTheRing) {
  files_.Stall();
  Source source(*this, Plan(), 0);
  for (int i = 0; i < 8; ++i) source.Send(2);
  source.builder.Finish();
  std::thread stopper([&] { writer_->Stop(); });
  files_.Resume();
  stopper.join();
  EXPECT_TRUE(source.stream.closed());
  EXPECT_EQ(RecordsIn("/captures/id/edge-0-0.pcap"), 16u);
}

TEST(PosixFileSystem, RefusesSymbolicLinksAndExistingFiles) {
  const std::string directory = ::testing::TempDir() + "edgecap_fs_" + std::to_string(getpid());
  FileSystem& files = PosixFileSystem();
  ASSERT_TRUE(files.MakeDirectory(directory + "/a/b").ok());
  const std::string path = directory + "/a/b/file";
  ASSERT_TRUE(files.Create(path).ok());
  EXPECT_EQ(files.Create(path).status().code(), absl::StatusCode::kAlreadyExists);
  ASSERT_EQ(symlink("/etc/passwd", (directory + "/link").c_str()), 0);
  EXPECT_FALSE(files.Create(directory + "/link").ok());
  EXPECT_FALSE(files.MakeDirectory(path).ok()) << "there is a file of that name";
  EXPECT_EQ(files.Create(directory + "/none/file").status().code(), absl::StatusCode::kNotFound);
  for (const char* name : {"/a/b/file", "/link", "/a/b", "/a", ""}) {
    EXPECT_TRUE(files.Remove(directory + name).ok());
  }
}

TEST(PosixFileSystem, CutsAFileBackAndGoesOn) {
  const std::string path = ::testing::TempDir() + "edgecap_cut_" + std::to_string(getpid());
  FileSystem& files = PosixFileSystem();
  auto file = files.Create(path);
  ASSERT_TRUE(file.ok());
  const auto append = [&](const char* text) {
    return (*file)->Append(std::as_bytes(std::span(text, std::strlen(text))));
  };
  ASSERT_TRUE(append("whole").ok());
  ASSERT_TRUE(append("torn").ok());
  ASSERT_TRUE((*file)->Truncate(5).ok());
  ASSERT_TRUE(append("again").ok());
  ASSERT_TRUE((*file)->Sync().ok());
  ASSERT_TRUE((*file)->Close().ok());
  std::FILE* read = std::fopen(path.c_str(), "r");
  char text[32] = "";
  EXPECT_EQ(std::fread(text, 1, sizeof(text), read), 10u);
  std::fclose(read);
  EXPECT_STREQ(text, "wholeagain");
  EXPECT_TRUE(files.Remove(path).ok());
}

// Records of a stream without blocks, as control makes them.
Tail TailOf(std::uint32_t packets) {
  Tail tail;
  tail.bytes = packets * kRecordBytes;
  tail.data = std::make_unique<std::byte[]>(tail.bytes);
  const RecordHeader header{1, 2, kPacketBytes, kPacketBytes};
  for (std::uint32_t i = 0; i < packets; ++i) {
    std::memcpy(tail.data.get() + i * kRecordBytes, &header, sizeof(header));
  }
  tail.traffic = {packets, packets * kPacketBytes};
  return tail;
}

TEST_F(WriterTest, ATailComesBehindTheBlocks) {
  Source source(*this, Plan(), 3);
  source.Send(10);
  source.stream.SetTail(TailOf(7));
  source.builder.Finish();
  ASSERT_TRUE(Closed(source.stream));
  EXPECT_EQ(RecordsIn("/captures/id/edge-3-0.pcap"), 17u);
  EXPECT_EQ(source.stream.Written(), (Traffic{17, 17 * kPacketBytes}));
  EXPECT_EQ(source.stream.Info().packets, 17u);
}

TEST_F(WriterTest, ATailAloneMakesAShard) {
  Source source(*this, Plan(), 3);
  source.stream.SetTail(TailOf(7));
  source.builder.Finish();
  ASSERT_TRUE(Closed(source.stream));
  EXPECT_EQ(RecordsIn("/captures/id/edge-3-0.pcap"), 7u);
  EXPECT_TRUE(source.stream.Info().whole);
}

TEST_F(WriterTest, ATailThatDoesNotFitIsLostWholeAndCounted) {
  files_.SetFreeBytes(sizeof(FileHeader) + 3 * kRecordBytes);
  Source source(*this, Plan(), 3);
  source.stream.SetTail(TailOf(7));
  source.builder.Finish();
  ASSERT_TRUE(Closed(source.stream));
  EXPECT_EQ(source.stream.Lost().packets, 7u);
  EXPECT_EQ(source.stream.Written().packets, 0u);
  EXPECT_FALSE(source.stream.Error().ok());
  EXPECT_EQ(RecordsIn("/captures/id/edge-3-0.pcap"), 0u);
}

}  // namespace
}  // namespace edgecap::pcapwriter
