// SPDX-License-Identifier: Apache-2.0

#include "pcapwriter/shard_merger.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <optional>
#include <queue>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "pcapwriter/pcap_format.h"

namespace edgecap::pcapwriter {
namespace {

constexpr std::size_t kReadBufferBytes = 262144;

absl::Status ErrnoStatus(absl::StatusCode code, const std::string& what, int error) {
  return absl::Status(code, what + ": " + std::generic_category().message(error));
}

// One shard, read from front to back, record by record.
class ShardReader {
 public:
  // Errors: see ShardMerger::Open().
  static absl::StatusOr<std::unique_ptr<ShardReader>> Open(const std::string& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
      return ErrnoStatus(
          errno == ENOENT ? absl::StatusCode::kNotFound : absl::StatusCode::kInternal,
          "cannot open " + path, errno);
    }
    auto reader = std::make_unique<ShardReader>(path, fd);
    EDGECAP_RETURN_IF_ERROR(reader->ReadFileHeader());
    return reader;
  }

  ShardReader(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  ShardReader(const ShardReader&) = delete;
  ShardReader& operator=(const ShardReader&) = delete;
  ~ShardReader() { close(fd_); }

  std::uint64_t file_bytes() const { return file_bytes_; }
  std::uint64_t time_ns() const { return time_ns_; }

  // The record at hand has bytes that were not taken yet.
  bool InRecord() const { return record_bytes_ != 0; }

  // Goes to the next record; false at the end of the file.
  // REQUIRES: !InRecord().
  absl::StatusOr<bool> Next() {
    EDGECAP_CHECK(!InRecord());
    if (offset_ == file_bytes_) return false;
    RecordHeader header;
    if (file_bytes_ - offset_ < sizeof(header)) return Torn();
    EDGECAP_RETURN_IF_ERROR(Buffer(sizeof(header)));
    std::memcpy(&header, buffer_.data() + begin_, sizeof(header));
    record_bytes_ = sizeof(header) + std::uint64_t{header.captured_bytes};
    if (file_bytes_ - offset_ < record_bytes_) return Torn();
    time_ns_ = header.seconds * kNsPerSecond + header.nanoseconds;
    return true;
  }

  // Takes a part of the record at hand, header first.
  // REQUIRES: InRecord().
  absl::StatusOr<std::size_t> Take(std::span<std::byte> out) {
    EDGECAP_CHECK(InRecord());
    EDGECAP_RETURN_IF_ERROR(Buffer(1));
    const std::size_t bytes = std::min({out.size(), end_ - begin_, record_bytes_});
    std::memcpy(out.data(), buffer_.data() + begin_, bytes);
    begin_ += bytes;
    offset_ += bytes;
    record_bytes_ -= bytes;
    return bytes;
  }

 private:
  absl::Status ReadFileHeader() {
    struct stat info {};
    if (fstat(fd_, &info) != 0) {
      return ErrnoStatus(absl::StatusCode::kInternal, "cannot look at " + path_, errno);
    }
    const auto not_ours = [this] {
      return absl::DataLossError(path_ + " is not a nanosecond pcap of Ethernet packets");
    };
    file_bytes_ = static_cast<std::uint64_t>(info.st_size);
    if (!S_ISREG(info.st_mode) || file_bytes_ < sizeof(FileHeader)) return not_ours();
    buffer_.resize(std::min<std::uint64_t>(file_bytes_, kReadBufferBytes));

    FileHeader header;
    EDGECAP_RETURN_IF_ERROR(Buffer(sizeof(header)));
    std::memcpy(&header, buffer_.data(), sizeof(header));
    const FileHeader ours = MakeFileHeader(header.snaplen);
    if (std::memcmp(&header, &ours, sizeof(header)) != 0) return not_ours();
    begin_ = offset_ = sizeof(header);
    return absl::OkStatus();
  }

  // Has at least `bytes` contiguous in the buffer.
  absl::Status Buffer(std::size_t bytes) {
    if (end_ - begin_ >= bytes) return absl::OkStatus();
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    while (end_ < bytes) {
      const ssize_t got = pread(fd_, buffer_.data() + end_, buffer_.size() - end_,
                                static_cast<off_t>(offset_ + end_));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return ErrnoStatus(absl::StatusCode::kInternal, "cannot read " + path_, errno);
      if (got == 0) return Torn();
      end_ += static_cast<std::size_t>(got);
    }
    return absl::OkStatus();
  }

  absl::Status Torn() const {
    return absl::DataLossError(path_ + " is torn: the record at offset " + std::to_string(offset_) +
                               " goes beyond the end of the file");
  }

  const std::string path_;
  const int fd_;
  std::uint64_t file_bytes_ = 0;
  std::uint64_t offset_ = 0;        // in the file, of the next byte to take
  std::uint64_t record_bytes_ = 0;  // of the record at hand, not taken yet
  std::uint64_t time_ns_ = 0;       // of the record at hand
  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0;  // what is buffered
  std::size_t end_ = 0;
};

}  // namespace

struct ShardMerger::Impl {
  using Head = std::pair<std::uint64_t, std::size_t>;  // time of the next record, shard

