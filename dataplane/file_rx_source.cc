// SPDX-License-Identifier: Apache-2.0

#include "dataplane/file_rx_source.h"

#include <fcntl.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/copy.h"
#include "dataplane/job.h"

namespace edgecap::dataplane {
namespace {

// Packets of a burst lie one after another; a burst ends early when the next might not fit.
constexpr std::size_t kArenaBytes = 1024 * 1024;
constexpr std::size_t kInputBufferBytes = 256 * 1024;
constexpr int kInterruptPollMs = 50;
static_assert(kArenaBytes >= 2 * kSnaplenMax);

// The file as libpcap reads it: a stream that knows whether a read would wait for a pipe, and whose
// waiting can be interrupted. The buffer is here, not in the stream, so that what is in it is
// known.
class Input {
 public:
  explicit Input(int fd) : fd_(fd) {}
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;
  ~Input() { close(fd_); }

  // Closed by whoever owns it, before the input goes.
  std::FILE* OpenStream() {
    std::FILE* stream = fopencookie(
        this, "rb", {.read = Read, .write = nullptr, .seek = nullptr, .close = nullptr});
    if (stream != nullptr) setvbuf(stream, nullptr, _IONBF, 0);
    return stream;
  }

  // Nothing is there to be read, and the end is not known.
  bool WouldWait() const noexcept { return begin_ == end_ && !Ready(0); }

  void Interrupt() noexcept { interrupted_.store(true, std::memory_order_relaxed); }
  bool interrupted() const noexcept { return interrupted_.load(std::memory_order_relaxed); }

 private:
  static ssize_t Read(void* self, char* to, std::size_t bytes) {
    Input& input = *static_cast<Input*>(self);
    if (input.begin_ == input.end_) {
      const ssize_t filled = input.Fill();
      if (filled <= 0) return filled;
    }
    bytes = std::min(bytes, input.end_ - input.begin_);
    std::memcpy(to, input.buffer_.data() + input.begin_, bytes);
    input.begin_ += bytes;
    return static_cast<ssize_t>(bytes);
  }

  bool Ready(int timeout_ms) const noexcept {
    pollfd ready{fd_, POLLIN, 0};
    return poll(&ready, 1, timeout_ms) > 0;
  }

  ssize_t Fill() {
    while (!Ready(kInterruptPollMs)) {
      if (interrupted()) return 0;
    }
    const ssize_t count = read(fd_, buffer_.data(), buffer_.size());
    begin_ = 0;
    end_ = static_cast<std::size_t>(std::max<ssize_t>(count, 0));
    return count;
  }

  const int fd_;
  std::vector<char> buffer_ = std::vector<char>(kInputBufferBytes);
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::atomic<bool> interrupted_{false};
};

// With nanosecond precision libpcap leaves nanoseconds in tv_usec. It takes a pcap file's unsigned
// 32 bits of seconds for signed: from 2038 on they come out negative.
std::uint64_t TimeOf(const timeval& time) noexcept {
  const auto seconds = time.tv_sec < 0 ? static_cast<std::uint32_t>(time.tv_sec)
                                       : static_cast<std::uint64_t>(time.tv_sec);
  return seconds * kNsPerSecond + static_cast<std::uint64_t>(time.tv_usec);
}

class FileRxSource final : public RxSource {
 public:
  FileRxSource(std::string path, std::unique_ptr<Input> input, pcap_t* file)
      : path_(std::move(path)), input_(std::move(input)), file_(file), arena_(kArenaBytes) {}
  ~FileRxSource() override { pcap_close(file_); }

  void Receive(Burst& burst) noexcept override {
    burst.count = 0;
    burst.port = kNoPort;
    burst.chained = 0;
    burst.wire_bytes = 0;
    burst.stored_bytes = 0;
    burst.packet_times = true;
    std::size_t used = 0;
    while (!Ended() && burst.count < kBurstPacketsMax && arena_.size() - used >= kSnaplenMax &&
           !WouldWait()) {
      used += ReadPacket(burst, arena_.data() + used);
    }
  }

  void Release(Burst&) noexcept override {}
  bool Patient() const noexcept override { return true; }
  void Interrupt() noexcept override { input_->Interrupt(); }
  bool Ended() const noexcept override { return ended_.load(std::memory_order_acquire); }
  absl::Status Error() const override { return error_; }

 private:
  // So that what a slow pipe has brought is not held back until its next packet.
  bool WouldWait() const noexcept { return !input_->interrupted() && input_->WouldWait(); }

  // Reads one packet to `to`; its stored bytes. At the end of the file sets ended_.
  std::size_t ReadPacket(Burst& burst, std::uint8_t* to) noexcept {
    pcap_pkthdr* header = nullptr;
    const u_char* data = nullptr;
    const int result = pcap_next_ex(file_, &header, &data);
    if (result != 1) {
      if (result != PCAP_ERROR_BREAK && !input_->interrupted()) {
        error_ = absl::DataLossError(path_ + ": " + pcap_geterr(file_) + ", after " +
                                     std::to_string(packets_) + " packets");
      }
      ended_.store(true, std::memory_order_release);
      return 0;
    }
    ++packets_;
    const std::uint32_t stored = std::min<std::uint32_t>(header->caplen, kSnaplenMax);
    CopyPacketBytes(reinterpret_cast<std::byte*>(to), data, stored);
    burst.packets[burst.count] = {to, stored, header->len};
    burst.time_ns[burst.count] = TimeOf(header->ts);
    burst.wire_bytes += header->len;
    burst.stored_bytes += stored;
    ++burst.count;
    return stored;
  }

  const std::string path_;
  const std::unique_ptr<Input> input_;
  pcap_t* const file_;
  std::vector<std::uint8_t> arena_;
  std::uint64_t packets_ = 0;
  absl::Status error_;  // written before ended_
  std::atomic<bool> ended_{false};
};

absl::Status OpenError(const std::string& path, int error) {
  const std::string message = path + ": " + std::strerror(error);
  if (error == ENOENT) return absl::NotFoundError(message);
  if (error == EACCES) return absl::PermissionDeniedError(message);
  return absl::InvalidArgumentError(message);
}

}  // namespace

absl::StatusOr<std::unique_ptr<RxSource>> OpenFileRxSource(const std::string& path) {
  const int fd = path == "-" ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                             : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return OpenError(path, errno);
  auto input = std::make_unique<Input>(fd);
  std::FILE* stream = input->OpenStream();
  if (stream == nullptr) return OpenError(path, errno);
  char message[PCAP_ERRBUF_SIZE] = "";
  pcap_t* file =
      pcap_fopen_offline_with_tstamp_precision(stream, PCAP_TSTAMP_PRECISION_NANO, message);
  if (file == nullptr) {
    std::fclose(stream);
    return absl::InvalidArgumentError(path + ": not a capture file: " + message);
  }
  auto source = std::make_unique<FileRxSource>(path, std::move(input), file);
  if (const int link = pcap_datalink(file); link != DLT_EN10MB) {
    const char* name = pcap_datalink_val_to_name(link);
    return absl::InvalidArgumentError(path + ": link type " +
                                      (name != nullptr ? name : std::to_string(link)) +
                                      " is not Ethernet (EN10MB); only Ethernet is captured");
  }
  return source;
}

}  // namespace edgecap::dataplane
