// SPDX-License-Identifier: Apache-2.0

#include "control/job_manager.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "base/status_macros.h"
#include "control/capture_json.h"
#include "control/random.h"
#include "tests/support/fake_file_system.h"
#include "tests/unit/control/control_fakes.h"

namespace edgecap::control {
namespace {

class JobManagerTest : public ::testing::Test {
 protected:
  JobManagerTest() { Restart(); }

  void Restart() {
    jobs_ = std::make_unique<JobManager>(engine_, clock_, CaptureDirectory(directory_ / "captures"),
                                         limits_, Identity{"m1", "ams01"});
  }

  Capture MustCreate(const CaptureRequest& request = {}) {
    const absl::StatusOr<Capture> capture = jobs_->Create(request);
    EXPECT_TRUE(capture.ok()) << capture.status();
    return *capture;
  }

  Capture MustGet(const std::string& id) {
    const absl::StatusOr<Capture> capture = jobs_->Get(id);
    EXPECT_TRUE(capture.ok()) << capture.status();
    return *capture;
  }

  std::string CreateAndEnd() {
    const std::string id = MustCreate().id;
    EXPECT_TRUE(jobs_->Stop(id).ok());
    jobs_->Tick();
    return id;
  }

  std::string PathOf(const std::string& id) { return directory_ / "captures/" + id; }

