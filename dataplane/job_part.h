// SPDX-License-Identifier: Apache-2.0
//
// One worker's half of a job: all that the worker writes for it. Made by control before the job is
// published, so that no worker ever allocates; it travels inside job tables and survives their
// changes, so other jobs coming and going never reset it.
//
// Threading:
//   member                     worker   control
//   sampler, builder           owns
//   reservoir                  fills    made and emptied; reads its counters
//   counters, begin, end       writes   reads
//   phase                      writes   reads (acquire: begin or end are then final)
// When the worker has acknowledged a table without the job, all is control's.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/cache_line.h"
#include "base/traffic.h"
#include "pcapwriter/block_builder.h"
#include "sampler/reservoir.h"
#include "sampler/sampler.h"

namespace edgecap::dataplane {

struct alignas(kCacheLineBytes) JobPart {
  enum class Phase : std::uint8_t { kWaiting, kActive, kEnded };

  JobPart(const sampler::SamplingPolicy& sampling, std::uint32_t worker, pcapwriter::Stream& stream,
          pcapwriter::BlockPool& pool, pcapwriter::BlockQueue::Producer& ring,
          sampler::RateLimit* rate_limit)
      : sampler(sampling, worker, rate_limit), builder(stream, pool, ring) {}

  [[nodiscard]] bool Active() const noexcept {
    return phase.load(std::memory_order_relaxed) == Phase::kActive;
  }

  // What this worker received while the job ran, given what it has received in all.
  [[nodiscard]] Traffic Seen(const Traffic& received) const noexcept {
    switch (phase.load(std::memory_order_acquire)) {
      case Phase::kWaiting:
        return {};
      case Phase::kActive:
        return received - begin.Value();
      case Phase::kEnded:
        return end.Value() - begin.Value();
    }
    return {};
  }

  // What is taken now; of a reservoir what it holds.
  [[nodiscard]] Traffic Captured() const noexcept {
    return reservoir != nullptr ? reservoir->Held() : captured.Value();
  }
  [[nodiscard]] std::uint64_t StoredBytes() const noexcept {
    return reservoir != nullptr ? reservoir->StoredBytes() : stored_bytes.Value();
  }

  // For the method kReservoir: keeps the packets, so that nothing goes through the sampler and the
  // builder. What it holds is counted as captured or sampled out at the job's end, by control.
  std::unique_ptr<sampler::Reservoir> reservoir;
  sampler::Sampler sampler;
  pcapwriter::BlockBuilder builder;
  std::uint64_t oldest_record_ns = 0;  // worker: when the current block got its first record

  std::atomic<Phase> phase{Phase::kWaiting};
  TrafficCounter begin;  // the worker's received traffic when the job began on it
  TrafficCounter end;    // and when it ended

  TrafficCounter matched;
  TrafficCounter sampled_out;
  TrafficCounter over_limit;
  TrafficCounter no_block;
  TrafficCounter captured;
  StatCounter stored_bytes;  // of captured packets, after snaplen
};

}  // namespace edgecap::dataplane
