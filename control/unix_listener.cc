// SPDX-License-Identifier: Apache-2.0

#include "control/unix_listener.h"

#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "base/status_macros.h"

namespace edgecap::control {
namespace {

constexpr mode_t kSocketMode = 0660;
constexpr int kBacklog = 64;

absl::Status Refused(const std::string& what, int error) {
  return absl::UnavailableError(what + ": " + std::generic_category().message(error));
}

absl::StatusOr<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError("control.socket \"" + path + "\" must have 1 to " +
                                      std::to_string(sizeof(address.sun_path) - 1) +
                                      " characters: choose a shorter path");
  }
  path.copy(address.sun_path, path.size());
  return address;
}

absl::StatusOr<std::optional<gid_t>> GroupId(const std::string& name) {
  if (name.empty()) return std::optional<gid_t>();
  const group* found = getgrnam(name.c_str());
  if (found == nullptr) {
    return absl::InvalidArgumentError("control.socket_group \"" + name +
                                      "\" does not exist: create it with groupadd, or leave it "
                                      "empty");
  }
  return std::optional<gid_t>(found->gr_gid);
}

int MakeSocket() { return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }

// Makes the way free: nothing there, or a socket on which nobody listens any more.
absl::Status RemoveStale(const std::string& path, const sockaddr_un& address) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) {
    return errno == ENOENT ? absl::OkStatus() : Refused("cannot look at " + path, errno);
  }
  if (!S_ISSOCK(info.st_mode)) {
    return absl::FailedPreconditionError(
        "control.socket " + path +
        " exists and is not a socket: remove it, or choose another path");
  }
  const int probe = MakeSocket();
  if (probe < 0) return Refused("cannot make a socket", errno);
  const bool answered =
      connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  const int error = answered ? 0 : errno;
  close(probe);
  if (answered || error == EAGAIN) {
    return absl::AlreadyExistsError("another edgecapd listens on " + path +
                                    ": stop it, or choose another control.socket");
  }
  if (error != ECONNREFUSED) return Refused("cannot tell who listens on " + path, error);
  return unlink(path.c_str()) == 0 ? absl::OkStatus()
                                   : Refused("cannot remove the stale socket " + path, errno);
}

// The file never has more rights than it will have in the end: a socket's own mode, set before
// bind(), is the mode of its file.
absl::Status BindAndListen(int fd, const std::string& path, const sockaddr_un& address,
                           std::optional<gid_t> group) {
  if (fchmod(fd, 0600) != 0 ||
      bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return Refused("cannot make the socket " + path, errno);
  }
  if ((group.has_value() && chown(path.c_str(), static_cast<uid_t>(-1), *group) != 0) ||
      chmod(path.c_str(), kSocketMode) != 0) {
    return Refused("cannot set owner and mode of " + path, errno);
  }
  return listen(fd, kBacklog) == 0 ? absl::OkStatus() : Refused("cannot listen on " + path, errno);
}

// The groups a peer had when it connected: what its access to the socket file was decided by.
bool HasSupplementaryGroup(int connection_fd, gid_t group) {
  constexpr std::size_t kGroupsMax = 65536;  // NGROUPS_MAX
  std::vector<gid_t> groups(kGroupsMax);
  socklen_t bytes = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
  if (getsockopt(connection_fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &bytes) != 0)
    return false;
  groups.resize(bytes / sizeof(gid_t));
  return std::ranges::find(groups, group) != groups.end();
}

}  // namespace

absl::StatusOr<std::unique_ptr<UnixListener>> UnixListener::Open(const std::string& path,
                                                                 const std::string& group) {
  EDGECAP_ASSIGN_OR_RETURN(const sockaddr_un address, AddressOf(path));
  EDGECAP_ASSIGN_OR_RETURN(const std::optional<gid_t> group_id, GroupId(group));

  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  if (error) return Refused("cannot make directory " + parent.string(), error.value());
  EDGECAP_RETURN_IF_ERROR(RemoveStale(path, address));

  const int fd = MakeSocket();
  if (fd < 0) return Refused("cannot make a socket", errno);
  absl::Cleanup close_fd = [fd] { close(fd); };
  EDGECAP_RETURN_IF_ERROR(BindAndListen(fd, path, address, group_id));
  std::move(close_fd).Cancel();
  return std::unique_ptr<UnixListener>(new UnixListener(path, fd, group_id));
}

UnixListener::UnixListener(std::string path, int fd, std::optional<gid_t> group)
    : path_(std::move(path)), fd_(fd), group_(group) {
  struct stat info {};
  if (lstat(path_.c_str(), &info) == 0) {
    device_ = info.st_dev;
    inode_ = info.st_ino;
  }
}

UnixListener::~UnixListener() {
  struct stat info {};
  if (lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ && info.st_ino == inode_) {
    unlink(path_.c_str());
  }
  close(fd_);
}

bool UnixListener::Admits(int connection_fd) const {
  ucred peer{};
  socklen_t bytes = sizeof(peer);
  if (getsockopt(connection_fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0) return false;
  if (peer.uid == 0 || peer.uid == geteuid()) return true;
  return group_.has_value() &&
         (peer.gid == *group_ || HasSupplementaryGroup(connection_fd, *group_));
}

}  // namespace edgecap::control