  TemporaryDirectory directory_;
  FakeClock clock_;
  FakeEngine engine_{clock_};
  config::LimitsConfig limits_;
  std::unique_ptr<JobManager> jobs_;
};

TEST_F(JobManagerTest, ANewCaptureRunsAtOnceWithTheDefaults) {
  const Capture capture = MustCreate();
  EXPECT_TRUE(IsId(capture.id));
  EXPECT_EQ(capture.status, CaptureStatus::kRunning);
  EXPECT_EQ(capture.created_ns, clock_.now_ns);
  EXPECT_EQ(capture.started_ns, clock_.now_ns);
  ASSERT_EQ(engine_.jobs.size(), 1u);
  const dataplane::JobSpec& spec = engine_.jobs[0]->spec;
  EXPECT_EQ(spec.time_limit_ns, 300 * kNsPerSecond);
  EXPECT_EQ(spec.snaplen, dataplane::kSnaplenMax);
  EXPECT_EQ(spec.sampling.method, sampler::SamplingMethod::kAll);
  EXPECT_EQ(spec.shards.directory, PathOf(capture.id));
  EXPECT_EQ(spec.shards.machine, "m1");
  EXPECT_TRUE(std::filesystem::is_directory(PathOf(capture.id)));
  EXPECT_TRUE(std::filesystem::is_empty(PathOf(capture.id)));
}

TEST_F(JobManagerTest, ASimpleCaptureSamplesTheWholeTimeAndCutsByDefault) {
  CaptureRequest request;
  request.type = CaptureType::kSimple;
  MustCreate(request);
  const dataplane::JobSpec& spec = engine_.jobs[0]->spec;
  EXPECT_EQ(spec.sampling.method, sampler::SamplingMethod::kReservoir);
  EXPECT_EQ(spec.packet_limit, 10'000u);
  EXPECT_EQ(spec.snaplen, 160u);
}

TEST_F(JobManagerTest, EveryWayToSampleReachesTheEngine) {
  CaptureRequest request;
  request.type = CaptureType::kSimple;
  const auto policy = [&](const SamplingRequest& sampling) {
    request.sampling = sampling;
    MustCreate(request);
    return engine_.jobs.back()->spec.sampling;
  };
  using sampler::SamplingMethod;
  const auto one_in = policy({.one_in = 3, .seed = 7});
  EXPECT_EQ(one_in.method, SamplingMethod::kOneIn);
  EXPECT_EQ(one_in.one_in, 3u);
  EXPECT_EQ(one_in.seed, 7u);
  const auto probability = policy({.probability = 0.25, .seed = 8});
  EXPECT_EQ(probability.method, SamplingMethod::kProbability);
  EXPECT_EQ(probability.probability, 0.25);
  EXPECT_EQ(probability.seed, 8u);
  const auto per_flow = policy({.per_flow = 9, .seed = 1});
  EXPECT_EQ(per_flow.method, SamplingMethod::kPerFlow);
  EXPECT_EQ(per_flow.per_flow, 9u);
  const auto rate = policy({.rate = 100, .rate_burst = 5});
  EXPECT_EQ(rate.method, SamplingMethod::kRate);
  EXPECT_EQ(rate.rate, 100u);
  EXPECT_EQ(rate.rate_burst, 5u);
  EXPECT_EQ(policy({.rate = 100}).rate_burst, 100u);
  const auto reservoir = policy({.reservoir = true, .seed = 3});
  EXPECT_EQ(reservoir.method, SamplingMethod::kReservoir);
  EXPECT_EQ(reservoir.seed, 3u);
}

TEST_F(JobManagerTest, ADryRunSaysWhatWouldRunAndStartsNothing) {
  CaptureRequest request;
  request.type = CaptureType::kSimple;
  request.filter.filters.resize(1);
  ASSERT_TRUE(request.filter.filters[0].Set("port", "53").ok());
  const absl::StatusOr<DryRun> dry_run = jobs_->Check(request);
  ASSERT_TRUE(dry_run.ok()) << dry_run.status();
  EXPECT_EQ(dry_run->program, "program of: port 53");
  EXPECT_EQ(dry_run->request.packet_limit, 10'000u);
  request.sampling.one_in = 0;
  EXPECT_EQ(jobs_->Check(request).status().code(), absl::StatusCode::kInvalidArgument);
  request.sampling.one_in = 1;
  engine_.refusal = absl::InvalidArgumentError("filters[0].bpf cannot be compiled");
  EXPECT_EQ(jobs_->Check(request).status(), engine_.refusal);
  EXPECT_TRUE(engine_.jobs.empty());
  EXPECT_TRUE(jobs_->List().empty());
  EXPECT_FALSE(std::filesystem::exists(directory_ / "captures"));
}

TEST_F(JobManagerTest, AnEndedCaptureLeavesItsDescriptionBesideItsFiles) {
  CaptureRequest request;
  request.type = CaptureType::kSimple;
  request.filter.filters.resize(1);
  ASSERT_TRUE(request.filter.filters[0].Set("port", "53").ok());
  const std::string id = MustCreate(request).id;
  FakeJobState& job = *engine_.jobs[0];
  job.Capture(5);
  job.effective_rate = 0.125;
  EXPECT_FALSE(std::filesystem::exists(PathOf(id) + "/job.json"));
  ASSERT_TRUE(jobs_->Stop(id).ok());
  jobs_->Tick();
  std::ifstream file(PathOf(id) + "/job.json");
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), CaptureJson(MustGet(id), {"m1", "ams01"}));
  EXPECT_NE(text.str().find(R"("effective_rate":0.125)"), std::string::npos);
  EXPECT_NE(text.str().find(R"("filters":[{"port":"53"}])"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(PathOf(id) + "/.job.json"));
  EXPECT_TRUE(jobs_->Delete(id).ok());
  EXPECT_FALSE(std::filesystem::exists(PathOf(id)));
}

TEST_F(JobManagerTest, ADescriptionThatCannotBeWrittenFailsNothing) {
  testing::FakeFileSystem files;
  files.FailWritesTo("job.json");
  JobManager jobs(engine_, clock_, CaptureDirectory(directory_ / "captures", files), limits_,
                  Identity{"m1", ""});
  const absl::StatusOr<Capture> capture = jobs.Create({});
  ASSERT_TRUE(capture.ok());
  ASSERT_TRUE(jobs.Stop(capture->id).ok());
  jobs.Tick();
  const absl::StatusOr<Capture> ended = jobs.Get(capture->id);
  ASSERT_TRUE(ended.ok());
  EXPECT_EQ(ended->status, CaptureStatus::kSuccess);
  EXPECT_EQ(ended->end_reason, "stopped");
  EXPECT_NE(ended->error_message.find("job.json"), std::string::npos) << ended->error_message;
  EXPECT_TRUE(files.Files().empty());
}

TEST_F(JobManagerTest, OnlySoManyFiltersOfEndedCapturesAreKept) {
  limits_.max_rules = 5;
  Restart();
  CaptureRequest request;
  request.filter.filters.resize(2);
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i) {
    ids.push_back(MustCreate(request).id);
    ASSERT_TRUE(jobs_->Stop(ids.back()).ok());
  }
  const std::string running = MustCreate(request).id;
  jobs_->Tick();
  jobs_->Tick();
  EXPECT_EQ(MustGet(running).request.filter.filters.size(), 2u);
  for (const std::size_t newest : {3, 2}) {
    EXPECT_EQ(MustGet(ids[newest]).request.filter.filters.size(), 2u);
    EXPECT_EQ(MustGet(ids[newest]).filters_omitted, 0u);
  }
  for (const std::size_t older : {1, 0}) {
    EXPECT_TRUE(MustGet(ids[older]).request.filter.filters.empty());
    EXPECT_EQ(MustGet(ids[older]).filters_omitted, 2u);
  }
}

TEST_F(JobManagerTest, TheTimeLimitEndsACapture) {
  CaptureRequest request;
  request.time_limit_s = 2;
  const std::string id = MustCreate(request).id;
  clock_.now_ns += 2 * kNsPerSecond - 1;
  jobs_->Tick();
  EXPECT_EQ(MustGet(id).status, CaptureStatus::kRunning);
  clock_.now_ns += 1;
  jobs_->Tick();
  const Capture ended = MustGet(id);
  EXPECT_EQ(ended.status, CaptureStatus::kSuccess);
  EXPECT_EQ(ended.end_reason, "time_limit");
  EXPECT_EQ(ended.ended_ns, clock_.now_ns);
  EXPECT_FALSE(ended.stop_requested);
  EXPECT_FALSE(jobs_->HasRunning());
}

TEST_F(JobManagerTest, PacketAndByteLimitsEndACaptureByTheirNames) {
  for (const char* limit : {"packet_limit", "byte_limit"}) {
    const std::string id = MustCreate().id;
    engine_.jobs.back()->limit_reached = limit;
    jobs_->Tick();
    EXPECT_EQ(MustGet(id).end_reason, limit);
  }
}

TEST_F(JobManagerTest, ACaptureIsRunningUntilItsFilesAreClosed) {
  const std::string id = MustCreate().id;
  FakeJobState& job = *engine_.jobs[0];
  job.closes_when_ended = false;
  job.Capture(5);
  ASSERT_TRUE(jobs_->Stop(id).ok());
  jobs_->Tick();
  EXPECT_TRUE(job.ended);
  EXPECT_EQ(MustGet(id).status, CaptureStatus::kRunning);
  EXPECT_TRUE(MustGet(id).stop_requested);
  EXPECT_TRUE(jobs_->HasRunning());
  job.Capture(1);  // what was still on its way
  job.closed = true;
  jobs_->Tick();
  EXPECT_EQ(MustGet(id).status, CaptureStatus::kSuccess);
  EXPECT_EQ(MustGet(id).end_reason, "stopped");
  EXPECT_EQ(MustGet(id).ledger.written.packets, 6u);
  EXPECT_EQ(MustGet(id).stored_bytes, 600u);
}

TEST_F(JobManagerTest, StoppingTwiceOrTooLateChangesNothing) {
  CaptureRequest request;
  request.time_limit_s = 1;
  const std::string id = MustCreate(request).id;
  clock_.now_ns += kNsPerSecond;
  jobs_->Tick();
  const absl::StatusOr<Capture> stopped = jobs_->Stop(id);
  ASSERT_TRUE(stopped.ok());
  EXPECT_EQ(stopped->end_reason, "time_limit");
  EXPECT_FALSE(stopped->stop_requested);

  const std::string other = MustCreate().id;
  engine_.jobs.back()->closes_when_ended = false;
  EXPECT_TRUE(jobs_->Stop(other).ok());
  EXPECT_TRUE(jobs_->Stop(other).ok());
}

TEST_F(JobManagerTest, ADiskErrorFailsTheCaptureAndNoOther) {
  const std::string failing = MustCreate().id;
  const std::string other = MustCreate().id;
  engine_.jobs[0]->error = absl::InternalError("cannot write /x/y.pcap: No space left on device");
  jobs_->Tick();
  EXPECT_EQ(MustGet(failing).status, CaptureStatus::kFailed);
  EXPECT_EQ(MustGet(failing).end_reason, "error");
  EXPECT_EQ(MustGet(failing).error_message, "cannot write /x/y.pcap: No space left on device");
  EXPECT_EQ(MustGet(other).status, CaptureStatus::kRunning);
}

TEST_F(JobManagerTest, ADiskErrorInTheLastBlockFailsTheCaptureToo) {
  const std::string id = MustCreate().id;
  engine_.jobs[0]->closes_when_ended = false;
  ASSERT_TRUE(jobs_->Stop(id).ok());
  engine_.jobs[0]->error = absl::InternalError("cannot rename");
  engine_.jobs[0]->closed = true;
  jobs_->Tick();
  EXPECT_EQ(MustGet(id).status, CaptureStatus::kFailed);
  EXPECT_EQ(MustGet(id).end_reason, "error");
}

TEST_F(JobManagerTest, AWrongRequestNamesEveryErrorAndStartsNothing) {
  CaptureRequest request;
  request.time_limit_s = 0;
  request.snaplen = 300000;
  request.sampling.one_in = 2;
  const absl::StatusOr<Capture> refused = jobs_->Create(request);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  const std::string message = MessageOf(refused.status());
  EXPECT_NE(message.find("time_limit must be a whole number of seconds from 1 to 86400, not 0"),
            std::string::npos);
  EXPECT_NE(message.find("snaplen"), std::string::npos);
  EXPECT_NE(message.find("one_in"), std::string::npos);
  EXPECT_TRUE(engine_.jobs.empty());
  EXPECT_FALSE(std::filesystem::exists(directory_ / "captures"));
}

TEST_F(JobManagerTest, ARefusalOfTheEngineLeavesNothingBehind) {
  engine_.refusal = absl::InvalidArgumentError("too many rules");
  EXPECT_EQ(jobs_->Create({}).status(), engine_.refusal);
  EXPECT_TRUE(std::filesystem::is_empty(directory_ / "captures"));
  EXPECT_TRUE(jobs_->List().empty());
}

TEST_F(JobManagerTest, AnUnusableDirectoryIsNamedAndNothingStarts) {
  std::ofstream(directory_ / "captures") << "a file";
  const absl::Status refused = jobs_->Create({}).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(MessageOf(refused).find(directory_ / "captures"), std::string::npos);
  EXPECT_NE(MessageOf(refused).find("Not a directory"), std::string::npos);
  EXPECT_TRUE(engine_.jobs.empty());
}

TEST_F(JobManagerTest, NoMoreCapturesRunThanTheLimitAllows) {
  limits_.max_running = 2;
  Restart();
  const std::string first = MustCreate().id;
  MustCreate();
  EXPECT_EQ(jobs_->Create({}).status().code(), absl::StatusCode::kResourceExhausted);
  ASSERT_TRUE(jobs_->Stop(first).ok());
  jobs_->Tick();
  MustCreate();
}

TEST_F(JobManagerTest, TheListIsNewestFirst) {
  const std::string first = MustCreate().id;
  const std::string second = MustCreate().id;
  const std::vector<Capture> list = jobs_->List();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].id, second);
  EXPECT_EQ(list[1].id, first);
}

