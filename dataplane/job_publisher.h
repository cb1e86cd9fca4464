// SPDX-License-Identifier: Apache-2.0
//
// How jobs reach workers without pausing them: one atomic pointer to the current job table, read by
// every worker before every poll, and one acknowledged version a worker. A table may be freed when
// every worker has acknowledged a later one: it holds no pointer into the old one any more.
//
// Life cycle: workers go online before their first poll and offline after their last; control
// publishes one table at a time.
//
// Threading: Current(), Acknowledge(), SetOnline() by workers; Publish() and the wait by control.
//
// Hot path: Current() is one acquire load.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/cache_line.h"
#include "dataplane/job_table.h"

namespace edgecap::dataplane {

class JobPublisher {
 public:
  // Starts with `first`. All workers are offline.
  JobPublisher(std::uint32_t workers, std::unique_ptr<const JobTable> first);

  [[nodiscard]] const JobTable* Current() const noexcept {
    return current_.load(std::memory_order_acquire);
  }

  // Worker: I no longer use any table before `version`.
  void Acknowledge(std::uint32_t worker, std::uint64_t version) noexcept {
    acknowledged_[worker].version.store(version, std::memory_order_release);
  }

  // Worker: as Acknowledge(), but for tables to come as well.
  void GoOffline(std::uint32_t worker) noexcept { Acknowledge(worker, ~std::uint64_t{0}); }

  // Control: makes `table` current, waits until every worker has acknowledged it, frees the one
  // before. Workers do not wait; control does, for the longest poll or idle sleep.
  void Publish(std::unique_ptr<const JobTable> table);

 private:
  struct alignas(kCacheLineBytes) Slot {
    std::atomic<std::uint64_t> version{~std::uint64_t{0}};
  };

  std::atomic<const JobTable*> current_;
  std::unique_ptr<const JobTable> owned_;  // control only: what current_ points to
  std::vector<Slot> acknowledged_;
};

}  // namespace edgecap::dataplane
