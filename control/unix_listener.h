// SPDX-License-Identifier: Apache-2.0
//
// The operator socket: claimed for this process alone, readable and writable by root, the daemon's
// own user and, where one is configured, one group.
//
// Life cycle: Open() binds and listens, so that from then on no other daemon can have the path;
// clients wait in the queue until somebody accepts. The destructor removes the socket file, if it
// is still this one.
//
// Threading: control only.

#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace edgecap::control {

class UnixListener {
 public:
  // Makes the parent directories. A socket file on which nobody listens is replaced. An empty
  // `group` admits no group.
  //
  // Errors:
  //   kAlreadyExists       a process listens there
  //   kFailedPrecondition  something that is not a socket is there
  //   kInvalidArgument     there is no such group, or the path is too long for a socket
  //   kUnavailable         the system refuses; names path and errno
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<UnixListener>> Open(const std::string& path,
                                                                          const std::string& group);

  UnixListener(const UnixListener&) = delete;
  UnixListener& operator=(const UnixListener&) = delete;
  ~UnixListener();

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] const std::string& path() const { return path_; }

  // The process at the other end of `connection_fd` is root, the daemon's own user or of the group.
  [[nodiscard]] bool Admits(int connection_fd) const;

 private:
  UnixListener(std::string path, int fd, std::optional<gid_t> group);

  const std::string path_;
  const int fd_;
  const std::optional<gid_t> group_;
  dev_t device_ = 0;  // of our socket file
  ino_t inode_ = 0;
};

}  // namespace edgecap::control
