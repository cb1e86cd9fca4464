// SPDX-License-Identifier: Apache-2.0
//
// One pcap file being written. It is hidden until it is whole: created under its hidden name,
// renamed by Close(). Whoever sees a file under a final name may trust it.
//
// Life cycle: Open() creates the file and writes its header; Append() block by block; Close().
// After a failed Append() the file is cut back to its last whole block and only Close() makes
// sense: what was captured until then is kept, whole and readable. A shard destroyed without
// Close() leaves the hidden file.
//
// Threading: belongs to its writer.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pcapwriter/file_system.h"

namespace edgecap::pcapwriter {

class Shard {
 public:
  // With equal paths nothing is hidden and nothing renamed (standard output).
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Shard>> Open(FileSystem& files,
                                                                   const std::string& hidden_path,
                                                                   const std::string& final_path,
                                                                   std::uint32_t snaplen);

  // Whole records.
  [[nodiscard]] absl::Status Append(std::span<const std::byte> records);

  [[nodiscard]] absl::Status Close(bool sync);

  // Of whole blocks, header included.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  Shard(FileSystem& files, std::string hidden_path, std::string final_path,
        std::unique_ptr<WritableFile> file);

  FileSystem& files_;
  const std::string hidden_path_;
  const std::string final_path_;
  std::unique_ptr<WritableFile> file_;
  std::uint64_t bytes_ = 0;
};

}  // namespace edgecap::pcapwriter
