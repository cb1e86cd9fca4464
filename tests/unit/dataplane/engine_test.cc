// SPDX-License-Identifier: Apache-2.0
//
// The engine with all its threads, on fake sources and a fake disk.

#include "dataplane/engine.h"

#include <gtest/gtest.h>

#include "base/tick_clock.h"
#include "pcapwriter/block_pool.h"
#include "tests/support/eventually.h"
#include "tests/support/fake_file_system.h"
#include "tests/support/fake_rx_source.h"
#include "tests/support/packet_builder.h"
#include "tests/support/pcap_reader.h"

namespace edgecap::dataplane {
namespace {

using testing::Eventually;
using testing::FakeRxSource;
using testing::Packet;

std::vector<std::uint8_t> Udp(std::uint16_t destination_port, std::size_t bytes = 60) {
  return Packet().Ipv4("10.0.0.1", "10.0.0.2", 17).Ports(1000, destination_port).Pad(bytes).bytes();
}

class EngineTest : public ::testing::Test {
 protected:
  void Start(std::uint32_t workers, const FakeRxSource::Options& source,
             std::vector<std::vector<std::uint8_t>> packets = {Udp(53), Udp(80)}) {
    std::vector<WorkerSetup> setups(workers);
    for (WorkerSetup& setup : setups) {
      setup.sources.push_back(std::make_unique<FakeRxSource>(packets, source, clock_));
    }
    EngineOptions options;
    options.block_bytes = pcapwriter::kBlockBytesMin;
    options.block_count = 32;
    options.hugepages = false;
    options.flush_interval_ms = 20;
    options.max_jobs = 8;
    options.writer_threads = 2;
    auto engine = Engine::Start(options, std::move(setups), files_, clock_);
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
  }

  std::shared_ptr<Job> Begin(JobSpec spec) {
    spec.shards = {"/captures/" + std::to_string(++begun_), "edge", ""};
    auto job = engine_->Begin(std::move(spec));
    EXPECT_TRUE(job.ok()) << job.status();
    return *job;
  }

  // Ends the job and gives its final ledger, checked.
  JobLedger End(Job& job) {
    engine_->End(job);
    EXPECT_TRUE(Eventually([&] { return job.Closed(); }));
    EXPECT_TRUE(job.Ledger().Balances());
    return job.Ledger();
  }

  // Records in all shards of the job that was begun as number `job`; removes them.
  std::uint64_t RecordsOf(std::uint64_t job) {
    std::uint64_t records = 0;
    for (const auto& [path, bytes] : files_.TakeFiles("/captures/" + std::to_string(job) + "/")) {
      EXPECT_EQ(path.find("/."), std::string::npos) << path << " is still hidden";
      const auto shard = testing::ReadPcap(bytes);
      EXPECT_TRUE(shard.has_value()) << path;
      if (shard) records += shard->size();
    }
    return records;
  }

