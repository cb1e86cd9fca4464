// SPDX-License-Identifier: Apache-2.0

#include "control/routes_native.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "pcapwriter/pcap_format.h"
#include "tests/unit/control/control_fakes.h"

namespace edgecap::control {
namespace {

using Json = nlohmann::json;

class NativeRoutesTest : public testing::Test {
 protected:
  HttpResponse Ask(std::string method, std::string path, std::string body = "") {
    return routes_.Handle({std::move(method), std::move(path), std::move(body)});
  }

  std::string Create() {
    const HttpResponse response = Ask("POST", "/v1/captures", R"({"type":"full"})");
    EXPECT_EQ(response.status, 201) << response.body;
    return Json::parse(response.body)["id"];
  }

  std::string CreateAndStop() {
    std::string id = Create();
    EXPECT_EQ(Ask("POST", "/v1/captures/" + id + "/stop").status, 200);
    jobs_.Tick();
    return id;
  }

  static std::string Pull(const HttpResponse& response) {
    std::string body;
    std::vector<std::byte> piece(7);
    while (body.size() < response.stream->total_bytes) {
      const auto read = response.stream->read(piece);
      EXPECT_TRUE(read.ok()) << read.status();
      if (!read.ok() || *read == 0) break;
      body.append(reinterpret_cast<const char*>(piece.data()), *read);
    }
    return body;
  }

  static std::string Header(const HttpResponse& response, const std::string& name) {
    for (const auto& [key, value] : response.headers) {
      if (key == name) return value;
    }
    return "";
  }

  TemporaryDirectory directory_;
  FakeClock clock_;
  FakeEngine engine_{clock_};
  config::LimitsConfig limits_;
  JobManager jobs_{engine_, clock_, CaptureDirectory(directory_.path()), limits_,
                   Identity{"m1", "ams01"}};
  NativeRoutes routes_{jobs_, limits_, {"m1", "ams01"}, [this] {
                         ServiceStats stats;
                         stats.identity = {"m1", "ams01"};
                         stats.version = "1.2.3";
                         stats.started_ns = clock_.now_ns - 90 * kNsPerSecond;
                         stats.now_ns = clock_.now_ns;
                         stats.cores.push_back(4);
                         stats.workers.push_back({{3, 300}, {1, 100}, {2, 200}});
                         stats.ports.push_back({"p0", "net_null0", 3, 300, 1, 2, 4});
                         stats.captures = jobs_.Counts();
                         stats.resident_bytes = ResidentBytes();
                         return stats;
                       }};
};

TEST_F(NativeRoutesTest, CreatingAnswersWithTheCaptureAndItsPlace) {
  const HttpResponse response = Ask("POST", "/v1/captures", R"({"type":"full","time_limit":5})");
  EXPECT_EQ(response.status, 201);
  const Json json = Json::parse(response.body);
  EXPECT_EQ(json["status"], "running");
  EXPECT_EQ(json["time_limit"], 5);
  EXPECT_EQ(Header(response, "Location"), "/v1/captures/" + json["id"].get<std::string>());
}

TEST_F(NativeRoutesTest, ADryRunAnswersWithTheProgramAndStartsNothing) {
  const HttpResponse response =
      Ask("POST", "/v1/captures", R"({"type":"full","dry_run":true,"filters":[{"port":53}]})");
  EXPECT_EQ(response.status, 200);
  const Json json = Json::parse(response.body);
  EXPECT_EQ(json["dry_run"], true);
  EXPECT_EQ(json["request"]["filters"][0]["port"], "53");
  EXPECT_EQ(json["request"]["time_limit"], 300);
  EXPECT_EQ(json["program"], "program of: port 53");
  EXPECT_EQ(Header(response, "Location"), "");
  engine_.refusal = absl::InvalidArgumentError("filters[0].bpf cannot be compiled");
  EXPECT_EQ(Ask("POST", "/v1/captures", R"({"type":"full","dry_run":true})").status, 400);
  EXPECT_EQ(Ask("POST", "/v1/captures", R"({"dry_run":true})").status, 400);
  EXPECT_TRUE(engine_.jobs.empty());
}

TEST_F(NativeRoutesTest, AWrongRequestIs400WithDetails) {
  const HttpResponse response =
      Ask("POST", "/v1/captures", R"({"type":"full","time_limit":0,"x":1})");
  EXPECT_EQ(response.status, 400);
  const Json error = Json::parse(response.body)["error"];
  EXPECT_EQ(error["code"], "invalid_request");
  EXPECT_EQ(error["details"].size(), 2u);
  EXPECT_TRUE(engine_.jobs.empty());
}

TEST_F(NativeRoutesTest, RefusalsOfTheManagerHaveTheirStatus) {
  engine_.refusal = absl::ResourceExhaustedError("64 captures are running");
  EXPECT_EQ(Ask("POST", "/v1/captures", R"({"type":"full"})").status, 429);
  engine_.refusal = absl::InternalError("thread");
  EXPECT_EQ(Ask("POST", "/v1/captures", R"({"type":"full"})").status, 500);
  std::filesystem::remove_all(directory_.path());
  std::ofstream(directory_.path()) << "";
  EXPECT_EQ(Ask("POST", "/v1/captures", R"({"type":"full"})").status, 503);
}

TEST_F(NativeRoutesTest, TheListIsNewestFirst) {
  const std::string first = Create();
  const std::string second = Create();
  const Json list = Json::parse(Ask("GET", "/v1/captures").body)["captures"];
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0]["id"], second);
  EXPECT_EQ(list[1]["id"], first);
}

