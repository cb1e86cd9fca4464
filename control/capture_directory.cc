// SPDX-License-Identifier: Apache-2.0

#include "control/capture_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <span>
#include <system_error>

#include "base/check.h"
#include "base/status_macros.h"
#include "control/random.h"

namespace edgecap::control {
namespace {

absl::Status Refused(std::string_view what, const std::string& path, int error) {
  return absl::UnavailableError("cannot " + std::string(what) + " " + path + ": " +
                                std::generic_category().message(error) +
                                " (capture.directory says where captures go)");
}

// As the file system seam's MakeDirectory(): those above are made too.
absl::Status MakeDirectories(const std::string& path) {
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (mkdir(part.c_str(), 0750) != 0 && errno != EEXIST) {
      return Refused("make directory", part, errno);
    }
    if (end == std::string::npos) return absl::OkStatus();
  }
}

absl::Status WriteProbe(const std::string& directory) {
  const std::string path = directory + "/.probe";
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return Refused("write", path, errno);
  const ssize_t written = write(fd, "1", 1);
  const int error = errno;
  close(fd);
  unlink(path.c_str());
  return written == 1 ? absl::OkStatus() : Refused("write", path, error);
}

}  // namespace

absl::Status CaptureDirectory::CheckWritable() const {
  EDGECAP_RETURN_IF_ERROR(MakeDirectories(root_));
  return WriteProbe(root_);
}

absl::StatusOr<std::string> CaptureDirectory::Make(std::string_view id) const {
  EDGECAP_RETURN_IF_ERROR(MakeDirectories(root_));
  std::string path = root_ + "/" + std::string(id);
  if (mkdir(path.c_str(), 0750) != 0) return Refused("make directory", path, errno);
  if (absl::Status probe = WriteProbe(path); !probe.ok()) {
    rmdir(path.c_str());
    return probe;
  }
  return path;
}

absl::Status CaptureDirectory::WriteDescription(std::string_view id, std::string_view json) const {
  const std::string directory = root_ + "/" + std::string(id);
  const std::string hidden = directory + "/.job.json";
  const auto write = [&]() -> absl::Status {
    EDGECAP_ASSIGN_OR_RETURN(const auto file, files_.Create(hidden));
    EDGECAP_RETURN_IF_ERROR(file->Append(std::as_bytes(std::span(json))));
    EDGECAP_RETURN_IF_ERROR(file->Close());
    return files_.Rename(hidden, directory + "/job.json", /*sync=*/false);
  };
  const absl::Status written = write();
  if (!written.ok()) files_.Remove(hidden).IgnoreError();
  return written;
}

absl::Status CaptureDirectory::Remove(std::string_view id) const {
  EDGECAP_CHECK(IsId(id));
  const std::string path = root_ + "/" + std::string(id);
  std::error_code error;
  std::filesystem::remove_all(path, error);
  return error ? Refused("remove", path, error.value()) : absl::OkStatus();
}

}  // namespace edgecap::control
