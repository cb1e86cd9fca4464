// SPDX-License-Identifier: Apache-2.0

#include "control/daemon.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "control/http_server.h"
#include "control/job_manager.h"
#include "control/routes_native.h"
#include "dataplane/dataplane.h"
#include "dataplane/engine.h"
#include "filter/filter_context.h"
#include "filter/filter_spec.h"
#include "pcapwriter/file_system.h"

namespace edgecap::control {
namespace {

// How late a limit may be noticed: half of what time_limit promises.
constexpr int kTickMs = 5;

absl::Status ErrnoError(const char* what) {
  return absl::InternalError(std::string(what) + ": " + std::generic_category().message(errno));
}

// From here on the signals that end the daemon arrive through a descriptor, and a peer that goes
// away is an error code. Threads that are started later inherit this.
absl::StatusOr<int> TakeSignals() {
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  sigset_t blocked = ending;
  sigaddset(&blocked, SIGPIPE);
  if (pthread_sigmask(SIG_BLOCK, &blocked, nullptr) != 0) return ErrnoError("cannot block signals");
  const int fd = signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) return ErrnoError("cannot receive signals");
  return fd;
}

std::string HostName() {
  char name[HOST_NAME_MAX + 1] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "localhost";
}

dataplane::EngineOptions EngineOptionsOf(const config::Config& config) {
  dataplane::EngineOptions options;
  options.block_bytes = config.capture.block_bytes;
  options.block_count = config.capture.block_count;
  options.hugepages = config.dataplane.hugepages != "off";
  options.flush_interval_ms = config.capture.flush_interval_ms;
  options.writer_threads = config.capture.writer_threads;
  options.idle_sleep_us_max = config.dataplane.idle_sleep_us_max;
  options.max_jobs = config.limits.max_running;
  options.max_rules = config.limits.max_rules;
  options.sync = config.capture.sync;
  options.reservoir_bytes_max = config.capture.reservoir_bytes_max;
  return options;
}

// What filters can refer to: the networks that are here, and the ports by name.
absl::StatusOr<filter::FilterContext> FilterContextOf(const config::DataplaneConfig& config,
                                                      const dataplane::Dataplane& dataplane) {
  filter::FilterContext context;
  std::string prefixes;
  for (const std::string& prefix : config.local_prefixes) prefixes += prefix + ";";
  if (!prefixes.empty()) {
    EDGECAP_ASSIGN_OR_RETURN(context.local_prefixes, filter::ParseAddressSet(prefixes));
  }
  for (const PortLedger& port : dataplane.Ports()) context.port_names.push_back(port.name);
  return context;
}

}  // namespace

// Members in the order in which they are built; the destructor goes the other way.
struct Daemon::Impl {
  explicit Impl(config::Config loaded) : config(std::move(loaded)) {}
  ~Impl() {
    if (signal_fd >= 0) close(signal_fd);
  }

  absl::Status Start();
  absl::StatusOr<int> Wait() const;
  void End();
  void Announce() const;
  ServiceStats Stats() const;

  const config::Config config;
  Identity identity;
  int signal_fd = -1;
  std::unique_ptr<dataplane::Dataplane> dataplane;
  std::unique_ptr<dataplane::Engine> engine;
  std::unique_ptr<CaptureEngine> capture_engine;
  std::unique_ptr<JobManager> jobs;
  std::unique_ptr<NativeRoutes> routes;
  std::unique_ptr<HttpServer> server;
  std::uint64_t started_ns = 0;
};

absl::Status Daemon::Impl::Start() {
  EDGECAP_ASSIGN_OR_RETURN(signal_fd, TakeSignals());
  identity = {config.machine.empty() ? HostName() : config.machine, config.colo};

  // What can be refused quickly comes first; above all a second daemon, before it touches a port.
  EDGECAP_ASSIGN_OR_RETURN(std::unique_ptr<UnixListener> listener,
                           UnixListener::Open(config.control.socket, config.control.socket_group));
  CaptureDirectory directory(config.capture.directory);
  EDGECAP_RETURN_IF_ERROR(directory.CheckWritable());

  EDGECAP_ASSIGN_OR_RETURN(dataplane, dataplane::Dataplane::Start(config.dataplane));
  dataplane::EngineOptions engine_options = EngineOptionsOf(config);
  EDGECAP_ASSIGN_OR_RETURN(engine_options.filter_context,
                           FilterContextOf(config.dataplane, *dataplane));
  EDGECAP_ASSIGN_OR_RETURN(
      engine, dataplane::Engine::Start(engine_options, dataplane->TakeWorkers(),
                                       pcapwriter::PosixFileSystem(), dataplane->clock()));
  capture_engine = MakeCaptureEngine(*engine);
  jobs = std::make_unique<JobManager>(*capture_engine, dataplane->clock(), std::move(directory),
                                      config.limits, identity);
  routes =
      std::make_unique<NativeRoutes>(*jobs, config.limits, identity, [this] { return Stats(); });
  HttpServerOptions options;
  options.max_body_bytes = config.control.max_body_bytes;
  options.max_connections = config.control.max_connections;
  EDGECAP_ASSIGN_OR_RETURN(
      server, HttpServer::Start(std::move(listener), options, [this](const HttpRequest& request) {
        return routes->Handle(request);
      }));
  started_ns = dataplane->clock().NowNs();
  Announce();
  return absl::OkStatus();
}