TEST_F(JobManagerTest, TheFirstToEndIsTheFirstForgottenAndItsFilesStay) {
  limits_.max_finished = 2;
  Restart();
  const std::string long_one = MustCreate().id;
  std::vector<std::string> short_ones;
  for (int i = 0; i < 2; ++i) {
    clock_.now_ns += 1000;
    short_ones.push_back(CreateAndEnd());
  }
  clock_.now_ns += 1000;
  ASSERT_TRUE(jobs_->Stop(long_one).ok());
  jobs_->Tick();
  EXPECT_TRUE(jobs_->Get(long_one).ok());
  EXPECT_TRUE(jobs_->Get(short_ones[1]).ok());
  EXPECT_EQ(jobs_->Get(short_ones[0]).status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(std::filesystem::exists(PathOf(short_ones[0])));
}

TEST_F(JobManagerTest, DeletingRemovesTheFilesOfAnEndedCaptureOnly) {
  const std::string id = MustCreate().id;
  std::ofstream(PathOf(id) + "/m1-0-0.pcap") << "packets";
  const absl::Status refused = jobs_->Delete(id);
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(MessageOf(refused).find("still running; stop it first"), std::string::npos);
  ASSERT_TRUE(jobs_->Stop(id).ok());
  jobs_->Tick();
  EXPECT_TRUE(jobs_->Delete(id).ok());
  EXPECT_FALSE(std::filesystem::exists(PathOf(id)));
  EXPECT_EQ(jobs_->Delete(id).code(), absl::StatusCode::kNotFound);
}

TEST_F(JobManagerTest, ShutdownEndsEveryCaptureAsASuccess) {
  const std::string ended = CreateAndEnd();
  const std::string running = MustCreate().id;
  jobs_->Shutdown();
  EXPECT_FALSE(jobs_->HasRunning());
  EXPECT_EQ(MustGet(ended).end_reason, "stopped");
  EXPECT_EQ(MustGet(running).end_reason, "shutdown");
  EXPECT_EQ(MustGet(running).status, CaptureStatus::kSuccess);
}

TEST_F(JobManagerTest, CountsAddUp) {
  CreateAndEnd();
  MustCreate();
  MustCreate();
  engine_.jobs.back()->error = absl::InternalError("disk");
  jobs_->Tick();
  const CaptureCounts counts = jobs_->Counts();
  EXPECT_EQ(counts.running, 1u);
  EXPECT_EQ(counts.success, 1u);
  EXPECT_EQ(counts.failed, 1u);
  EXPECT_EQ(counts.Ended(), 2u);
}

TEST_F(JobManagerTest, AThousandCapturesComeAndGo) {
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) {
    ids.insert(CreateAndEnd());
    ASSERT_TRUE(jobs_->Delete(jobs_->List().front().id).ok());
  }
  EXPECT_EQ(ids.size(), 1000u);
  EXPECT_TRUE(jobs_->List().empty());
}

}  // namespace
}  // namespace edgecap::control
