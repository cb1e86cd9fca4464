// SPDX-License-Identifier: Apache-2.0

#include "dataplane/job_publisher.h"

#include <gtest/gtest.h>

#include <thread>

namespace edgecap::dataplane {
namespace {

std::unique_ptr<JobTable> Table(std::uint64_t version) {
  auto table = std::make_unique<JobTable>();
  table->version = version;
  table->parts.resize(3);
  table->retired.resize(3);
  return table;
}

TEST(JobPublisher, DoesNotWaitForOfflineWorkers) {
  JobPublisher publisher(3, Table(1));
  publisher.Publish(Table(2));
  EXPECT_EQ(publisher.Current()->version, 2u);
}

TEST(JobPublisher, NoTableIsFreedWhileAWorkerLooksAtIt) {
  // The sanitizers watch: workers read the table all the time between acknowledgements.
  constexpr std::uint64_t kTables = 2000;
  JobPublisher publisher(3, Table(1));
  std::atomic<int> online{0};
  std::vector<std::thread> workers;
  for (std::uint32_t number = 0; number < 3; ++number) {
    workers.emplace_back([&, number] {
      publisher.Acknowledge(number, 0);
      online.fetch_add(1);
      const JobTable* mine = nullptr;
      while (mine == nullptr || mine->version < kTables) {
        mine = publisher.Current();
        EXPECT_EQ(mine->parts.size(), 3u);
        publisher.Acknowledge(number, mine->version);
        // Still ours until the next acknowledgement.
        EXPECT_EQ(mine->retired.size(), 3u);
      }
      publisher.GoOffline(number);
    });
  }
  while (online.load() != 3) std::this_thread::yield();
  for (std::uint64_t version = 2; version <= kTables; ++version) publisher.Publish(Table(version));
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(publisher.Current()->version, kTables);
}

}  // namespace
}  // namespace edgecap::dataplane
