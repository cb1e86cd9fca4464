// SPDX-License-Identifier: Apache-2.0

#include "pcapwriter/writer.h"

#include <pthread.h>
#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "pcapwriter/shard.h"

namespace edgecap::pcapwriter {
namespace {

// How long an idle writer sleeps, longer every time it finds nothing. Workers cannot wake it (that
// would be a system call); the pool has room for what comes meanwhile. While blocks come the sleeps
// are short, so that few blocks are under way and stay in the cache.
constexpr long kIdleSleepNsMin = 10'000;
constexpr long kIdleSleepNsMax = 1'000'000;
constexpr std::size_t kBlocksPerPop = 16;

}  // namespace

Writer::Writer(std::uint32_t number, BlockQueue& ring, BlockPool& pool, FileSystem& files,
               bool sync)
    : ring_(ring), returner_(pool), files_(files), sync_(sync), thread_([this, number] {
        Run(number);
      }) {}

Writer::~Writer() { Stop(); }

void Writer::Stop() {
  stopping_.store(true, std::memory_order_release);
  if (thread_.joinable()) thread_.join();
}

void Writer::Run(std::uint32_t number) {
  pthread_setname_np(pthread_self(), ("writer-" + std::to_string(number)).c_str());
  prctl(PR_SET_TIMERSLACK, 1000UL);  // the default of 50 us would make short sleeps long
  std::array<Block*, kBlocksPerPop> blocks;
  long idle_sleep_ns = kIdleSleepNsMin;
  for (;;) {
    // Read before the ring: what was pushed before Stop() is seen below.
    const bool last_round = stopping_.load(std::memory_order_acquire);
    const std::size_t count = ring_.Pop(blocks);
    for (std::size_t i = 0; i < count; ++i) Process(*blocks[i]);
    if (count != 0) {
      idle_sleep_ns = kIdleSleepNsMin;
      continue;
    }
    if (last_round) return;
    const timespec sleep{0, idle_sleep_ns};
    nanosleep(&sleep, nullptr);
    idle_sleep_ns = std::min(idle_sleep_ns * 2, kIdleSleepNsMax);
  }
}

void Writer::Process(Block& block) {
  Stream& stream = *block.stream;
  if (block.IsEndMarker()) {
    Close(stream);
    return;
  }
  if (block.used != 0) Write(stream, {block.data, block.used}, block.traffic);
  returner_.Give(&block);
}

void Writer::Write(Stream& stream, std::span<const std::byte> records, const Traffic& traffic) {
  absl::Status status = stream.Failed() ? absl::AbortedError("failed before") : EnsureOpen(stream);
  if (status.ok()) status = stream.shard_->Append(records);
  if (!status.ok()) {
    if (!stream.Failed()) stream.Fail(status);
    stream.lost_.Add(traffic);
    return;
  }
  stream.written_.Add(traffic);
  Report(stream, /*whole=*/false);
}

absl::Status Writer::EnsureOpen(Stream& stream) {
  if (stream.shard_ != nullptr) return absl::OkStatus();
  if (!stream.plan().directory.empty()) {
    if (absl::Status made = files_.MakeDirectory(stream.plan().directory); !made.ok()) return made;
  }
  absl::StatusOr<std::unique_ptr<Shard>> shard =
      Shard::Open(files_, stream.HiddenPath(), stream.FinalPath(), stream.snaplen());
  if (!shard.ok()) return std::move(shard).status();
  stream.shard_ = *std::move(shard);
  return absl::OkStatus();
}

void Writer::Close(Stream& stream) {
  if (const Tail tail = std::exchange(stream.tail_, {}); tail.bytes != 0) {
    Write(stream, {tail.data.get(), tail.bytes}, tail.traffic);
  }
  // A single named file exists even when nothing matched: an empty, valid capture.
  if (stream.shard_ == nullptr && !stream.plan().path.empty() && !stream.Failed()) {
    if (absl::Status status = EnsureOpen(stream); !status.ok()) stream.Fail(status);
  }
  if (stream.shard_ != nullptr) {
    const absl::Status status = stream.shard_->Close(sync_);
    if (!status.ok() && !stream.Failed()) stream.Fail(status);
    Report(stream, status.ok());
    stream.shard_.reset();
  }
  stream.closed_.store(true, std::memory_order_release);
}

void Writer::Report(Stream& stream, bool whole) {
  stream.SetInfo({stream.FinalPath(), stream.worker(), stream.shard_->bytes(),
                  stream.written_.Value().packets, whole});
}

}  // namespace edgecap::pcapwriter
