// SPDX-License-Identifier: Apache-2.0

#include "pcapwriter/stream.h"

#include <utility>

#include "pcapwriter/shard.h"

namespace edgecap::pcapwriter {
namespace {

constexpr char kStandardOutput[] = "-";

// "dir/name" to "dir/.name.part".
std::string Hide(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::size_t name = slash == std::string::npos ? 0 : slash + 1;
  return path.substr(0, name) + "." + path.substr(name) + ".part";
}

}  // namespace

Stream::Stream(ShardPlan plan, std::uint32_t worker, std::uint32_t snaplen)
    : plan_(std::move(plan)), worker_(worker), snaplen_(snaplen) {
  end_marker.stream = this;
}
Stream::~Stream() = default;

std::string Stream::FinalPath() const {
  if (!plan_.path.empty()) return plan_.path;
  return plan_.directory + "/" + plan_.machine + "-" + std::to_string(worker_) + "-0.pcap";
}

std::string Stream::HiddenPath() const {
  return plan_.path == kStandardOutput ? plan_.path : Hide(FinalPath());
}

absl::Status Stream::Error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

ShardInfo Stream::Info() const {
  const std::lock_guard lock(mutex_);
  return info_;
}

void Stream::Fail(const absl::Status& error) {
  {
    const std::lock_guard lock(mutex_);
    if (error_.ok()) error_ = error;
  }
  failed_.store(true, std::memory_order_release);
}

void Stream::SetInfo(ShardInfo info) {
  const std::lock_guard lock(mutex_);
  info_ = std::move(info);
}

}  // namespace edgecap::pcapwriter
