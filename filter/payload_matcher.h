#pragma once
#include <memory>
#include <string>
#include <span>
#include "absl/status/statusor.h"
#include "base/packet.h"
namespace edgecap::filter {
class PayloadMatcher { public:
 static absl::StatusOr<std::shared_ptr<const PayloadMatcher>> Compile(std::span<const std::string>){return absl::UnimplementedError("");}
 class Scratch { public: absl::Status Prepare(const PayloadMatcher&){return absl::OkStatus();} };
 PacketSet Match(const Burst&, PacketSet w, const std::uint32_t (&)[64], const std::uint32_t (&)[64], Scratch&) const noexcept {return w;}
 size_t database_bytes() const {return 0;}
};}
