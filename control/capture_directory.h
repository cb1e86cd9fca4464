// SPDX-License-Identifier: Apache-2.0
//
// The directory in which every capture has its own, named after its id: {root}/{id}/. In it are
// the capture's shards and, when it has ended, what it was: job.json.
//
// Threading: control only.

#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pcapwriter/file_system.h"

namespace edgecap::control {

class CaptureDirectory {
 public:
  // `files` outlives this.
  explicit CaptureDirectory(std::string root,
                            pcapwriter::FileSystem& files = pcapwriter::PosixFileSystem())
      : root_(std::move(root)), files_(files) {}

  [[nodiscard]] const std::string& root() const { return root_; }

  // Makes the root if need be and writes to it: whatever would refuse a capture refuses this.
  // Errors: kUnavailable, naming path and errno.
  [[nodiscard]] absl::Status CheckWritable() const;

  // Makes a capture's directory, mode 0750, and returns its path.
  // Errors: kUnavailable, naming path and errno; nothing is left behind.
  [[nodiscard]] absl::StatusOr<std::string> Make(std::string_view id) const;

  // Writes a capture's job.json: hidden until whole, then renamed. Not synced, so that ending a
  // thousand captures does not keep control waiting for the disk.
  // Errors: of the file system, naming path and errno; then there is no job.json.
  [[nodiscard]] absl::Status WriteDescription(std::string_view id, std::string_view json) const;

  // Removes a capture's directory and all that is in it. No error if there is none.
  // REQUIRES: id is one of ours.
  // Errors: kUnavailable, naming path and errno.
  [[nodiscard]] absl::Status Remove(std::string_view id) const;

 private:
  const std::string root_;
  pcapwriter::FileSystem& files_;
};

}  // namespace edgecap::control
