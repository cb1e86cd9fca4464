// SPDX-License-Identifier: Apache-2.0

#include "sampler/sampler.h"

#include <bit>
#include <cmath>

#include "base/check.h"
#include "sampler/nth_packet.h"

namespace edgecap::sampler {

Sampler::Sampler(const SamplingPolicy& policy, std::uint32_t worker, RateLimit* rate_limit)
    : method_(policy.method),
      random_(policy.seed, worker),
      one_in_(policy.one_in),
      log_declined_(std::log1p(-policy.probability)),
      flow_key_(Spread(policy.seed)),
      flow_hash_max_(policy.per_flow == 0 ? 0 : ~std::uint64_t{0} / policy.per_flow),
      rate_limit_(rate_limit) {
  EDGECAP_CHECK(policy.Validate().ok());
  EDGECAP_CHECK(method_ != SamplingMethod::kRate || rate_limit_ != nullptr);
  if (method_ == SamplingMethod::kOneIn) {
    skip_ = place_ = DrawPlace();
  } else if (method_ == SamplingMethod::kProbability) {
    skip_ = random_.Gap(log_declined_);
  }
}

PacketSet Sampler::Thin(const Burst& burst, PacketSet matched,
                        const std::uint64_t* flow_hash) noexcept {
  switch (method_) {
    case SamplingMethod::kAll:
      return matched;
    case SamplingMethod::kOneIn:
    case SamplingMethod::kProbability:
      return ThinBySkips(matched);
    case SamplingMethod::kPerFlow:
      return ThinByFlow(matched, flow_hash);
    case SamplingMethod::kRate:
      return rate_limit_->Take(burst, matched);
    case SamplingMethod::kReservoir:
      return 0;
  }
  return 0;
}

PacketSet Sampler::ThinBySkips(PacketSet matched) noexcept {
  const auto count = static_cast<std::uint64_t>(std::popcount(matched));
  PacketSet taken = 0;
  while (skip_ < count) {
    taken |= NthPacket(matched, skip_);
    skip_ += 1 + DrawSkip();
  }
  skip_ -= count;
  return taken;
}

PacketSet Sampler::ThinByFlow(PacketSet matched, const std::uint64_t* flow_hash) const noexcept {
  PacketSet taken = 0;
  ForEachPacket(matched, [&](std::uint32_t index) {
    const bool chosen = Spread(flow_hash[index] ^ flow_key_) <= flow_hash_max_;
    taken |= PacketSet{chosen} << index;
  });
  return taken;
}

std::uint64_t Sampler::DrawSkip() noexcept {
  if (method_ == SamplingMethod::kProbability) return random_.Gap(log_declined_);
  const std::uint64_t rest_of_run = one_in_ - 1 - place_;
  place_ = DrawPlace();
  return rest_of_run + place_;
}

std::uint64_t Sampler::DrawPlace() noexcept { return ((random_.Next() >> 32) * one_in_) >> 32; }

}  // namespace edgecap::sampler
