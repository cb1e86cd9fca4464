// SPDX-License-Identifier: Apache-2.0

#include "sampler/rate_limit.h"

#include "base/check.h"
#include "base/clock.h"
#include "sampler/sampling_policy.h"

namespace edgecap::sampler {
namespace {

constexpr std::uint64_t kStepsPerNs = 256;
constexpr std::uint64_t kStepsPerSecond = kNsPerSecond * kStepsPerNs;

// All distances that are told apart fit into half the range.
static_assert(kRateBurstMax * kStepsPerSecond + RateLimit::kStepBackNs * kStepsPerNs <
              std::uint64_t{1} << 63);

}  // namespace

RateLimit::RateLimit(std::uint64_t rate, std::uint64_t burst)
    : interval_((kStepsPerSecond + rate - 1) / rate),
      tolerance_((burst - 1) * interval_),
      step_back_(tolerance_ + interval_ + kStepBackNs * kStepsPerNs) {
  EDGECAP_CHECK(rate >= 1 && rate <= kRateMax && burst >= 1 && burst <= kRateBurstMax);
}

bool RateLimit::Admit(std::uint64_t time_ns, std::uint64_t& next) const noexcept {
  const std::uint64_t now = time_ns * kStepsPerNs;
  const auto early = static_cast<std::int64_t>(next - now);
  // `next` is never further ahead of a packet that was taken than tolerance + interval.
  const bool anew = next == 0 || early <= 0 || early > static_cast<std::int64_t>(step_back_);
  if (!anew && early > static_cast<std::int64_t>(tolerance_)) return false;
  next = (anew ? now : next) + interval_;
  if (next == 0) next = 1;
  return true;
}

PacketSet RateLimit::Take(const Burst& burst, PacketSet wanted) noexcept {
  std::uint64_t next = next_.load(std::memory_order_relaxed);
  for (;;) {
    std::uint64_t after = next;
    PacketSet taken = 0;
    for (PacketSet rest = wanted; rest != 0; rest &= rest - 1) {
      if (Admit(burst.TimeOf(static_cast<std::uint32_t>(std::countr_zero(rest))), after)) {
        taken |= rest & -rest;
      } else if (!burst.packet_times) {
        break;  // all others have the same time
      }
    }
    if (taken == 0) return 0;
    if (next_.compare_exchange_weak(next, after, std::memory_order_relaxed)) return taken;
  }
}

}  // namespace edgecap::sampler
