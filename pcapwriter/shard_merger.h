// SPDX-License-Identifier: Apache-2.0
//
// Merges finished shards of one job into one pcap, ordered by time, as a stream: what a download
// sends. Memory is one read buffer a shard, whatever the files' size.
//
// Life cycle: Open() reads every shard's header; Read() is called until it returns 0.
//
// Threading: one at a time.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace edgecap::pcapwriter {

class ShardMerger {
 public:
  // No shards give an empty, valid pcap. Records of equal times keep the order of `paths`.
  //
  // Errors: kNotFound for a missing file, kDataLoss for one that is not a nanosecond pcap of ours.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<ShardMerger>> Open(
      const std::vector<std::string>& paths, std::uint32_t snaplen);

  ShardMerger(const ShardMerger&) = delete;
  ShardMerger& operator=(const ShardMerger&) = delete;
  ~ShardMerger();

  // Bytes the whole merge will have.
  [[nodiscard]] std::uint64_t TotalBytes() const;

  // Fills `out` as far as there is something; 0 at the end.
  // Errors: kDataLoss for a torn record, naming file and offset; kInternal for a read error.
  [[nodiscard]] absl::StatusOr<std::size_t> Read(std::span<std::byte> out);

 private:
  struct Impl;
  explicit ShardMerger(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace edgecap::pcapwriter
