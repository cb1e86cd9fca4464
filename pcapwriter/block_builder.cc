// SPDX-License-Identifier: Apache-2.0

#include "pcapwriter/block_builder.h"

#include <algorithm>
#include <cstring>

#include "base/clock.h"
#include "base/copy.h"

namespace edgecap::pcapwriter {

BlockBuilder::BlockBuilder(Stream& stream, BlockPool& pool, BlockQueue::Producer& ring)
    : stream_(stream), pool_(pool), ring_(ring) {}

bool BlockBuilder::Reserve(std::uint32_t bytes) noexcept {
  if (bytes <= Room()) return true;
  if (block_ != nullptr) HandOver();
  block_ = pool_.Take();
  return block_ != nullptr;
}

RecordHeader BlockBuilder::StartRecord(std::uint64_t time_ns) noexcept {
  if (time_ns - second_begin_ns_ >= kNsPerSecond) [[unlikely]] {
    second_ = static_cast<std::uint32_t>(time_ns / kNsPerSecond);
    second_begin_ns_ = std::uint64_t{second_} * kNsPerSecond;
  }
  return {second_, static_cast<std::uint32_t>(time_ns - second_begin_ns_), 0, 0};
}

std::uint64_t BlockBuilder::Append(const Burst& burst, PacketSet packets, const Traffic& amount,
                                   std::uint32_t snaplen) noexcept {
  if (packets == 0) return 0;
  std::byte* const begin = block_->data + block_->used;
  std::byte* to = begin;
  RecordHeader header = StartRecord(burst.time_ns[0]);
  ForEachPacket(packets, [&](std::uint32_t index) {
    const PacketView& packet = burst.packets[index];
    if (burst.packet_times) header = StartRecord(burst.time_ns[index]);
    header.wire_bytes = packet.wire_bytes;
    if (burst.IsChained(index)) [[unlikely]] {
      header.captured_bytes = std::min(burst.StoredBytes(index), snaplen);
      CopyPacket(burst, index, header.captured_bytes, to + sizeof(header));
    } else {
      header.captured_bytes = std::min(packet.head_bytes, snaplen);
      CopyPacketBytes(to + sizeof(header), packet.data, header.captured_bytes);
    }
    std::memcpy(to, &header, sizeof(header));
    to += RecordBytes(header.captured_bytes);
  });
  const auto bytes = static_cast<std::uint32_t>(to - begin);
  block_->used += bytes;
  block_->traffic += amount;
  return bytes - amount.packets * sizeof(RecordHeader);
}

void BlockBuilder::Flush() noexcept {
  if (HasRecords()) HandOver();
}

void BlockBuilder::Finish() noexcept {
  // An empty block goes the same way: its writer gives it back to the pool.
  if (block_ != nullptr) HandOver();
  ring_.Push(&stream_.end_marker);
}

void BlockBuilder::HandOver() noexcept {
  block_->stream = &stream_;
  ring_.Push(block_);
  block_ = nullptr;
}

}  // namespace edgecap::pcapwriter
