// SPDX-License-Identifier: Apache-2.0
//
// The file system as a seam, so that full disks, short writes and errors can be played in tests.
// Only what the writer needs: a file is created exclusively, appended to, cut, synced, renamed.
//
// Threading: a FileSystem may be used from any thread; a WritableFile by one at a time.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace edgecap::pcapwriter {

class WritableFile {
 public:
  virtual ~WritableFile() = default;

  // Writes all of `data` at the end of the file, or fails. After a failure the file may hold a part
  // of it; Truncate() takes that back. Errors name path and errno.
  [[nodiscard]] virtual absl::Status Append(std::span<const std::byte> data) = 0;

  // Cuts the file to `bytes`; further data goes there.
  [[nodiscard]] virtual absl::Status Truncate(std::uint64_t bytes) = 0;

  // Data on stable storage.
  [[nodiscard]] virtual absl::Status Sync() = 0;

  // Reports what the destructor could not. Call once, last.
  [[nodiscard]] virtual absl::Status Close() = 0;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // Makes a new file, mode 0640; refuses one that exists, and symbolic links.
  [[nodiscard]] virtual absl::StatusOr<std::unique_ptr<WritableFile>> Create(
      const std::string& path) = 0;

  // Replaces `to` if it exists; atomic. With `sync` the directory entry is on stable storage.
  [[nodiscard]] virtual absl::Status Rename(const std::string& from, const std::string& to,
                                            bool sync) = 0;

  // Makes the directory and those above it, mode 0750. No error if it exists.
  [[nodiscard]] virtual absl::Status MakeDirectory(const std::string& path) = 0;

  // No error if there is no such file.
  [[nodiscard]] virtual absl::Status Remove(const std::string& path) = 0;
};

// The real one.
[[nodiscard]] FileSystem& PosixFileSystem();

// Takes everything, keeps nothing: for measuring the engine without a disk.
[[nodiscard]] FileSystem& DiscardFileSystem();

}  // namespace edgecap::pcapwriter