void Daemon::Impl::Announce() const {
  const dataplane::EngineStats stats = engine->Stats();
  std::string text = "edgecapd " EDGECAP_VERSION " on " + identity.machine;
  if (!identity.colo.empty()) text += " in " + identity.colo;
  text += "\n  memory:   " + dataplane->MemoryKind() + "\n";
  for (const PortLedger& port : dataplane->Ports()) {
    text += "  port:     " + port.name + " (" + port.device + ")\n";
  }
  text += "  workers:  " + std::to_string(stats.workers.size()) + " on cores";
  for (std::uint32_t core : config.dataplane.worker_cores) text += " " + std::to_string(core);
  text += "\n  blocks:   " + std::to_string(stats.blocks_total) + " x " +
          std::to_string(stats.block_bytes) +
          " bytes = " + std::to_string((stats.blocks_total * stats.block_bytes) >> 20) + " MiB, " +
          (stats.blocks_in_hugepages ? "in hugepages" : "no hugepages: ordinary memory");
  text += "\n  captures: " + config.capture.directory;
  text += "\n  socket:   " + config.control.socket + "\nedgecapd: ready\n";
  std::fputs(text.c_str(), stderr);
}

ServiceStats Daemon::Impl::Stats() const {
  dataplane::EngineStats figures = engine->Stats();
  ServiceStats stats;
  stats.identity = identity;
  stats.version = EDGECAP_VERSION;
  stats.started_ns = started_ns;
  stats.now_ns = dataplane->clock().NowNs();
  stats.cores = config.dataplane.worker_cores;
  stats.workers = figures.workers;
  stats.ports = dataplane->Ports();
  stats.blocks_total = figures.blocks_total;
  stats.blocks_free = figures.blocks_free;
  stats.block_bytes = figures.block_bytes;
  stats.blocks_in_hugepages = figures.blocks_in_hugepages;
  stats.filter = figures.filter;
  stats.reservoir_bytes = figures.reservoir_bytes;
  stats.captures = jobs->Counts();
  stats.resident_bytes = ResidentBytes();
  return stats;
}

// Until there is something to do; returns the signal that ends the daemon, or 0.
absl::StatusOr<int> Daemon::Impl::Wait() const {
  std::array<pollfd, 2> fds = {{{signal_fd, POLLIN, 0}, {server->EventFd(), POLLIN, 0}}};
  int timeout_ms = server->TimeoutMs();
  if (jobs->HasRunning()) timeout_ms = timeout_ms < 0 ? kTickMs : std::min(timeout_ms, kTickMs);
  if (poll(fds.data(), fds.size(), timeout_ms) < 0 && errno != EINTR) {
    return ErrnoError("cannot wait for events");
  }
  signalfd_siginfo info{};
  const bool signalled = read(signal_fd, &info, sizeof(info)) == sizeof(info);
  return signalled ? static_cast<int>(info.ssi_signo) : 0;
}

void Daemon::Impl::End() {
  server.reset();
  jobs->Shutdown();
  engine->Stop();
}

Daemon::Daemon(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Daemon::~Daemon() = default;

absl::StatusOr<std::unique_ptr<Daemon>> Daemon::Start(config::Config config) {
  auto impl = std::make_unique<Impl>(std::move(config));
  EDGECAP_RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<Daemon>(new Daemon(std::move(impl)));
}

absl::Status Daemon::Run() {
  for (;;) {
    const absl::StatusOr<int> signal = impl_->Wait();
    if (!signal.ok() || *signal != 0) {
      if (signal.ok()) {
        std::fprintf(stderr, "edgecapd: SIG%s: ending\n", sigabbrev_np(*signal));
      }
      impl_->End();
      return signal.status();
    }
    impl_->jobs->Tick();
    impl_->server->Run();
  }
}

}  // namespace edgecap::control
