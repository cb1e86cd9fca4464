// SPDX-License-Identifier: Apache-2.0
//
// A receive source that plays packets given by the test, in bursts, and ends (or goes on for ever).
// It counts what it handed out and took back.
//
// Threading: as RxSource; Push() before the worker starts; Stop() and counters from any thread.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "dataplane/rx_source.h"

namespace edgecap::testing {

class FakeRxSource final : public dataplane::RxSource {
 public:
  struct Options {
    std::uint32_t burst = kBurstPacketsMax;
    std::uint64_t packets = 0;  // to hand out; 0: for ever
    bool patient = false;
    std::uint64_t time_ns = 0;  // packets' time; 0: the clock's
  };

  // Hands out `packets` round and round.
  FakeRxSource(std::vector<std::vector<std::uint8_t>> packets, const Options& options,
               const Clock& clock)
      : packets_(std::move(packets)), options_(options), clock_(clock) {}

  void Receive(Burst& burst) noexcept override {
    // On a machine with few cores the other threads of the test want to run too.
    std::this_thread::yield();
    burst.count = 0;
    burst.wire_bytes = burst.stored_bytes = 0;
    burst.chained = 0;
    burst.packet_times = false;
    burst.time_ns[0] = options_.time_ns != 0 ? options_.time_ns : clock_.NowNs();
    while (burst.count < options_.burst && !Ended()) {
      const std::vector<std::uint8_t>& packet = packets_[next_++ % packets_.size()];
      const auto bytes = static_cast<std::uint32_t>(packet.size());
      burst.packets[burst.count++] = {packet.data(), bytes, bytes};
      burst.wire_bytes += bytes;
      burst.stored_bytes += bytes;
      handed_out_.fetch_add(1, std::memory_order_relaxed);
    }
  }

  void Release(Burst& burst) noexcept override {
    taken_back_ += burst.count;
    if (on_release) on_release();
  }
  bool Patient() const noexcept override { return options_.patient; }
  bool Ended() const noexcept override {
    return options_.packets != 0 && handed_out() >= options_.packets;
  }

  std::function<void()> on_release;  // on the worker's thread; set before that starts

  [[nodiscard]] std::uint64_t handed_out() const {
    return handed_out_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t taken_back() const { return taken_back_; }

 private:
  const std::vector<std::vector<std::uint8_t>> packets_;
  const Options options_;
  const Clock& clock_;
  std::uint64_t next_ = 0;
  std::atomic<std::uint64_t> handed_out_{0};
  std::uint64_t taken_back_ = 0;
};

}  // namespace edgecap::testing
