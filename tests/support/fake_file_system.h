// SPDX-License-Identifier: Apache-2.0
//
// A file system in memory whose disk can be full, fail, write half, or stand still.
//
// Threading: any; one lock.

#pragma once

#include <condition_variable>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "pcapwriter/file_system.h"

namespace edgecap::testing {

class FakeFileSystem final : public pcapwriter::FileSystem {
 public:
  // ---- what goes wrong; any time ----

  // Bytes that still fit on the disk; a write that does not fit leaves what did.
  void SetFreeBytes(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    free_bytes_ = bytes;
  }
  // Appends to files whose name contains `part` fail.
  void FailWritesTo(const std::string& part) {
    const std::lock_guard lock(mutex_);
    failing_.insert(part);
  }
  // Appends wait until Resume().
  void Stall() {
    const std::lock_guard lock(mutex_);
    stalled_ = true;
  }
  void Resume() {
    const std::lock_guard lock(mutex_);
    stalled_ = false;
    resumed_.notify_all();
  }

  // ---- what is there ----

  [[nodiscard]] std::map<std::string, std::string> Files() const {
    const std::lock_guard lock(mutex_);
    return files_;
  }

  // The files below `directory`, which are then gone.
  [[nodiscard]] std::map<std::string, std::string> TakeFiles(const std::string& directory) {
    const std::lock_guard lock(mutex_);
    std::map<std::string, std::string> taken;
    for (auto file = files_.lower_bound(directory);
         file != files_.end() && file->first.starts_with(directory);) {
      taken.insert(files_.extract(file++));
    }
    return taken;
  }

  // ---- FileSystem ----

  absl::StatusOr<std::unique_ptr<pcapwriter::WritableFile>> Create(
      const std::string& path) override {
    const std::lock_guard lock(mutex_);
    if (!files_.emplace(path, "").second) return absl::AlreadyExistsError("creating " + path);
    return std::make_unique<File>(*this, path);
  }

  absl::Status Rename(const std::string& from, const std::string& to, bool) override {
    const std::lock_guard lock(mutex_);
    const auto file = files_.find(from);
    if (file == files_.end()) return absl::NotFoundError("renaming " + from);
    files_[to] = file->second;
    files_.erase(from);
    return absl::OkStatus();
  }

  absl::Status MakeDirectory(const std::string&) override { return absl::OkStatus(); }

  absl::Status Remove(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    files_.erase(path);
    return absl::OkStatus();
  }

 private:
  class File final : public pcapwriter::WritableFile {
   public:
    File(FakeFileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}

    absl::Status Append(std::span<const std::byte> data) override {
      return files_.Append(path_, {reinterpret_cast<const char*>(data.data()), data.size()});
    }
    absl::Status Truncate(std::uint64_t bytes) override {
      const std::lock_guard lock(files_.mutex_);
      files_.files_[path_].resize(bytes);
      return absl::OkStatus();
    }
    absl::Status Sync() override { return absl::OkStatus(); }
    absl::Status Close() override { return absl::OkStatus(); }

   private:
    FakeFileSystem& files_;
    const std::string path_;
  };

  absl::Status Append(const std::string& path, std::string_view data) {
    std::unique_lock lock(mutex_);
    resumed_.wait(lock, [this] { return !stalled_; });
    for (const std::string& part : failing_) {
      if (path.find(part) != std::string::npos) {
        return absl::InternalError("writing " + path + ": " + std::strerror(EIO));
      }
    }
    const std::size_t fitting = std::min<std::uint64_t>(data.size(), free_bytes_);
    files_[path].append(data.substr(0, fitting));
    free_bytes_ -= fitting;
    if (fitting == data.size()) return absl::OkStatus();
    return absl::ResourceExhaustedError("writing " + path + ": " + std::strerror(ENOSPC));
  }

  mutable std::mutex mutex_;
  std::condition_variable resumed_;
  std::map<std::string, std::string> files_;
  std::set<std::string> failing_;
  std::uint64_t free_bytes_ = ~std::uint64_t{0};
  bool stalled_ = false;
};

}  // namespace edgecap::testing
