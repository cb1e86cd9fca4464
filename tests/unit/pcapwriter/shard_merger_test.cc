// SPDX-License-Identifier: Apache-2.0

#include "pcapwriter/shard_merger.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "base/clock.h"
#include "base/status_macros.h"
#include "pcapwriter/pcap_format.h"

namespace edgecap::pcapwriter {
namespace {

struct Record {
  std::uint64_t time_ns = 0;
  std::string bytes;

  friend bool operator==(const Record&, const Record&) = default;
};

class ShardMergerTest : public testing::Test {
 protected:
  ShardMergerTest() {
    std::string path = (std::filesystem::temp_directory_path() / "edgecap_XXXXXX").string();
    EXPECT_NE(mkdtemp(path.data()), nullptr);
    directory_ = path;
  }
  ~ShardMergerTest() override { std::filesystem::remove_all(directory_); }

  std::string WriteShard(const std::vector<Record>& records) {
    const std::string path = directory_ + "/" + std::to_string(paths_.size()) + ".pcap";
    std::ofstream file(path, std::ios::binary);
    const FileHeader header = MakeFileHeader(96);
    file.write(reinterpret_cast<const char*>(&header), sizeof(header));
    for (const Record& record : records) {
      const RecordHeader head{static_cast<std::uint32_t>(record.time_ns / kNsPerSecond),
                              static_cast<std::uint32_t>(record.time_ns % kNsPerSecond),
                              static_cast<std::uint32_t>(record.bytes.size()),
                              static_cast<std::uint32_t>(record.bytes.size() + 4)};
      file.write(reinterpret_cast<const char*>(&head), sizeof(head));
      file.write(record.bytes.data(), static_cast<std::streamsize>(record.bytes.size()));
    }
    paths_.push_back(path);
    return path;
  }

  // The merge, read in pieces of `piece_bytes`.
  static absl::StatusOr<std::string> ReadAll(ShardMerger& merger, std::size_t piece_bytes) {
    std::string all;
    std::vector<std::byte> piece(piece_bytes);
    for (;;) {
      EDGECAP_ASSIGN_OR_RETURN(const std::size_t bytes, merger.Read(piece));
      if (bytes == 0) return all;
      all.append(reinterpret_cast<const char*>(piece.data()), bytes);
    }
  }

  std::string Merge(std::size_t piece_bytes = 65536) {
    const auto merger = ShardMerger::Open(paths_, 96);
    EXPECT_TRUE(merger.ok()) << merger.status();
    const auto all = ReadAll(**merger, piece_bytes);
    EXPECT_TRUE(all.ok()) << all.status();
    EXPECT_EQ(all->size(), (*merger)->TotalBytes());
    return *all;
  }

  static std::vector<Record> Records(std::string_view pcap) {
    FileHeader header;
    std::memcpy(&header, pcap.data(), sizeof(header));
    EXPECT_EQ(header.magic, 0xa1b23c4d);
    EXPECT_EQ(header.snaplen, 96u);
    EXPECT_EQ(header.link_type, 1u);
    pcap.remove_prefix(sizeof(header));
    std::vector<Record> records;
    while (!pcap.empty()) {
      RecordHeader head;
      std::memcpy(&head, pcap.data(), sizeof(head));
      EXPECT_EQ(head.wire_bytes, head.captured_bytes + 4);
      records.push_back({head.seconds * kNsPerSecond + head.nanoseconds,
                         std::string(pcap.substr(sizeof(head), head.captured_bytes))});
      pcap.remove_prefix(sizeof(head) + head.captured_bytes);
    }
    return records;
  }

