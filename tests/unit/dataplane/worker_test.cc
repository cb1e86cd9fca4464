// SPDX-License-Identifier: Apache-2.0
//
// The whole data path on one thread, poll by poll, with a fake source: every packet leaves by one
// door, and each door is counted.

#include "dataplane/worker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <deque>
#include <new>

#include "pcapwriter/block_pool.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_rx_source.h"
#include "tests/support/packet_builder.h"

namespace {

// Allocations of the thread that counts.
thread_local bool counting = false;
thread_local std::uint64_t allocations = 0;

}  // namespace

// Not inlined, so that the compiler does not take malloc and operator delete for a mismatched pair.
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (counting) ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace edgecap::dataplane {
namespace {

using testing::FakeClock;
using testing::FakeRxSource;
using testing::Packet;

constexpr std::uint64_t kSecond = 1'000'000'000;

std::vector<std::uint8_t> Udp(std::uint16_t destination_port, std::size_t bytes = 60) {
  return Packet().Ipv4("10.0.0.1", "10.0.0.2", 17).Ports(1000, destination_port).Pad(bytes).bytes();
}

// A worker without a thread, and the jobs it works for, without an engine.
class WorkerTest : public ::testing::Test {
 protected:
  void Make(std::vector<std::vector<std::uint8_t>> packets, FakeRxSource::Options options = {},
            std::uint64_t blocks = 8) {
    pool_ = *pcapwriter::BlockPool::Create(pcapwriter::kBlockBytesMin, blocks, false, 1);
    returner_ = std::make_unique<pcapwriter::BlockPool::Returner>(*pool_);
    ring_ = std::make_unique<pcapwriter::BlockQueue>(blocks + 64, 1);
    producer_ = std::make_unique<pcapwriter::BlockQueue::Producer>(*ring_);
    auto source = std::make_unique<FakeRxSource>(std::move(packets), options, clock_);
    source_ = source.get();
    std::vector<std::unique_ptr<RxSource>> sources;
    sources.push_back(std::move(source));
    publisher_ = std::make_unique<JobPublisher>(1, NewTable({}));
    worker_ = std::make_unique<Worker>(0, WorkerOptions{kSecond / 2, 0}, std::move(sources),
                                       *publisher_, clock_);
    worker_->GoOnline();
  }

  struct Running {
    std::unique_ptr<pcapwriter::Stream> stream;
    std::unique_ptr<Job> job;
    std::unique_ptr<sampler::RateLimit> rate;
    std::unique_ptr<JobPart> part;
    bool ended = false;
  };

  // The publisher would wait for the worker, which runs on this thread.
  void Publish(std::vector<JobPart*> retired = {}) {
    worker_->GoOffline();
    publisher_->Publish(NewTable(std::move(retired)));
    worker_->GoOnline();
  }

  Running& Begin(JobSpec spec) {
    Running& running = jobs_.emplace_back();
    running.stream = std::make_unique<pcapwriter::Stream>(spec.shards, 0, spec.snaplen);
    if (spec.sampling.method == sampler::SamplingMethod::kRate) {
      running.rate =
          std::make_unique<sampler::RateLimit>(spec.sampling.rate, spec.sampling.rate_burst);
    }
    running.part = std::make_unique<JobPart>(spec.sampling, 0, *running.stream, *pool_, *producer_,
                                             running.rate.get());
    if (spec.sampling.method == sampler::SamplingMethod::kReservoir) {
      running.part->reservoir =
          *sampler::Reservoir::Create({spec.packet_limit, 2048, spec.sampling.seed, 0, true});
    }
    running.job = std::make_unique<Job>(std::move(spec), 1, 0);
    Publish();
    return running;
  }

  void End(Running& running) {
    running.ended = true;
    Publish({running.part.get()});
  }

  std::unique_ptr<JobTable> NewTable(std::vector<JobPart*> retired) {
    auto table = std::make_unique<JobTable>();
    table->version = ++version_;
    table->parts.resize(1);
    table->retired = {retired};
    std::vector<std::shared_ptr<const filter::PreparedFilter>> filters;
    for (const Running& running : jobs_) {
      if (running.ended) continue;
      filters.push_back(*filter::PreparedFilter::Prepare(running.job->spec().filter, {}));
      table->jobs.push_back(running.job.get());
      table->parts[0].push_back(running.part.get());
    }
    table->filter = *filter::CompiledFilter::Compile(filters);
    table->scratch.push_back(*table->filter->NewScratch());
    return table;
  }

  // Checks that every packet left by one door, and gives the doors in packets.
  struct Doors {
    std::uint64_t seen, matched, sampled_out, over_limit, no_block, captured;
    friend bool operator==(const Doors&, const Doors&) = default;
  };
  Doors DoorsOf(const Running& running) {
    const JobPart& part = *running.part;
    const Traffic seen = part.Seen(worker_->Received());
    const Traffic out = part.sampled_out.Value() + part.over_limit.Value() + part.no_block.Value() +
                        part.captured.Value();
    EXPECT_EQ(part.matched.Value(), out);
    EXPECT_TRUE(worker_->Ledger().Balances());
    return {seen.packets,
            part.matched.Value().packets,
            part.sampled_out.Value().packets,
            part.over_limit.Value().packets,
            part.no_block.Value().packets,
            part.captured.Value().packets};
  }

  // What has been handed over, in packets; the blocks go back to the pool.
  std::uint64_t Drain() {
    std::uint64_t packets = 0;
    while (pcapwriter::Block* block = ring_->Pop()) {
      if (block->IsEndMarker()) {
        ++end_markers_;
        continue;
      }
      packets += block->traffic.packets;
      returner_->Give(block);
    }
    return packets;
  }

  FakeClock clock_;
  std::unique_ptr<pcapwriter::BlockPool> pool_;
  std::unique_ptr<pcapwriter::BlockPool::Returner> returner_;
  std::unique_ptr<pcapwriter::BlockQueue> ring_;
  std::unique_ptr<pcapwriter::BlockQueue::Producer> producer_;
  FakeRxSource* source_ = nullptr;
  std::deque<Running> jobs_;
  std::uint64_t version_ = 0;
  std::unique_ptr<JobPublisher> publisher_;
  std::unique_ptr<Worker> worker_;
  int end_markers_ = 0;
};

JobSpec Wants(const char* field, const char* value) {
  JobSpec spec;
  EXPECT_TRUE(spec.filter.filters.emplace_back().Set(field, value).ok());
  return spec;
}

TEST_F(WorkerTest, WithoutJobsEverythingIsUnmatched) {
  Make({Udp(53)});
  EXPECT_EQ(worker_->PollOnce(), kBurstPacketsMax);
  EXPECT_EQ(worker_->Ledger().unmatched, (Traffic{64, 64 * 60}));
  EXPECT_TRUE(worker_->Ledger().Balances());
  EXPECT_EQ(source_->taken_back(), 64u);
}

TEST_F(WorkerTest, EachJobGetsItsPackets) {
  Make({Udp(53), Udp(53), Udp(443), Udp(80)});
  Running& dns = Begin(Wants("destination_port", "53"));
  Running& low = Begin(Wants("destination_port", "0-100"));
  Running& all = Begin({});
  worker_->PollOnce();
  EXPECT_EQ(DoorsOf(dns), (Doors{64, 32, 0, 0, 0, 32}));
  EXPECT_EQ(DoorsOf(low), (Doors{64, 48, 0, 0, 0, 48}));
  EXPECT_EQ(DoorsOf(all), (Doors{64, 64, 0, 0, 0, 64}));
  EXPECT_EQ(worker_->Ledger().matched.packets, 64u);
}

TEST_F(WorkerTest, AJobSeesOnlyWhatComesWhileItRuns) {
  Make({Udp(53)});
  worker_->PollOnce();
  Running& job = Begin({});
  worker_->PollOnce();
  worker_->PollOnce();
  End(job);
  worker_->PollOnce();
  EXPECT_EQ(DoorsOf(job), (Doors{128, 128, 0, 0, 0, 128}));
  EXPECT_EQ(worker_->Ledger().received.packets, 256u);
  EXPECT_EQ(Drain(), 128u);
  EXPECT_EQ(end_markers_, 1);
}

TEST_F(WorkerTest, ComingAndGoingJobsDoNotTouchTheOthers) {
  Make({Udp(53)});
  JobSpec sampled;
  sampled.sampling = sampler::SamplingPolicy::OneIn(100, 7);
  Running& job = Begin(sampled);
  for (int i = 0; i < 100; ++i) {
    Running& other = Begin({});
    worker_->PollOnce();
    End(other);
    Drain();
  }
  EXPECT_EQ(DoorsOf(job).seen, 100u * 64);
  EXPECT_EQ(DoorsOf(job).captured, 64u) << "one in a hundred, whatever the others do";
}

TEST_F(WorkerTest, PacketLimitIsExactAndTheRestIsCounted) {
  Make({Udp(53)});
  JobSpec spec;
  spec.packet_limit = 100;
  Running& job = Begin(spec);
  for (int i = 0; i < 3; ++i) worker_->PollOnce();
  EXPECT_EQ(DoorsOf(job), (Doors{192, 192, 0, 92, 0, 100}));
  EXPECT_TRUE(job.job->LimitReached());
  EXPECT_EQ(job.job->LimitName(), "packet_limit");
}

TEST_F(WorkerTest, ByteLimitCountsStoredBytes) {
  Make({Udp(53, 1000)});
  JobSpec spec;
  spec.snaplen = 100;
  spec.byte_limit = 1050;
  Running& job = Begin(spec);
  worker_->PollOnce();
  EXPECT_EQ(DoorsOf(job), (Doors{64, 64, 0, 54, 0, 10}));
  EXPECT_EQ(job.part->stored_bytes.Value(), 1000u);
  EXPECT_EQ(job.part->captured.Value().bytes, 10'000u) << "the ledger counts wire bytes";
  EXPECT_EQ(job.job->LimitName(), "byte_limit");
}

TEST_F(WorkerTest, SamplingComesBeforeTheLimit) {
  Make({Udp(53)});
  JobSpec spec;
  spec.sampling = sampler::SamplingPolicy::OneIn(10, 3);
  spec.packet_limit = 5;
  Running& job = Begin(spec);
  for (int i = 0; i < 10; ++i) worker_->PollOnce();
  EXPECT_EQ(DoorsOf(job), (Doors{640, 640, 576, 59, 0, 5}));
}

TEST_F(WorkerTest, AReservoirNeedsNoBlockAndSendsNoEndMarker) {
  Make({Udp(53, 1500)}, {}, /*blocks=*/2);
  Running& hog = Begin({});
  for (int i = 0; i < 20; ++i) worker_->PollOnce();
  EXPECT_GT(DoorsOf(hog).no_block, 0u);
  JobSpec spec;
  spec.sampling = sampler::SamplingPolicy::Reservoir(1);
  spec.packet_limit = 100;
  Running& job = Begin(spec);
  for (int i = 0; i < 10; ++i) worker_->PollOnce();
  clock_.Advance(kSecond);
  worker_->Housekeep();
  Drain();
  End(job);
  EXPECT_EQ(Drain(), 0u);
  EXPECT_EQ(end_markers_, 0) << "control sends it, behind the sample";
  EXPECT_EQ(job.part->matched.Value().packets, 640u);
  EXPECT_EQ(job.part->reservoir->seen(), 640u);
  EXPECT_EQ(job.part->Captured(), (Traffic{100, 150'000}));
  EXPECT_FALSE(job.job->LimitReached());
}

TEST_F(WorkerTest, WithoutAFreeBlockPacketsAreCountedAndNothingElseHappens) {
  Make({Udp(53, 1500)}, {}, /*blocks=*/2);
  Running& job = Begin({});
  for (int i = 0; i < 100; ++i) worker_->PollOnce();
  const Doors doors = DoorsOf(job);
  const std::uint64_t fit = 2 * (pcapwriter::kBlockBytesMin / (1500 + 16));
  EXPECT_EQ(doors, (Doors{6400, 6400, 0, 0, 6400 - fit, fit}));
  EXPECT_EQ(source_->taken_back(), 6400u);
  EXPECT_EQ(Drain(), fit);
  worker_->PollOnce();
  EXPECT_EQ(DoorsOf(job).captured, fit + 64) << "it goes on as soon as there are blocks";
}

TEST_F(WorkerTest, WithoutAFreeBlockNoLimitIsUsedUp) {
  Make({Udp(53, 1500)}, {}, /*blocks=*/2);
  Running& hog = Begin({});
  for (int i = 0; i < 20; ++i) worker_->PollOnce();
  JobSpec spec;
  spec.packet_limit = 10;
  Running& job = Begin(spec);
  worker_->PollOnce();
  EXPECT_EQ(DoorsOf(job), (Doors{64, 64, 0, 0, 64, 0}));
  EXPECT_GT(DoorsOf(hog).no_block, 0u);
  Drain();
  worker_->PollOnce();
  EXPECT_EQ(DoorsOf(job).captured, 10u);
}

TEST_F(WorkerTest, SparseRecordsAreHandedOverAfterTheFlushInterval) {
  Make({Udp(53)}, {.burst = 1, .packets = 2});
  Begin({});
  worker_->PollOnce();
  worker_->Housekeep();
  EXPECT_EQ(Drain(), 0u);
  clock_.Advance(kSecond / 2);
  worker_->Housekeep();
  EXPECT_EQ(Drain(), 1u);
  worker_->PollOnce();
  clock_.Advance(kSecond / 4);
  worker_->Housekeep();
  EXPECT_EQ(Drain(), 0u) << "the clock of the next record starts anew";
}

TEST_F(WorkerTest, ThePatientSourceWaitsForAJob) {
  Make({Udp(53)}, {.packets = 100, .patient = true});
  EXPECT_EQ(worker_->PollOnce(), 0u);
  EXPECT_EQ(source_->handed_out(), 0u);
  Running& job = Begin({});
  while (!worker_->SourcesEnded()) worker_->PollOnce();
  EXPECT_EQ(DoorsOf(job), (Doors{100, 100, 0, 0, 0, 100}));
}

TEST_F(WorkerTest, ASourceHasEndedOnlyWhenItsLastBurstHasBeenDealtWith) {
  Make({Udp(53)}, {.packets = 64, .patient = true});
  Running& job = Begin({});
  EXPECT_FALSE(worker_->SourcesEnded());
  // Seen from inside the poll: the source has nothing left, the worker is not done.
  source_->on_release = [&] {
    EXPECT_TRUE(source_->Ended());
    EXPECT_FALSE(worker_->SourcesEnded());
  };
  worker_->PollOnce();
  EXPECT_TRUE(worker_->SourcesEnded());
  EXPECT_EQ(DoorsOf(job).captured, 64u);
}

TEST_F(WorkerTest, AnAcknowledgedTableIsNotUsedAgain) {
  Make({Udp(53)});
  Running& job = Begin({});
  worker_->PollOnce();
  End(job);
  jobs_.clear();  // the address sanitizer watches
  worker_->PollOnce();
  EXPECT_EQ(worker_->Ledger().unmatched.packets, 64u);
}

TEST_F(WorkerTest, APollDoesNotAllocate) {
  Make({Udp(53), Udp(80), Packet().Vlan(1).Ipv6("::1", "::2", 6).Ports(1, 2).Pad(1500).bytes()}, {},
       /*blocks=*/4);
  JobSpec limited = Wants("destination_port", "53");
  limited.packet_limit = 1000;
  Begin(limited);
  JobSpec sampled = Wants("protocol", "tcp");
  sampled.sampling = sampler::SamplingPolicy::OneIn(7, 1);
  Begin(sampled);
  Begin({});
  Begin(Wants("source_address", "10.0.0.0/8"));
  Begin({.sampling = sampler::SamplingPolicy::Probability(0.1, 1)});
  Begin({.sampling = sampler::SamplingPolicy::PerFlow(2, 1)});
  Begin({.sampling = sampler::SamplingPolicy::Rate(1000, 10)});
  Begin({.sampling = sampler::SamplingPolicy::Reservoir(1), .packet_limit = 500});
  worker_->PollOnce();
  counting = true;
  for (int i = 0; i < 200; ++i) {
    worker_->PollOnce();
    worker_->Housekeep();
  }
  counting = false;
  EXPECT_EQ(allocations, 0u);
}

}  // namespace
}  // namespace edgecap::dataplane
