// SPDX-License-Identifier: Apache-2.0

#include "control/cli/output_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/memory/memory.h"
#include "base/status_macros.h"

namespace edgecap::cli {
namespace {

constexpr char kStandardOutput[] = "-";

std::string DirectoryOf(const std::string& path) {
  const std::string directory = std::filesystem::path(path).parent_path().string();
  return directory.empty() ? "." : directory;
}

std::string HiddenNameOf(const std::string& path) {
  if (path == kStandardOutput) return path;
  const std::string name = std::filesystem::path(path).filename().string();
  return DirectoryOf(path) + "/." + name + "." + std::to_string(getpid());
}

absl::Status CheckDirectory(const std::string& directory) {
  struct stat info = {};
  if (stat(directory.c_str(), &info) != 0) {
    return absl::NotFoundError("directory " + directory + ": " + std::strerror(errno));
  }
  if (!S_ISDIR(info.st_mode)) return absl::InvalidArgumentError(directory + " is no directory");
  if (access(directory.c_str(), W_OK | X_OK) != 0) {
    return absl::PermissionDeniedError("directory " + directory + ": " + std::strerror(errno));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckOutput(const std::string& path, bool replace) {
  if (path == kStandardOutput) {
    if (isatty(STDOUT_FILENO) == 0) return absl::OkStatus();
    return absl::InvalidArgumentError(
        "standard output is a terminal; send it to a file or a program, or name a file");
  }
  if (path.empty() || path.ends_with('/')) {
    return absl::InvalidArgumentError("\"" + path + "\" is no file name");
  }
  if (const absl::Status status = CheckDirectory(DirectoryOf(path)); !status.ok()) {
    return Annotate(status, path + " cannot be written");
  }
  struct stat info = {};
  if (lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return absl::OkStatus();
    return absl::InvalidArgumentError(path + " cannot be written: " + std::strerror(errno));
  }
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(path + " is not a regular file; give the name of a new one");
  }
  if (replace) return absl::OkStatus();
  return absl::AlreadyExistsError(path + " exists; --force replaces it");
}

absl::StatusOr<std::unique_ptr<OutputFile>> OutputFile::Open(const std::string& path, bool replace,
                                                             pcapwriter::FileSystem& files) {
  EDGECAP_RETURN_IF_ERROR(CheckOutput(path, replace));
  auto output = absl::WrapUnique(new OutputFile(path, replace, files));
  EDGECAP_ASSIGN_OR_RETURN(output->file_, files.Create(output->hidden_path_));
  return output;
}

OutputFile::OutputFile(std::string path, bool replace, pcapwriter::FileSystem& files)
    : path_(std::move(path)), hidden_path_(HiddenNameOf(path_)), replace_(replace), files_(files) {}

OutputFile::~OutputFile() {
  if (file_ == nullptr || committed_ || path_ == kStandardOutput) return;
  file_.reset();
  (void)files_.Remove(hidden_path_);  // the error that led here has been reported
}

absl::Status OutputFile::Append(std::span<const std::byte> data) { return file_->Append(data); }

absl::Status OutputFile::Commit() {
  if (path_ == kStandardOutput) return file_->Close();
  EDGECAP_RETURN_IF_ERROR(file_->Sync());
  EDGECAP_RETURN_IF_ERROR(file_->Close());
  EDGECAP_RETURN_IF_ERROR(CheckOutput(path_, replace_));  // somebody else may have made it
  EDGECAP_RETURN_IF_ERROR(files_.Rename(hidden_path_, path_, /*sync=*/true));
  committed_ = true;
  return absl::OkStatus();
}

}  // namespace edgecap::cli
