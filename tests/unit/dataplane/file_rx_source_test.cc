// SPDX-License-Identifier: Apache-2.0

#include "dataplane/file_rx_source.h"

#include <gtest/gtest.h>
#include <pcap/pcap.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <thread>

#include "base/packet.h"

namespace edgecap::dataplane {
namespace {

class FileRxSourceTest : public ::testing::Test {
 protected:
  FileRxSourceTest() : path_(::testing::TempDir() + "edgecap_file_" + std::to_string(getpid())) {}
  ~FileRxSourceTest() override { unlink(path_.c_str()); }

  // A file of libpcap's own making; packet i has i bytes of i on the wire, `snaplen` of them
  // stored.
  void WriteFile(int link, int precision, std::uint32_t packets, std::uint32_t snaplen = 65535) {
    pcap_t* dead =
        pcap_open_dead_with_tstamp_precision(link, 65535, static_cast<unsigned>(precision));
    pcap_dumper_t* dumper = pcap_dump_open(dead, path_.c_str());
    ASSERT_NE(dumper, nullptr);
    for (std::uint32_t i = 0; i < packets; ++i) {
      const std::vector<u_char> bytes(i + 1, static_cast<u_char>(i));
      pcap_pkthdr header{};
      header.ts = {1'600'000'000 + static_cast<time_t>(i), 123'456 + static_cast<long>(i)};
      header.caplen = std::min(i, snaplen);
      header.len = i;
      pcap_dump(reinterpret_cast<u_char*>(dumper), &header, bytes.data());
    }
    pcap_dump_close(dumper);
    pcap_close(dead);
  }

  struct Read {
    std::uint64_t packets = 0;
    std::uint64_t wire_bytes = 0;
    std::uint64_t stored_bytes = 0;
    std::vector<std::uint64_t> times;
  };
  static Read ReadAll(RxSource& source) {
    Read read;
    Burst burst;
    while (!source.Ended()) {
      source.Receive(burst);
      for (std::uint32_t i = 0; i < burst.count; ++i) {
        ++read.packets;
        read.stored_bytes += burst.StoredBytes(i);
        read.times.push_back(burst.TimeOf(i));
        for (std::uint32_t at = 0; at < burst.packets[i].head_bytes; ++at) {
          EXPECT_EQ(burst.packets[i].data[at],
                    static_cast<std::uint8_t>(burst.packets[i].wire_bytes));
        }
      }
      read.wire_bytes += burst.wire_bytes;
      if (burst.count != 0) source.Release(burst);
    }
    return read;
  }

  // Opens a pipe that somebody has written `packets` packets into, and keeps open.
  absl::StatusOr<std::unique_ptr<RxSource>> OpenPipe(std::uint32_t packets) {
    WriteFile(DLT_EN10MB, PCAP_TSTAMP_PRECISION_NANO, packets);
    const std::string bytes = (std::ostringstream() << std::ifstream(path_).rdbuf()).str();
    unlink(path_.c_str());
    EXPECT_EQ(mkfifo(path_.c_str(), 0600), 0);
    std::thread opener([&] {
      writer_.open(path_);
      writer_ << bytes << std::flush;
    });
    auto source = OpenFileRxSource(path_);
    opener.join();
    return source;
  }

  const std::string path_;
  std::ofstream writer_;  // into the pipe
};

TEST_F(FileRxSourceTest, GivesEveryPacketWithItsTimeAndLengths) {
  WriteFile(DLT_EN10MB, PCAP_TSTAMP_PRECISION_NANO, 1000, 100);
  auto source = OpenFileRxSource(path_);
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_TRUE((*source)->Patient());
  const Read read = ReadAll(**source);
  EXPECT_EQ(read.packets, 1000u);
  EXPECT_EQ(read.wire_bytes, 999u * 1000 / 2);
  EXPECT_EQ(read.stored_bytes, 100u * 99 / 2 + 900 * 100);
  EXPECT_EQ(read.times[7], 1'600'000'007'000'123'463u);
  EXPECT_TRUE((*source)->Error().ok());
}

TEST_F(FileRxSourceTest, ReadsMicroseconds) {
  WriteFile(DLT_EN10MB, PCAP_TSTAMP_PRECISION_MICRO, 2);
  auto source = OpenFileRxSource(path_);
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ(ReadAll(**source).times[1], 1'600'000'001'123'457'000u);
}

TEST_F(FileRxSourceTest, ATruncatedFileGivesWhatIsWholeAndAnError) {
  WriteFile(DLT_EN10MB, PCAP_TSTAMP_PRECISION_NANO, 100);
  struct stat info {};
  stat(path_.c_str(), &info);
  ASSERT_EQ(truncate(path_.c_str(), info.st_size - 5), 0);
  auto source = OpenFileRxSource(path_);
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ(ReadAll(**source).packets, 99u);
  EXPECT_NE((*source)->Error().message().find("after 99 packets"), absl::string_view::npos);
}

TEST_F(FileRxSourceTest, RefusesOtherLinkTypes) {
  WriteFile(DLT_RAW, PCAP_TSTAMP_PRECISION_NANO, 1);
  const auto source = OpenFileRxSource(path_);
  EXPECT_EQ(source.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(source.status().message().find("RAW"), absl::string_view::npos);
}

TEST_F(FileRxSourceTest, RefusesWhatIsNoCaptureFile) {
  std::ofstream(path_) << "plain text, long enough to be no header at all";
  EXPECT_EQ(OpenFileRxSource(path_).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(OpenFileRxSource(path_ + ".none").status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(OpenFileRxSource("/").ok());
}

TEST_F(FileRxSourceTest, WhatAPipeHasBroughtIsNotHeldBack) {
  auto source = OpenPipe(3);
  ASSERT_TRUE(source.ok()) << source.status();
  Burst burst;
  (*source)->Receive(burst);
  EXPECT_EQ(burst.count, 3u);
  (*source)->Receive(burst);
  EXPECT_EQ(burst.count, 0u) << "it does not wait for the fourth";
  EXPECT_FALSE((*source)->Ended());
  writer_.close();
  EXPECT_EQ(ReadAll(**source).packets, 0u);
  EXPECT_TRUE((*source)->Error().ok()) << (*source)->Error();
}

TEST_F(FileRxSourceTest, AWaitForAPipeCanBeInterrupted) {
  auto source = OpenPipe(0);
  ASSERT_TRUE(source.ok()) << source.status();
  std::thread reader([&] { ReadAll(**source); });
  (*source)->Interrupt();
  reader.join();
  EXPECT_TRUE((*source)->Ended());
  EXPECT_TRUE((*source)->Error().ok()) << (*source)->Error();
}

}  // namespace
}  // namespace edgecap::dataplane
