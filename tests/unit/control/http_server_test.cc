// SPDX-License-Identifier: Apache-2.0
//
// A real server on a real Unix socket. Server and client share the test's thread: the client's
// socket does not block, and the server runs whenever the client waits.

#include "control/http_server.h"

#include <grp.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>

#include "base/status_macros.h"
#include "tests/unit/control/control_fakes.h"

namespace edgecap::control {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::uint64_t kMaxBodyBytes = 1000;
constexpr std::uint32_t kMaxConnections = 4;

constexpr uid_t kNobody = 65534;
constexpr gid_t kDaemonGroup = 1;  // "daemon" on every Debian

// Somebody else for a while; only root can.
class Disguise {
 public:
  Disguise(gid_t group, std::vector<gid_t> supplementary) {
    EXPECT_EQ(setgroups(supplementary.size(), supplementary.data()), 0);
    EXPECT_EQ(setegid(group), 0);
    EXPECT_EQ(seteuid(kNobody), 0);
  }
  Disguise(const Disguise&) = delete;
  Disguise& operator=(const Disguise&) = delete;
  ~Disguise() {
    EXPECT_EQ(seteuid(0), 0);
    EXPECT_EQ(setegid(0), 0);
    EXPECT_EQ(setgroups(0, nullptr), 0);
  }
};

class HttpServerTest : public testing::Test {
 protected:
  ~HttpServerTest() override {
    for (int fd : clients_) close(fd);
  }

