// SPDX-License-Identifier: Apache-2.0

#include "pcapwriter/shard.h"

#include <utility>

#include "base/status_macros.h"
#include "pcapwriter/pcap_format.h"

namespace edgecap::pcapwriter {

absl::StatusOr<std::unique_ptr<Shard>> Shard::Open(FileSystem& files,
                                                   const std::string& hidden_path,
                                                   const std::string& final_path,
                                                   std::uint32_t snaplen) {
  EDGECAP_ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file, files.Create(hidden_path));
  std::unique_ptr<Shard> shard(new Shard(files, hidden_path, final_path, std::move(file)));
  const FileHeader header = MakeFileHeader(snaplen);
  if (absl::Status status = shard->Append(std::as_bytes(std::span(&header, 1))); !status.ok()) {
    // A file without a header is of no use to anybody; the write error is what counts.
    static_cast<void>(shard->file_->Close());
    static_cast<void>(files.Remove(hidden_path));
    return status;
  }
  return shard;
}

Shard::Shard(FileSystem& files, std::string hidden_path, std::string final_path,
             std::unique_ptr<WritableFile> file)
    : files_(files),
      hidden_path_(std::move(hidden_path)),
      final_path_(std::move(final_path)),
      file_(std::move(file)) {}

absl::Status Shard::Append(std::span<const std::byte> records) {
  absl::Status status = file_->Append(records);
  if (status.ok()) {
    bytes_ += records.size();
  } else if (absl::Status cut = file_->Truncate(bytes_); !cut.ok()) {
    return absl::Status(status.code(), MessageOf(status) + "; and " + MessageOf(cut));
  }
  return status;
}

absl::Status Shard::Close(bool sync) {
  absl::Status status = sync ? file_->Sync() : absl::OkStatus();
  if (absl::Status closed = file_->Close(); status.ok()) status = closed;
  if (hidden_path_ != final_path_) {
    // Also after an error: every block before it is in the file.
    if (absl::Status renamed = files_.Rename(hidden_path_, final_path_, sync); status.ok()) {
      status = renamed;
    }
  }
  return status;
}

}  // namespace edgecap::pcapwriter