  TickClock clock_;
  testing::FakeFileSystem files_;
  std::unique_ptr<Engine> engine_;
  std::uint64_t begun_ = 0;
};

TEST_F(EngineTest, ReadsPatientSourcesToTheEndAndLosesNothing) {
  constexpr std::uint64_t kPackets = 100'000;  // more than all blocks hold
  Start(1, {.packets = kPackets, .patient = true}, {Udp(53, 1000)});
  const auto job = Begin({});
  ASSERT_TRUE(Eventually([&] { return engine_->SourcesEnded(); }));
  const JobLedger ledger = End(*job);
  EXPECT_EQ(ledger.written.packets, kPackets);
  EXPECT_EQ(ledger.seen.packets, kPackets);
  EXPECT_EQ(RecordsOf(1), kPackets);
}

TEST_F(EngineTest, LimitsAreExactAcrossFourWorkers) {
  Start(4, {});
  for (int round = 0; round < 5; ++round) {
    JobSpec spec;
    spec.packet_limit = 10'007;
    const auto job = Begin(spec);
    ASSERT_TRUE(Eventually([&] { return job->LimitReached(); }));
    EXPECT_EQ(End(*job).captured.packets, 10'007u);
    EXPECT_EQ(RecordsOf(begun_), 10'007u);
    JobSpec bytes;
    bytes.byte_limit = 60 * 9'001;
    const auto byte_job = Begin(bytes);
    ASSERT_TRUE(Eventually([&] { return byte_job->LimitReached(); }));
    End(*byte_job);
    EXPECT_EQ(byte_job->StoredBytes(), 60u * 9'001);
    EXPECT_EQ(byte_job->LimitName(), "byte_limit");
  }
}

TEST_F(EngineTest, AThousandJobsComeAndGoUnderTrafficWithExactLedgers) {
  Start(2, {.burst = 8});
  const auto steady = Begin(JobSpec{.sampling = sampler::SamplingPolicy::OneIn(1000, 1)});
  for (int i = 0; i < 1000; ++i) {
    JobSpec spec;
    ASSERT_TRUE(spec.filter.Set("destination_port", i % 2 == 0 ? "53" : "80").ok());
    spec.sampling = sampler::SamplingPolicy::OneIn(static_cast<std::uint32_t>(i % 7 + 1), 5);
    spec.packet_limit = i % 3 == 0 ? 100 : 0;
    const auto job = Begin(spec);
    if (spec.packet_limit != 0) {
      ASSERT_TRUE(Eventually([&] { return job->LimitReached(); }));
    }
    const JobLedger ledger = End(*job);
    if (spec.packet_limit != 0) {
      EXPECT_EQ(ledger.captured.packets, 100u);
    }
    EXPECT_EQ(RecordsOf(begun_), ledger.written.packets);
  }
  const JobLedger ledger = End(*steady);
  engine_->Stop();
  std::uint64_t received = 0;
  for (const WorkerLedger& worker : engine_->Stats().workers) {
    EXPECT_TRUE(worker.Balances());
    received += worker.received.packets;
  }
  EXPECT_LE(ledger.seen.packets, received);
  // One of each thousand, on each worker.
  EXPECT_NEAR(static_cast<double>(ledger.matched.packets - ledger.sampled_out.packets),
              static_cast<double>(ledger.matched.packets) / 1000.0, 2.0);
  EXPECT_EQ(engine_->Stats().blocks_free, engine_->Stats().blocks_total);
}

TEST_F(EngineTest, TheTimeLimitHoldsOnTheWorkersThemselves) {
  Start(2, {});
  JobSpec spec;
  spec.time_limit_ns = 50'000'000;
  spec.sampling = sampler::SamplingPolicy::OneIn(100, 1);
  const auto job = Begin(spec);
  ASSERT_TRUE(Eventually([&] { return clock_.NowNs() > job->deadline_ns() + 30'000'000; }));
  EXPECT_TRUE(job->TimeOver(clock_.NowNs()));
  End(*job);
  for (const auto& [path, bytes] : files_.Files()) {
    const auto records = testing::ReadPcap(bytes);
    ASSERT_TRUE(records.has_value() && !records->empty());
    EXPECT_LT(records->back().time_ns, job->deadline_ns());
  }
}

TEST_F(EngineTest, ADiskErrorFailsItsJobOnly) {
  Start(2, {});
  files_.FailWritesTo("/captures/1/");
  const auto bad = Begin({});
  const auto good = Begin(JobSpec{.packet_limit = 5000});
  ASSERT_TRUE(Eventually([&] { return !bad->Error().ok() && good->LimitReached(); }));
  const JobLedger lost = End(*bad);
  EXPECT_EQ(lost.written.packets, 0u);
  EXPECT_EQ(lost.lost_on_disk, lost.captured);
  EXPECT_EQ(End(*good).written.packets, 5000u);
  EXPECT_TRUE(good->Error().ok());
  EXPECT_EQ(RecordsOf(2), 5000u);
}

TEST_F(EngineTest, SparseTrafficReachesTheFile) {
  Start(1, {.burst = 1, .packets = 3});
  const auto job = Begin({});
  // The source may have ended before the job began; what it saw is written without its end.
  ASSERT_TRUE(Eventually([&] { return engine_->SourcesEnded(); }));
  EXPECT_TRUE(
      Eventually([&] { return job->Ledger().written.packets == job->Ledger().captured.packets; }));
  End(*job);
}

TEST_F(EngineTest, RefusesMoreJobsThanItHasRoomFor) {
  Start(1, {});
  for (int i = 0; i < 8; ++i)
    Begin(JobSpec{.sampling = sampler::SamplingPolicy::OneIn(1'000'000, 1)});
  const auto one_more = engine_->Begin({});
  EXPECT_EQ(one_more.status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(EngineTest, StopEndsWhatStillRuns) {
  Start(2, {});
  const auto job = Begin(JobSpec{.sampling = sampler::SamplingPolicy::OneIn(50, 1)});
  ASSERT_TRUE(Eventually([&] { return job->Ledger().captured.packets > 100; }));
  engine_->Stop();
  EXPECT_TRUE(job->Closed());
  EXPECT_TRUE(job->Ledger().Balances());
  EXPECT_EQ(RecordsOf(1), job->Ledger().written.packets);
}

TEST_F(EngineTest, AJobOutlivesItsEngine) {
  Start(1, {});
  const auto job = Begin(JobSpec{.packet_limit = 10});
  ASSERT_TRUE(Eventually([&] { return job->LimitReached(); }));
  engine_.reset();
  EXPECT_EQ(job->Ledger().captured.packets, 10u);
}

TEST_F(EngineTest, RefusesACoreThatIsNotThere) {
  std::vector<WorkerSetup> setups(1);
  setups[0].core = 1023;
  EngineOptions options;
  options.hugepages = false;
  const auto engine = Engine::Start(options, std::move(setups), files_, clock_);
  EXPECT_EQ(engine.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(engine.status().message().find("core 1023"), absl::string_view::npos);
}

}  // namespace
}  // namespace edgecap::dataplane
