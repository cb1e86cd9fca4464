// SPDX-License-Identifier: Apache-2.0

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/status_macros.h"
#include "pcapwriter/file_system.h"

namespace edgecap::pcapwriter {
namespace {

constexpr mode_t kFileMode = 0640;
constexpr mode_t kDirectoryMode = 0750;

absl::Status ErrnoStatus(const std::string& doing, int error) {
  std::string message = doing + ": " + std::strerror(error);
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return absl::ResourceExhaustedError(message);
    case EEXIST:
      return absl::AlreadyExistsError(message);
    case ENOENT:
      return absl::NotFoundError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    default:
      return absl::InternalError(message);
  }
}

class PosixWritableFile final : public WritableFile {
 public:
  PosixWritableFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  ~PosixWritableFile() override {
    if (fd_ >= 0) close(fd_);
  }

  absl::Status Append(std::span<const std::byte> data) override {
    while (!data.empty()) {
      const ssize_t count = write(fd_, data.data(), data.size());
      if (count < 0) {
        if (errno == EINTR) continue;
        return ErrnoStatus("writing " + path_, errno);
      }
      data = data.subspan(static_cast<std::size_t>(count));
    }
    return absl::OkStatus();
  }

  absl::Status Truncate(std::uint64_t bytes) override {
    if (ftruncate(fd_, static_cast<off_t>(bytes)) != 0 ||
        lseek(fd_, static_cast<off_t>(bytes), SEEK_SET) < 0) {
      return ErrnoStatus("cutting " + path_ + " back to its last whole record", errno);
    }
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    // Pipes and terminals have nothing to sync.
    if (fdatasync(fd_) != 0 && errno != EINVAL && errno != EROFS) {
      return ErrnoStatus("syncing " + path_, errno);
    }
    return absl::OkStatus();
  }

  absl::Status Close() override {
    if (close(std::exchange(fd_, -1)) != 0) return ErrnoStatus("closing " + path_, errno);
    return absl::OkStatus();
  }

 private:
  const std::string path_;
  int fd_;
};

std::string DirectoryOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

class PosixFileSystemImpl final : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<WritableFile>> Create(const std::string& path) override {
    const int fd =
        path == "-"
            ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)
            : open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kFileMode);
    if (fd < 0) return ErrnoStatus("creating " + path, errno);
    return std::make_unique<PosixWritableFile>(path, fd);
  }

  absl::Status Rename(const std::string& from, const std::string& to, bool sync) override {
    if (rename(from.c_str(), to.c_str()) != 0) {
      return ErrnoStatus("renaming " + from + " to " + to, errno);
    }
    return sync ? SyncDirectory(DirectoryOf(to)) : absl::OkStatus();
  }

  absl::Status MakeDirectory(const std::string& path) override {
    for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
      const std::string part = path.substr(0, end);
      if (mkdir(part.c_str(), kDirectoryMode) != 0 && errno != EEXIST) {
        return ErrnoStatus("creating directory " + part, errno);
      }
      if (end == std::string::npos) break;
    }
    struct stat info {};
    if (stat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
      return ErrnoStatus("creating directory " + path, ENOTDIR);
    }
    return absl::OkStatus();
  }

  absl::Status Remove(const std::string& path) override {
    if (remove(path.c_str()) != 0 && errno != ENOENT) {
      return ErrnoStatus("removing " + path, errno);
    }
    return absl::OkStatus();
  }

 private:
  static absl::Status SyncDirectory(const std::string& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return ErrnoStatus("opening directory " + path, errno);
    const absl::Status status =
        fsync(fd) == 0 ? absl::OkStatus() : ErrnoStatus("syncing directory " + path, errno);
    close(fd);
    return status;
  }
};

class DiscardingFile final : public WritableFile {
 public:
  absl::Status Append(std::span<const std::byte>) override { return absl::OkStatus(); }
  absl::Status Truncate(std::uint64_t) override { return absl::OkStatus(); }
  absl::Status Sync() override { return absl::OkStatus(); }
  absl::Status Close() override { return absl::OkStatus(); }
};

class DiscardFileSystemImpl final : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<WritableFile>> Create(const std::string&) override {
    return std::make_unique<DiscardingFile>();
  }
  absl::Status Rename(const std::string&, const std::string&, bool) override {
    return absl::OkStatus();
  }
  absl::Status MakeDirectory(const std::string&) override { return absl::OkStatus(); }
  absl::Status Remove(const std::string&) override { return absl::OkStatus(); }
};

}  // namespace

FileSystem& PosixFileSystem() {
  static PosixFileSystemImpl files;
  return files;
}

FileSystem& DiscardFileSystem() {
  static DiscardFileSystemImpl files;
  return files;
}

}  // namespace edgecap::pcapwriter