  std::vector<std::unique_ptr<ShardReader>> readers;
  std::priority_queue<Head, std::vector<Head>, std::greater<>> heads;  // all shards but `current`
  std::optional<std::size_t> current;  // whose record is being copied
  FileHeader header;
  std::size_t header_left = sizeof(FileHeader);
  std::uint64_t total_bytes = sizeof(FileHeader);

  absl::Status Push(std::size_t shard) {
    EDGECAP_ASSIGN_OR_RETURN(const bool more, readers[shard]->Next());
    if (more) heads.emplace(readers[shard]->time_ns(), shard);
    return absl::OkStatus();
  }

  std::size_t TakeHeader(std::span<std::byte> out) {
    const std::size_t bytes = std::min(out.size(), header_left);
    const auto raw = std::as_bytes(std::span(&header, 1)).last(header_left);
    std::memcpy(out.data(), raw.data(), bytes);
    header_left -= bytes;
    return bytes;
  }

  // A part of the merge; 0 at its end.
  absl::StatusOr<std::size_t> Take(std::span<std::byte> out) {
    if (header_left != 0) return TakeHeader(out);
    if (current.has_value() && !readers[*current]->InRecord()) {
      EDGECAP_RETURN_IF_ERROR(Push(*current));
      current.reset();
    }
    if (!current.has_value()) {
      if (heads.empty()) return 0;
      current = heads.top().second;
      heads.pop();
    }
    return readers[*current]->Take(out);
  }
};

ShardMerger::ShardMerger(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ShardMerger::~ShardMerger() = default;

absl::StatusOr<std::unique_ptr<ShardMerger>> ShardMerger::Open(
    const std::vector<std::string>& paths, std::uint32_t snaplen) {
  auto impl = std::make_unique<Impl>();
  impl->header = MakeFileHeader(snaplen);
  for (const std::string& path : paths) {
    EDGECAP_ASSIGN_OR_RETURN(std::unique_ptr<ShardReader> reader, ShardReader::Open(path));
    impl->total_bytes += reader->file_bytes() - sizeof(FileHeader);
    impl->readers.push_back(std::move(reader));
    EDGECAP_RETURN_IF_ERROR(impl->Push(impl->readers.size() - 1));
  }
  return std::unique_ptr<ShardMerger>(new ShardMerger(std::move(impl)));
}

std::uint64_t ShardMerger::TotalBytes() const { return impl_->total_bytes; }

absl::StatusOr<std::size_t> ShardMerger::Read(std::span<std::byte> out) {
  std::size_t filled = 0;
  while (filled < out.size()) {
    EDGECAP_ASSIGN_OR_RETURN(const std::size_t taken, impl_->Take(out.subspan(filled)));
    if (taken == 0) break;
    filled += taken;
  }
  return filled;
}

}  // namespace edgecap::pcapwriter
