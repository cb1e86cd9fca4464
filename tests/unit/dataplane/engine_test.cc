// SPDX-License-Identifier: Apache-2.0
//
// The engine with all its threads, on fake sources and a fake disk.

#include "dataplane/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/tick_clock.h"
#include "pcapwriter/block_pool.h"
#include "tests/support/eventually.h"
#include "tests/support/fake_file_system.h"
#include "tests/support/fake_rx_source.h"
#include "tests/support/packet_builder.h"
#include "tests/support/pcap_reader.h"
#include "tests/support/statistics.h"

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
    options.reservoir_bytes_max = std::uint64_t{256} << 20;
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

  // The records of each shard of the job that was begun as number `job`; removes the shards.
  std::vector<std::vector<testing::PcapRecord>> ShardsOf(std::uint64_t job) {
    std::vector<std::vector<testing::PcapRecord>> shards;
    for (const auto& [path, bytes] : files_.TakeFiles("/captures/" + std::to_string(job) + "/")) {
      EXPECT_EQ(path.find("/."), std::string::npos) << path << " is still hidden";
      auto shard = testing::ReadPcap(bytes);
      EXPECT_TRUE(shard.has_value()) << path;
      if (shard) shards.push_back(*std::move(shard));
    }
    return shards;
  }

  // How many there are in all.
  std::uint64_t RecordsOf(std::uint64_t job) {
    std::uint64_t records = 0;
    for (const auto& shard : ShardsOf(job)) records += shard.size();
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
    ASSERT_TRUE(
        spec.filter.filters.emplace_back().Set("destination_port", i % 2 == 0 ? "53" : "80").ok());
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

// ---- samplers ----

JobSpec ReservoirOf(std::uint64_t packets) {
  return {.sampling = sampler::SamplingPolicy::Reservoir(7), .packet_limit = packets};
}

// Of all sizes up to 1,300 bytes, each told apart by its port and its size.
std::vector<std::vector<std::uint8_t>> ManyPackets() {
  std::vector<std::vector<std::uint8_t>> packets;
  for (std::uint16_t i = 0; i < 1237; ++i) packets.push_back(Udp(i, 60u + i));
  return packets;
}

void ExpectWholeAndInOrder(const std::vector<testing::PcapRecord>& shard, std::size_t snaplen) {
  std::uint64_t time_ns = 0;
  for (const testing::PcapRecord& record : shard) {
    EXPECT_GE(record.time_ns, time_ns);
    time_ns = record.time_ns;
    ASSERT_GE(record.wire_bytes, 60u);
    const auto packet = Udp(static_cast<std::uint16_t>(record.wire_bytes - 60), record.wire_bytes);
    const std::size_t stored = std::min(packet.size(), snaplen);
    ASSERT_EQ(record.bytes.size(), stored);
    EXPECT_TRUE(std::equal(
        packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(stored), record.bytes.begin(),
        [](std::uint8_t a, char b) { return a == static_cast<std::uint8_t>(b); }));
  }
}

TEST_F(EngineTest, AReservoirOfAFileIsASampleOfAllOfIt) {
  constexpr std::uint64_t kPackets = 100'000;
  Start(1, {.packets = kPackets, .patient = true}, ManyPackets());
  const auto job = Begin(ReservoirOf(500));
  ASSERT_TRUE(Eventually([&] { return engine_->SourcesEnded(); }));
  EXPECT_FALSE(job->LimitReached());
  EXPECT_TRUE(files_.Files().empty()) << "nothing is written before the end";
  const JobLedger ledger = End(*job);
  EXPECT_EQ(ledger.matched.packets, kPackets);
  EXPECT_EQ(ledger.captured.packets, 500u);
  EXPECT_EQ(ledger.written, ledger.captured);
  EXPECT_EQ(ledger.sampled_out, ledger.matched - ledger.captured);
  EXPECT_EQ(ledger.over_limit.packets + ledger.no_block.packets, 0u);
  const SamplingReport report = job->Sampling();
  EXPECT_EQ(report.method, sampler::SamplingMethod::kReservoir);
  EXPECT_EQ(report.matched, kPackets);
  EXPECT_EQ(report.taken, 500u);
  EXPECT_EQ(report.effective_rate, 0.005);
  const auto shards = ShardsOf(1);
  ASSERT_EQ(shards.size(), 1u);
  ASSERT_EQ(shards[0].size(), 500u);
  ExpectWholeAndInOrder(shards[0], kSnaplenMax);
  std::uint64_t bytes = 0;
  for (const auto& record : shards[0]) bytes += record.bytes.size();
  EXPECT_EQ(job->StoredBytes(), bytes);
  EXPECT_EQ(ledger.written.bytes, bytes);
}

TEST_F(EngineTest, FourWorkersMakeOneSample) {
  Start(4, {.burst = 16}, ManyPackets());
  for (int round = 0; round < 5; ++round) {
    JobSpec spec = ReservoirOf(1003);
    spec.snaplen = 100;
    const auto job = Begin(spec);
    // The ledger of a running job: never more than there is, and nothing missing.
    for (JobLedger ledger; ledger.matched.packets < 50'000;) {
      ledger = job->Ledger();
      ASSERT_LE(ledger.captured.packets, 1003u);
      ASSERT_LE(ledger.captured.packets, ledger.matched.packets);
      ASSERT_LE(ledger.captured.bytes, ledger.matched.bytes);
      ASSERT_EQ(ledger.captured + ledger.sampled_out, ledger.matched);
      ASSERT_LE(job->StoredBytes(), 1003u * 100);
    }
    EXPECT_EQ(job->Ledger().captured.packets, 1003u);
    const JobLedger ledger = End(*job);
    EXPECT_EQ(ledger.written.packets, 1003u);
    std::uint64_t records = 0;
    std::uint64_t stored = 0;
    Traffic written;
    for (const auto& shard : ShardsOf(begun_)) {
      ExpectWholeAndInOrder(shard, 100);
      records += shard.size();
      for (const auto& record : shard) {
        written += {1, record.wire_bytes};
        stored += record.bytes.size();
      }
    }
    EXPECT_EQ(records, 1003u);
    EXPECT_EQ(ledger.written, written);
    EXPECT_EQ(job->StoredBytes(), stored);
  }
  EXPECT_EQ(engine_->Stats().blocks_free, engine_->Stats().blocks_total) << "needs no block";
}

TEST_F(EngineTest, AReservoirWithRoomLeftHoldsEverything) {
  Start(2, {.packets = 700, .patient = true});
  const auto job = Begin(ReservoirOf(5000));
  ASSERT_TRUE(Eventually([&] { return engine_->SourcesEnded(); }));
  EXPECT_EQ(End(*job).written.packets, 1400u);
  EXPECT_EQ(job->Sampling().effective_rate, 1.0);
  EXPECT_EQ(RecordsOf(1), 1400u);
}

TEST_F(EngineTest, AReservoirOfNothingMakesNoShard) {
  Start(2, {.packets = 700, .patient = true});
  JobSpec spec = ReservoirOf(10);
  ASSERT_TRUE(spec.filter.filters.emplace_back().Set("destination_port", "9").ok());
  const auto job = Begin(spec);
  ASSERT_TRUE(Eventually([&] { return engine_->SourcesEnded(); }));
  EXPECT_EQ(job->Sampling().effective_rate, std::nullopt);
  const JobLedger ledger = End(*job);
  EXPECT_EQ(ledger.seen.packets, 1400u);
  EXPECT_EQ(ledger.filtered_out, ledger.seen);
  EXPECT_EQ(job->Sampling().effective_rate, std::nullopt);
  EXPECT_TRUE(files_.Files().empty());
  EXPECT_TRUE(job->Shards().empty());
}

TEST_F(EngineTest, ADiskErrorLosesTheSampleAndSaysSo) {
  Start(2, {});
  files_.FailWritesTo("/captures/1/");
  const auto job = Begin(ReservoirOf(100));
  ASSERT_TRUE(Eventually([&] { return job->Ledger().matched.packets > 1000; }));
  EXPECT_TRUE(job->Error().ok());
  const JobLedger ledger = End(*job);
  EXPECT_EQ(ledger.captured.packets, 100u);
  EXPECT_EQ(ledger.lost_on_disk, ledger.captured);
  EXPECT_FALSE(job->Error().ok());
}

TEST_F(EngineTest, AFullDiskLeavesWholeShards) {
  Start(1, {}, {Udp(53, 1000)});
  files_.SetFreeBytes(50'000);
  const auto job = Begin(ReservoirOf(100));
  ASSERT_TRUE(Eventually([&] { return job->Ledger().matched.packets > 1000; }));
  const JobLedger ledger = End(*job);
  EXPECT_EQ(ledger.lost_on_disk.packets, 100u);
  EXPECT_EQ(job->Error().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(RecordsOf(1), 0u);
}

TEST_F(EngineTest, TheTimeLimitEndsAReservoirToo) {
  Start(2, {});
  JobSpec spec = ReservoirOf(50);
  spec.time_limit_ns = 30'000'000;
  const auto job = Begin(spec);
  ASSERT_TRUE(Eventually([&] { return clock_.NowNs() > job->deadline_ns() + 20'000'000; }));
  EXPECT_EQ(End(*job).written.packets, 50u);
  for (const auto& shard : ShardsOf(1)) {
    for (const auto& record : shard) EXPECT_LT(record.time_ns, job->deadline_ns());
  }
}

TEST_F(EngineTest, StopWritesTheSamplesOfWhatStillRuns) {
  Start(2, {});
  const auto job = Begin(ReservoirOf(64));
  const auto other = Begin(ReservoirOf(65));
  ASSERT_TRUE(Eventually([&] { return other->Ledger().matched.packets > 1000; }));
  engine_->Stop();
  EXPECT_TRUE(job->Closed() && other->Closed());
  EXPECT_TRUE(job->Ledger().Balances() && other->Ledger().Balances());
  EXPECT_EQ(RecordsOf(1), 64u);
  EXPECT_EQ(RecordsOf(2), 65u);
}

TEST_F(EngineTest, AJobThatEndsAtOnceHasASampleOfWhatItSaw) {
  Start(2, {});
  for (int i = 0; i < 200; ++i) {
    const auto job = Begin(ReservoirOf(100));
    const JobLedger ledger = End(*job);
    EXPECT_EQ(ledger.captured.packets, std::min<std::uint64_t>(ledger.matched.packets, 100));
    EXPECT_EQ(RecordsOf(begun_), ledger.written.packets);
  }
}

TEST_F(EngineTest, RefusesAReservoirThatItCannotHold) {
  Start(2, {});
  const auto refused = [&](JobSpec spec, absl::StatusCode code,
                           std::initializer_list<const char*> words) {
    const absl::Status status = engine_->Begin(std::move(spec)).status();
    EXPECT_EQ(status.code(), code) << status;
    for (const char* word : words) {
      EXPECT_NE(status.message().find(word), absl::string_view::npos) << word << ": " << status;
    }
  };
  refused(ReservoirOf(0), absl::StatusCode::kInvalidArgument, {"packet_limit"});
  JobSpec bytes = ReservoirOf(10);
  bytes.byte_limit = 1000;
  refused(bytes, absl::StatusCode::kInvalidArgument, {"byte_limit: 1000", "reservoir"});
  refused(
      ReservoirOf(10'000), absl::StatusCode::kInvalidArgument,
      {"10000 packets", "262144 bytes", "packet_limit of at most 255", "snaplen of at most 6680"});
  refused(ReservoirOf(~std::uint64_t{0}), absl::StatusCode::kInvalidArgument,
          {"18446744073709551615 packets", "packet_limit of at most 255"});
  JobSpec probability;
  probability.sampling = sampler::SamplingPolicy::Probability(2, 1);
  refused(probability, absl::StatusCode::kInvalidArgument, {"probability: 2"});
  // What it says would fit does. Two of these take the 256 MB that this engine has for reservoirs.
  JobSpec fits = ReservoirOf(10'000);
  fits.snaplen = 6680;
  const auto job = Begin(fits);
  Begin(fits);
  refused(ReservoirOf(255), absl::StatusCode::kResourceExhausted, {"255 packets", "leave "});
  End(*job);
  Begin(ReservoirOf(255));
}

TEST_F(EngineTest, AReservoirOfFilesIsNotBoundByTheirPacketsLargestSize) {
  Start(1, {.packets = 30'000, .patient = true});
  const auto job = Begin(ReservoirOf(10'000));  // at the largest snaplen
  ASSERT_TRUE(Eventually([&] { return engine_->SourcesEnded(); }));
  End(*job);
  EXPECT_EQ(RecordsOf(1), 10'000u);
}

TEST_F(EngineTest, TheRateHoldsOverAllWorkersTogether) {
  Start(4, {.burst = 16});
  constexpr std::uint64_t kRate = 2000;
  constexpr std::uint64_t kBurst = 20;
  const auto job = Begin({.sampling = sampler::SamplingPolicy::Rate(kRate, kBurst)});
  ASSERT_TRUE(Eventually([&] { return job->Ledger().captured.packets > 300; }));
  const JobLedger ledger = End(*job);
  EXPECT_EQ(ledger.captured + ledger.sampled_out, ledger.matched);
  std::vector<std::uint64_t> times;
  for (const auto& shard : ShardsOf(1)) {
    for (const auto& record : shard) times.push_back(record.time_ns);
  }
  ASSERT_EQ(times.size(), ledger.written.packets);
  std::sort(times.begin(), times.end());
  for (std::size_t i = 0; i < times.size(); ++i) {
    for (std::size_t j = i; j < times.size(); ++j) {
      const double seconds = static_cast<double>(times[j] - times[i]) * 1e-9;
      ASSERT_LE(static_cast<double>(j - i + 1), seconds * kRate + kBurst + 1e-6);
    }
  }
}

std::vector<std::uint8_t> Tcp(const char* source, const char* destination,
                              std::uint16_t source_port, std::uint16_t destination_port) {
  return Packet().Ipv4(source, destination, 6).Ports(source_port, destination_port).Pad(60).bytes();
}

TEST_F(EngineTest, FlowsAreSampledWholeOnAllWorkers) {
  // 2,000 conversations, one packet each way.
  std::vector<std::vector<std::uint8_t>> packets;
  for (std::uint16_t i = 1; i <= 2000; ++i) {
    packets.push_back(Tcp("10.0.0.1", "10.0.0.2", i, 443));
    packets.push_back(Tcp("10.0.0.2", "10.0.0.1", 443, i));
  }
  Start(3, {.packets = 4000, .patient = true}, packets);
  const auto job = Begin({.sampling = sampler::SamplingPolicy::PerFlow(10, 1)});
  const auto again = Begin({.sampling = sampler::SamplingPolicy::PerFlow(10, 2)});
  ASSERT_TRUE(Eventually([&] { return engine_->SourcesEnded(); }));
  End(*job);
  End(*again);
  std::map<std::string, int> sides;  // packets by the client's port
  for (const auto& shard : ShardsOf(1)) {
    for (const auto& record : shard) {
      const bool from_client = record.bytes[29] == 1;  // the last byte of the source address
      ++sides[record.bytes.substr(from_client ? 34 : 36, 2)];
    }
  }
  for (const auto& [port, count] : sides) EXPECT_EQ(count, 6) << "both ways on three workers";
  // One flow in ten of 2,000: 200, and as many more or less as chance has it once in 1e7.
  EXPECT_NEAR(static_cast<double>(sides.size()), 200.0, testing::BinomialSlack(2000, 0.1));
}

}  // namespace
}  // namespace edgecap::dataplane
