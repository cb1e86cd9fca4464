// SPDX-License-Identifier: Apache-2.0
//
// The directory in which every capture has its own, named after its id: {root}/{id}/.
//
// Threading: control only.

#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace edgecap::control {

class CaptureDirectory {
 public:
  explicit CaptureDirectory(std::string root) : root_(std::move(root)) {}

  [[nodiscard]] const std::string& root() const { return root_; }

  // Makes the root if need be and writes to it: whatever would refuse a capture refuses this.
  // Errors: kUnavailable, naming path and errno.
  [[nodiscard]] absl::Status CheckWritable() const;

  // Makes a capture's directory, mode 0750, and returns its path.
  // Errors: kUnavailable, naming path and errno; nothing is left behind.
  [[nodiscard]] absl::StatusOr<std::string> Make(std::string_view id) const;

  // Removes a capture's directory and all that is in it. No error if there is none.
  // REQUIRES: id is one of ours.
  // Errors: kUnavailable, naming path and errno.
  [[nodiscard]] absl::Status Remove(std::string_view id) const;

 private:
  const std::string root_;
};

}  // namespace edgecap::control
