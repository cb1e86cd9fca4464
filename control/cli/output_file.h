// SPDX-License-Identifier: Apache-2.0
//
// The file that a command writes: never half of it under its name, and never over another file
// unless asked to. "-" is standard output.
//
// Life cycle: Open(), Append() as often as needed, Commit() once. Without Commit() the destructor
// leaves nothing behind.
//
// Threading: one at a time.

#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pcapwriter/file_system.h"

namespace edgecap::cli {

// Whether `path` may become a file: its directory is there and can be written, and nothing has the
// name, or with `replace` at most a regular file. Standard output must not be a terminal.
//
// Errors: kInvalidArgument, kNotFound, kPermissionDenied, kAlreadyExists; each says what to do.
[[nodiscard]] absl::Status CheckOutput(const std::string& path, bool replace);

class OutputFile {
 public:
  // `files` outlives the file. Errors: as CheckOutput(), and those of `files`.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<OutputFile>> Open(
      const std::string& path, bool replace, pcapwriter::FileSystem& files);

  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();

  [[nodiscard]] absl::Status Append(std::span<const std::byte> data);

  // Syncs, closes and gives the file its name.
  [[nodiscard]] absl::Status Commit();

 private:
  OutputFile(std::string path, bool replace, pcapwriter::FileSystem& files);

  const std::string path_;
  const std::string hidden_path_;
  const bool replace_;
  pcapwriter::FileSystem& files_;
  std::unique_ptr<pcapwriter::WritableFile> file_;
  bool committed_ = false;
};

}  // namespace edgecap::cli