  void Serve(HttpHandler handler, std::uint32_t idle_timeout_s = 30) {
    auto listener = UnixListener::Open(path_, "");
    ASSERT_TRUE(listener.ok()) << listener.status();
    auto server = HttpServer::Start(
        *std::move(listener), {kMaxBodyBytes, kMaxConnections, idle_timeout_s}, std::move(handler));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  // Answers with method, path and body's size.
  void ServeEcho(std::uint32_t idle_timeout_s = 30) {
    Serve(
        [this](const HttpRequest& request) {
          ++handled_;
          HttpResponse response;
          response.body = request.method + " " + request.path + " " + request.body;
          return response;
        },
        idle_timeout_s);
  }

  int Connect() {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    clients_.push_back(fd);
    return fd;
  }

  // Lets the server run until `done`, or until a test that hangs must be told so.
  void RunUntil(int client, const std::function<bool()>& done) {
    const auto deadline = SteadyClock::now() + std::chrono::seconds(20);
    while (!done()) {
      ASSERT_LT(SteadyClock::now(), deadline) << "the server does not answer";
      pollfd fds[] = {{server_->EventFd(), POLLIN, 0}, {client, POLLIN, 0}};
      const int timeout_ms = server_->TimeoutMs();
      poll(fds, 2, timeout_ms < 0 ? 10 : std::min(timeout_ms, 10));
      server_->Run();
    }
  }

  // Sends everything, or as much as the server wants to have.
  void SendAll(int fd, std::string_view data) {
    RunUntil(fd, [&] {
      const ssize_t sent = send(fd, data.data(), data.size(), MSG_NOSIGNAL);
      if (sent < 0) return errno != EAGAIN;
      data.remove_prefix(static_cast<std::size_t>(sent));
      return data.empty();
    });
  }

  // Everything until the server closes; the request must have asked for that.
  std::string ReceiveAll(int fd) {
    std::string answer;
    RunUntil(fd, [&] {
      char piece[65536];
      const ssize_t got = recv(fd, piece, sizeof(piece), 0);
      if (got > 0) answer.append(piece, static_cast<std::size_t>(got));
      return got == 0 || (got < 0 && errno != EAGAIN);
    });
    return answer;
  }

  std::string Ask(std::string_view request) {
    const int fd = Connect();
    SendAll(fd, request);
    return ReceiveAll(fd);
  }

  static std::string Get(const std::string& path) {
    return "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  }

  static int StatusOf(const std::string& answer) {
    return answer.starts_with("HTTP/1.1 ") ? std::stoi(answer.substr(9, 3)) : 0;
  }

  static std::string BodyOf(const std::string& answer) {
    const std::size_t end = answer.find("\r\n\r\n");
    return end == std::string::npos ? "" : answer.substr(end + 4);
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_ / "run/edgecap.sock";
  std::unique_ptr<HttpServer> server_;
  std::vector<int> clients_;
  int handled_ = 0;
};

TEST_F(HttpServerTest, ARequestReachesTheHandlerAndItsAnswerTheClient) {
  ServeEcho();
  const std::string answer = Ask(
      "POST /a%20b?q=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
  EXPECT_EQ(StatusOf(answer), 200);
  EXPECT_EQ(BodyOf(answer), "POST /a b hello");
  EXPECT_NE(answer.find("Content-Type: application/json"), std::string::npos);
}

TEST_F(HttpServerTest, StatusAndHeadersAreTheHandlers) {
  Serve([](const HttpRequest&) {
    HttpResponse response;
    response.status = 405;
    response.headers.emplace_back("Allow", "GET, HEAD");
    return response;
  });
  const std::string answer = Ask("PATCH / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(StatusOf(answer), 405);
  EXPECT_NE(answer.find("Allow: GET, HEAD\r\n"), std::string::npos);
}

TEST_F(HttpServerTest, HeadGetsTheHeadersOfGet) {
  ServeEcho();
  const std::string answer = Ask("HEAD /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(StatusOf(answer), 200);
  EXPECT_NE(answer.find("Content-Length: 7\r\n"), std::string::npos);  // of "GET /x "
  EXPECT_EQ(BodyOf(answer), "");
}

TEST_F(HttpServerTest, AnAnnouncedOversizedBodyIs413BeforeItIsSent) {
  ServeEcho();
  const std::string answer = Ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n");
  EXPECT_EQ(StatusOf(answer), 413);
  EXPECT_NE(answer.find("control.max_body_bytes"), std::string::npos);
  EXPECT_EQ(handled_, 0);
}

TEST_F(HttpServerTest, AnAnnouncedOversizedBodyIs413AlsoWhileItIsSent) {
  ServeEcho();
  EXPECT_EQ(StatusOf(Ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n" +
                         std::string(900000, 'x'))),
            413);
}

TEST_F(HttpServerTest, ABodyOfExactlyTheBoundIsTaken) {
  ServeEcho();
  const std::string body(kMaxBodyBytes, 'b');
  EXPECT_EQ(StatusOf(Ask("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1000"
                         "\r\n\r\n" +
                         body)),
            200);
}

std::string Chunked(std::size_t chunks) {
  std::string request =
      "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (std::size_t i = 0; i < chunks; ++i) request += "64\r\n" + std::string(100, 'c') + "\r\n";
  return request + "0\r\n\r\n";
}

TEST_F(HttpServerTest, ChunkedBodiesCountAgainstTheBound) {
  ServeEcho();
  EXPECT_EQ(StatusOf(Ask(Chunked(10))), 200);
  EXPECT_EQ(StatusOf(Ask(Chunked(11))), 413);
  EXPECT_EQ(handled_, 1);
}

TEST_F(HttpServerTest, AnEndlessChunkedBodyIsCutOff) {
  ServeEcho();
  const int fd = Connect();
  SendAll(fd, Chunked(100000));
  EXPECT_NE(StatusOf(ReceiveAll(fd)), 200);
  EXPECT_EQ(handled_, 0);
}

TEST_F(HttpServerTest, ALengthThatIsNotSaidOnceIs400) {
  ServeEcho();
  for (const char* lengths :
       {"Content-Length: 5\r\nContent-Length: 5\r\n", "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 5x\r\n",
        "Content-Length: -5\r\n", "Content-Length: 99999999999999999999999\r\n"}) {
    const int status =
        StatusOf(Ask("POST / HTTP/1.1\r\nHost: x\r\n" + std::string(lengths) + "\r\nhello"));
    EXPECT_TRUE(status == 400 || status == 413) << lengths << status;
  }
  EXPECT_EQ(handled_, 0);
}

TEST_F(HttpServerTest, RequestsThatAreNotHttpAreRefused) {
  ServeEcho();
  EXPECT_NE(StatusOf(Ask("hello\r\n\r\n")), 200);
  EXPECT_NE(StatusOf(Ask("GET / HTTP/1.1\r\n" + std::string(100000, 'h') + "\r\n\r\n")), 200);
  EXPECT_NE(StatusOf(Ask("GET /" + std::string(100000, 'u') + " HTTP/1.1\r\nHost: x\r\n\r\n")),
            200);
  EXPECT_EQ(handled_, 0);
  EXPECT_EQ(StatusOf(Ask(Get("/"))), 200);
}

TEST_F(HttpServerTest, ASlowClientHoldsUpNobodyAndIsClosedInTheEnd) {
  ServeEcho(/*idle_timeout_s=*/1);
  const int slow = Connect();
  SendAll(slow, "POST / HTTP/1.1\r\nHost: x\r\nContent-Le");
  EXPECT_EQ(StatusOf(Ask(Get("/"))), 200);
  EXPECT_NE(StatusOf(ReceiveAll(slow)), 200);
}

TEST_F(HttpServerTest, ClientsBeyondTheBoundWaitUntilOthersAreGone) {
  ServeEcho();
  for (std::uint32_t i = 0; i < kMaxConnections; ++i) SendAll(Connect(), "GET ");
  const int late = Connect();
  SendAll(late, Get("/late"));
  server_->Run();
  EXPECT_EQ(handled_, 0);
  for (std::uint32_t i = 0; i < kMaxConnections; ++i) shutdown(clients_[i], SHUT_RDWR);
  EXPECT_EQ(StatusOf(ReceiveAll(late)), 200);
}

TEST_F(HttpServerTest, AStreamIsSentWhole) {
  constexpr std::uint64_t kTotal = 3'000'001;
  Serve([](const HttpRequest&) {
    HttpResponse response;
    response.content_type = "application/octet-stream";
    response.stream = BodyStream{
        kTotal,
        [sent = std::uint64_t{0}](std::span<std::byte> out) mutable -> absl::StatusOr<std::size_t> {
          const std::size_t bytes = std::min<std::uint64_t>({out.size(), kTotal - sent, 50000});
          std::fill_n(out.begin(), bytes, std::byte{'s'});
          sent += bytes;
          return bytes;
        }};
    return response;
  });
  const std::string answer = Ask(Get("/"));
  EXPECT_EQ(StatusOf(answer), 200);
  EXPECT_NE(answer.find("Content-Length: 3000001\r\n"), std::string::npos);
  EXPECT_EQ(BodyOf(answer), std::string(kTotal, 's'));
}

TEST_F(HttpServerTest, AStreamThatFailsLeavesAShortBody) {
  Serve([](const HttpRequest&) {
    HttpResponse response;
    response.stream = BodyStream{
        1000, [first = true](std::span<std::byte> out) mutable -> absl::StatusOr<std::size_t> {
          if (!std::exchange(first, false)) {
            return absl::DataLossError("torn");
          }
          std::fill_n(out.begin(), 10, std::byte{'s'});
          return 10;
        }};
    return response;
  });
  const std::string answer = Ask(Get("/"));
  EXPECT_NE(answer.find("Content-Length: 1000\r\n"), std::string::npos);
  EXPECT_LT(BodyOf(answer).size(), 1000u);
}

TEST_F(HttpServerTest, TheSocketFileIsPrivateAndGoneAfterwards) {
  ServeEcho();
  struct stat info {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0660u);
  server_.reset();
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(HttpServerTest, ASecondDaemonIsRefusedAndTheFirstGoesOn) {
  ServeEcho();
  const auto second = UnixListener::Open(path_, "");
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_NE(MessageOf(second.status()).find("another edgecapd listens on " + path_),
            std::string::npos);
  EXPECT_EQ(StatusOf(Ask(Get("/"))), 200);
}

TEST_F(HttpServerTest, AStrangerIs403EvenIfTheFileLetsItIn) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can be somebody else";
  ServeEcho();
  std::filesystem::permissions(directory_.path(), std::filesystem::perms(0755));
  std::filesystem::permissions(path_, std::filesystem::perms(0666));
  int stranger = -1;
  {
    const Disguise disguise(kNobody, {});
    stranger = Connect();
  }
  SendAll(stranger, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_EQ(StatusOf(ReceiveAll(stranger)), 403);
  EXPECT_EQ(handled_, 0);
  EXPECT_EQ(StatusOf(Ask(Get("/"))), 200);
}

TEST(UnixListenerTest, MembersOfTheGroupAreAdmittedAndNobodyElse) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can be somebody else";
  const TemporaryDirectory directory;
  const auto listener = UnixListener::Open(directory / "s", "daemon");
  ASSERT_TRUE(listener.ok()) << listener.status();
  const auto admits = [&](gid_t group, std::vector<gid_t> supplementary) {
    int ends[2] = {};
    {
      const Disguise disguise(group, std::move(supplementary));
      EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    }
    const bool admitted = (*listener)->Admits(ends[0]);
    close(ends[0]);
    close(ends[1]);
    return admitted;
  };
  EXPECT_TRUE(admits(kDaemonGroup, {}));
  EXPECT_TRUE(admits(kNobody, {7, kDaemonGroup}));
  EXPECT_FALSE(admits(kNobody, {7}));
  EXPECT_FALSE(admits(kNobody, {}));
  struct stat info {};
  ASSERT_EQ(stat((directory / "s").c_str(), &info), 0);
  EXPECT_EQ(info.st_gid, kDaemonGroup);
}

TEST(UnixListenerTest, ASocketOfADeadProcessIsReplaced) {
  const TemporaryDirectory directory;
  const std::string path = directory / "s";
  {
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    close(fd);
  }
  EXPECT_TRUE(UnixListener::Open(path, "").ok());
}

TEST(UnixListenerTest, WhatIsNotASocketIsLeftAlone) {
  const TemporaryDirectory directory;
  std::ofstream(directory / "s") << "precious";
  EXPECT_EQ(UnixListener::Open(directory / "s", "").status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(std::filesystem::file_size(directory / "s"), 8u);
}

TEST(UnixListenerTest, AnUnknownGroupAndALongPathAreNamed) {
  const TemporaryDirectory directory;
  const absl::Status group = UnixListener::Open(directory / "s", "no-such-group").status();
  EXPECT_EQ(group.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(MessageOf(group).find("no-such-group"), std::string::npos);
  EXPECT_EQ(UnixListener::Open(directory / std::string(200, 's'), "").status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace edgecap::control
