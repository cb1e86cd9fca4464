// SPDX-License-Identifier: Apache-2.0
//
// The pcap file on disk, nanosecond form (IETF draft-ietf-opsawg-pcap, section 4 and 5): a header
// of 24 bytes, then records of 16 bytes of header and the packet's bytes, in the writer's byte
// order. An empty capture is the header alone:
//
//   4d 3c b2 a1  02 00 04 00  00 00 00 00  00 00 00 00  00 00 04 00  01 00 00 00
//   magic        2.4          zone         sigfigs      snaplen      Ethernet
//
// Threading: values.

#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

namespace edgecap::pcapwriter {

static_assert(std::endian::native == std::endian::little);

inline constexpr std::uint32_t kPcapMagicNanoseconds = 0xa1b23c4d;
inline constexpr std::uint32_t kLinkTypeEthernet = 1;

struct FileHeader {
  std::uint32_t magic = kPcapMagicNanoseconds;
  std::uint16_t version_major = 2;
  std::uint16_t version_minor = 4;
  std::uint32_t zone = 0;
  std::uint32_t significant_figures = 0;
  std::uint32_t snaplen = 0;
  std::uint32_t link_type = kLinkTypeEthernet;
};
static_assert(sizeof(FileHeader) == 24 && std::is_trivially_copyable_v<FileHeader>);

struct RecordHeader {
  std::uint32_t seconds = 0;  // since 1970 UTC
  std::uint32_t nanoseconds = 0;
  std::uint32_t captured_bytes = 0;  // that follow
  std::uint32_t wire_bytes = 0;
};
static_assert(sizeof(RecordHeader) == 16 && std::is_trivially_copyable_v<RecordHeader>);

[[nodiscard]] constexpr FileHeader MakeFileHeader(std::uint32_t snaplen) noexcept {
  FileHeader header;
  header.snaplen = snaplen;
  return header;
}

}  // namespace edgecap::pcapwriter
