// SPDX-License-Identifier: Apache-2.0

#include "dataplane/job_publisher.h"

#include <time.h>

#include <utility>

#include "base/check.h"

namespace edgecap::dataplane {
namespace {

constexpr timespec kAcknowledgePoll{0, 20'000};

}  // namespace

JobPublisher::JobPublisher(std::uint32_t workers, std::unique_ptr<const JobTable> first)
    : current_(first.get()), owned_(std::move(first)), acknowledged_(workers) {}

void JobPublisher::Publish(std::unique_ptr<const JobTable> table) {
  EDGECAP_CHECK(table->version > owned_->version);
  current_.store(table.get(), std::memory_order_release);
  for (const Slot& slot : acknowledged_) {
    while (slot.version.load(std::memory_order_acquire) < table->version) {
      nanosleep(&kAcknowledgePoll, nullptr);
    }
  }
  owned_ = std::move(table);
}

}  // namespace edgecap::dataplane