TEST_F(NativeRoutesTest, ACaptureLivesFromCreationToDeletion) {
  const std::string id = Create();
  const std::string path = "/v1/captures/" + id;
  EXPECT_EQ(Json::parse(Ask("GET", path).body)["status"], "running");
  EXPECT_EQ(Ask("DELETE", path).status, 409);
  EXPECT_EQ(Ask("GET", path + "/download").status, 409);
  EXPECT_EQ(Json::parse(Ask("POST", path + "/stop").body)["stop_requested"], true);
  jobs_.Tick();
  EXPECT_EQ(Json::parse(Ask("GET", path).body)["status"], "success");
  EXPECT_EQ(Ask("DELETE", path).status, 204);
  EXPECT_EQ(Ask("GET", path).status, 404);
}

TEST_F(NativeRoutesTest, UnknownIdsAndPathsAre404) {
  for (const char* path :
       {"/", "/v1", "/v1/capture", "/v1/captures/", "/v1/captures/xyz", "/v1/captures/../x",
        "/v1/captures/0123456789ABCDEF0123456789ABCDEF", "/v1/captures/x/download",
        "/v1/captures/0123456789abcdef0123456789abcdef", "/v1/captures/x/fly", "/v1/statsx"}) {
    const HttpResponse response = Ask("GET", path);
    EXPECT_EQ(response.status, 404) << path;
    EXPECT_EQ(Json::parse(response.body)["error"]["code"], "not_found") << path;
  }
  EXPECT_EQ(Ask("POST", "/v1/captures/xyz/stop").status, 404);
  EXPECT_EQ(Ask("DELETE", "/v1/captures/xyz").status, 404);
}

TEST_F(NativeRoutesTest, WrongMethodsAre405AndSayWhichAreRight) {
  const std::string capture = "/v1/captures/" + Create();
  const std::vector<std::array<std::string, 3>> cases = {
      {"PATCH", "/v1/captures", "GET, HEAD, POST"}, {"PUT", capture, "GET, HEAD, DELETE"},
      {"GET", capture + "/stop", "POST"},           {"POST", capture + "/download", "GET, HEAD"},
      {"POST", "/v1/stats", "GET, HEAD"},           {"DELETE", "/healthz", "GET, HEAD"},
  };
  for (const auto& [method, path, allowed] : cases) {
    const HttpResponse response = Ask(method, path);
    EXPECT_EQ(response.status, 405) << path;
    EXPECT_EQ(Header(response, "Allow"), allowed) << path;
  }
}

TEST_F(NativeRoutesTest, ADownloadOfNothingIsAnEmptyPcap) {
  const std::string id = CreateAndStop();
  const HttpResponse response = Ask("GET", "/v1/captures/" + id + "/download");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "application/vnd.tcpdump.pcap");
  EXPECT_EQ(Header(response, "Content-Disposition"),
            "attachment; filename=\"pcap_" + id + ".pcap\"");
  ASSERT_TRUE(response.stream.has_value());
  EXPECT_EQ(Pull(response).size(), sizeof(pcapwriter::FileHeader));
}

TEST_F(NativeRoutesTest, ADownloadHoldsTheWholeShardsOnlyAndOutlivesDeletion) {
  const std::string id = Create();
  const auto shard = [&](const std::string& name, bool whole) {
    const std::string path = directory_ / id + "/" + name;
    const auto header = pcapwriter::MakeFileHeader(262144);
    const pcapwriter::RecordHeader record{1, 2, 0, 60};
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(&header), sizeof(header));
    file.write(reinterpret_cast<const char*>(&record), sizeof(record));
    engine_.jobs[0]->shards.push_back({path, 0, 40, 1, whole});
  };
  shard("a.pcap", true);
  shard("b.pcap", false);
  EXPECT_EQ(Ask("POST", "/v1/captures/" + id + "/stop").status, 200);
  jobs_.Tick();
  const HttpResponse response = Ask("GET", "/v1/captures/" + id + "/download");
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(Ask("DELETE", "/v1/captures/" + id).status, 204);
  EXPECT_EQ(Pull(response).size(), 40u);
}

TEST_F(NativeRoutesTest, ADownloadWhoseFileIsGoneIs404) {
  const std::string id = Create();
  engine_.jobs[0]->shards.push_back({directory_ / "gone.pcap", 0, 40, 1, true});
  EXPECT_EQ(Ask("POST", "/v1/captures/" + id + "/stop").status, 200);
  jobs_.Tick();
  const HttpResponse response = Ask("GET", "/v1/captures/" + id + "/download");
  EXPECT_EQ(response.status, 404);
  EXPECT_NE(response.body.find("gone.pcap"), std::string::npos);
}

TEST_F(NativeRoutesTest, StatsNameEveryFigure) {
  CreateAndStop();
  Create();
  const Json json = Json::parse(Ask("GET", "/v1/stats").body);
  EXPECT_EQ(json["machine"], "m1");
  EXPECT_EQ(json["version"], "1.2.3");
  EXPECT_EQ(json["uptime_s"], 90);
  EXPECT_EQ(json["workers"][0]["worker"], 0);
  EXPECT_EQ(json["workers"][0]["core"], 4);
  EXPECT_EQ(json["workers"][0]["received"]["bytes"], 300);
  EXPECT_EQ(json["ports"][0]["offered_packets"], 10);
  EXPECT_EQ(json["captures"]["running"], 1);
  EXPECT_EQ(json["captures"]["ended"], 1);
  EXPECT_EQ(json["captures"]["by_status"]["success"], 1);
  EXPECT_GT(json["resident_bytes"], 0);
}

TEST_F(NativeRoutesTest, HealthIsOk) {
  EXPECT_EQ(Ask("GET", "/healthz").body, "{\"status\":\"ok\"}\n");
}

}  // namespace
}  // namespace edgecap::control