  std::string directory_;
  std::vector<std::string> paths_;
};

TEST_F(ShardMergerTest, NoShardsGiveAnEmptyPcap) { EXPECT_TRUE(Records(Merge()).empty()); }

TEST_F(ShardMergerTest, ShardsWithoutRecordsGiveAnEmptyPcap) {
  WriteShard({});
  WriteShard({});
  EXPECT_TRUE(Records(Merge()).empty());
}

TEST_F(ShardMergerTest, OneShardComesThroughByteForByte) {
  const std::string path = WriteShard({{5, "five"}, {3, ""}, {9 * kNsPerSecond, "nine"}});
  std::ifstream file(path, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  EXPECT_EQ(Merge(), bytes);
}

TEST_F(ShardMergerTest, RecordsComeByTimeAndEqualTimesByShard) {
  WriteShard({{1, "a1"}, {4, "a4"}, {4, "a4'"}});
  WriteShard({});
  WriteShard({{0, "b0"}, {4, "b4"}, {2 * kNsPerSecond, "b"}});
  const std::vector<Record> expected = {{0, "b0"},  {1, "a1"}, {4, "a4"},
                                        {4, "a4'"}, {4, "b4"}, {2 * kNsPerSecond, "b"}};
  EXPECT_EQ(Records(Merge()), expected);
}

TEST_F(ShardMergerTest, PiecesOfAnySizeGiveTheSameBytes) {
  WriteShard({{1, "one"}, {3, std::string(300, 'x')}});
  WriteShard({{2, "two"}});
  const std::string whole = Merge();
  for (std::size_t piece : {1, 2, 3, 7, 16, 24, 100}) EXPECT_EQ(Merge(piece), whole) << piece;
}

TEST_F(ShardMergerTest, ManyLargeShardsAreMergedExactly) {
  std::mt19937_64 random(1);
  std::vector<Record> all;
  for (int shard = 0; shard < 40; ++shard) {
    std::vector<Record> records;
    std::uint64_t time_ns = 0;
    for (int i = 0; i < 100; ++i) {
      time_ns += random() % 50'000'000;
      const bool jumbo = random() % 200 == 0;  // a record that is longer than the read buffer
      records.push_back({time_ns, std::string(jumbo ? 262144 : random() % 9000, 'a' + i % 26)});
    }
    all.insert(all.end(), records.begin(), records.end());
    WriteShard(records);
  }
  std::ranges::stable_sort(all, {}, &Record::time_ns);
  EXPECT_TRUE(Records(Merge(100'000)) == all);
}

TEST_F(ShardMergerTest, AMissingFileIsNamed) {
  const absl::Status missing = ShardMerger::Open({directory_ + "/none.pcap"}, 96).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(MessageOf(missing).find("/none.pcap"), std::string::npos);
}

TEST_F(ShardMergerTest, WhatIsNotOurPcapIsRefused) {
  const std::string path = directory_ + "/other";
  for (const std::string& content : {std::string(), std::string("short"), std::string(100, 'x')}) {
    std::ofstream(path, std::ios::trunc) << content;
    EXPECT_EQ(ShardMerger::Open({path}, 96).status().code(), absl::StatusCode::kDataLoss);
  }
  EXPECT_EQ(ShardMerger::Open({directory_}, 96).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(ShardMergerTest, ATornRecordIsAnErrorWithFileAndOffset) {
  const std::string path = WriteShard({{1, "first"}, {2, "second"}});
  const std::uintmax_t whole = std::filesystem::file_size(path);
  for (std::uintmax_t size = whole - 1; size > whole - 22; --size) {
    std::filesystem::resize_file(path, size);
    const auto merger = ShardMerger::Open({path}, 96);
    ASSERT_TRUE(merger.ok());
    const absl::Status torn = ReadAll(**merger, 4096).status();
    EXPECT_EQ(torn.code(), absl::StatusCode::kDataLoss) << size;
    EXPECT_NE(MessageOf(torn).find(path + " is torn: the record at offset 45"), std::string::npos);
  }
}

TEST_F(ShardMergerTest, AFileThatIsCutWhileItIsReadIsAnError) {
  const std::string path =
      WriteShard({{1, std::string(200'000, 'x')}, {2, std::string(200'000, 'y')}});
  const auto merger = ShardMerger::Open({path}, 96);
  ASSERT_TRUE(merger.ok());
  std::filesystem::resize_file(path, 300'000);
  EXPECT_EQ(ReadAll(**merger, 4096).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace edgecap::pcapwriter
