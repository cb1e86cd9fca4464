// SPDX-License-Identifier: Apache-2.0

#include "control/http_server.h"

#include <fcntl.h>
#include <microhttpd.h>
#include <strings.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "control/capture_json.h"

namespace edgecap::control {
namespace {

constexpr std::size_t kConnectionMemoryBytes = 32768;  // request line, headers, what is in flight
constexpr std::size_t kStreamChunkBytes = 131072;

// A chunked body has no announced length; one this many times too long is cut off unanswered.
constexpr std::uint64_t kDrainFactor = 16;

HttpResponse Refusal(int status, std::string_view code, std::string_view message) {
  HttpResponse response;
  response.status = status;
  response.body = ErrorJson(code, message);
  return response;
}

// How the request says its body's length.
struct Framing {
  std::uint32_t content_lengths = 0;
  std::uint64_t content_length = 0;
  bool malformed = false;
  bool chunked = false;
};

MHD_Result NoteHeader(void* framing_void, MHD_ValueKind, const char* name, const char* value) {
  auto& framing = *static_cast<Framing*>(framing_void);
  if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) framing.chunked = true;
  if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
    ++framing.content_lengths;
    const std::string_view text = value == nullptr ? "" : value;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), framing.content_length);
    framing.malformed |= error != std::errc() || end != text.data() + text.size();
  }
  return MHD_YES;
}

ssize_t PullBody(void* stream_void, std::uint64_t, char* out, std::size_t bytes) {
  const auto& stream = *static_cast<BodyStream*>(stream_void);
  const auto read = stream.read(std::as_writable_bytes(std::span(out, bytes)));
  if (!read.ok() || *read == 0) return MHD_CONTENT_READER_END_WITH_ERROR;
  return static_cast<ssize_t>(*read);
}

void FreeStream(void* stream_void) {
  const std::unique_ptr<BodyStream> owned(static_cast<BodyStream*>(stream_void));
}

MHD_Response* MakeResponse(HttpResponse& response) {
  if (!response.stream.has_value()) {
    return MHD_create_response_from_buffer(response.body.size(), response.body.data(),
                                           MHD_RESPMEM_MUST_COPY);
  }
  auto stream = std::make_unique<BodyStream>(*std::move(response.stream));
  MHD_Response* made = MHD_create_response_from_callback(stream->total_bytes, kStreamChunkBytes,
                                                         &PullBody, stream.get(), &FreeStream);
  if (made != nullptr) static_cast<void>(stream.release());  // FreeStream() has it now
  return made;
}

MHD_Result Send(MHD_Connection* connection, HttpResponse response) {
  MHD_Response* made = MakeResponse(response);
  if (made == nullptr) return MHD_NO;
  bool ok = MHD_add_response_header(made, MHD_HTTP_HEADER_CONTENT_TYPE,
                                    response.content_type.c_str()) == MHD_YES;
  for (const auto& [name, value] : response.headers) {
    ok = ok && MHD_add_response_header(made, name.c_str(), value.c_str()) == MHD_YES;
  }
  const MHD_Result queued =
      ok ? MHD_queue_response(connection, static_cast<unsigned>(response.status), made) : MHD_NO;
  MHD_destroy_response(made);  // the connection holds its own reference
  return queued;
}

// One request while it arrives.
struct Exchange {
  HttpRequest request;
  std::uint64_t body_bytes = 0;  // arrived, also those beyond the bound
};

}  // namespace

struct HttpServer::Impl {
  std::unique_ptr<UnixListener> listener;
  HttpServerOptions options;
  HttpHandler handler;
  MHD_Daemon* daemon = nullptr;

  ~Impl() {
    if (daemon != nullptr) MHD_stop_daemon(daemon);
  }

  bool Admits(MHD_Connection* connection) const {
    const MHD_ConnectionInfo* info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info != nullptr && listener->Admits(info->connect_fd);
  }

  HttpResponse TooLarge() const {
    return Refusal(MHD_HTTP_CONTENT_TOO_LARGE, "body_too_large",
                   "the body has more than " + std::to_string(options.max_body_bytes) +
                       " bytes, which control.max_body_bytes allows: send a shorter one");
  }

  // Nothing of the body is needed to say no.
  std::optional<HttpResponse> RefuseByHeaders(MHD_Connection* connection) const {
    if (!Admits(connection)) {
      return Refusal(MHD_HTTP_FORBIDDEN, "forbidden",
                     "this socket is for root, the user edgecapd runs as and the members of "
                     "control.socket_group");
    }
    Framing framing;
    MHD_get_connection_values(connection, MHD_HEADER_KIND, &NoteHeader, &framing);
    if (framing.content_lengths > 1 || framing.malformed ||
        (framing.content_lengths == 1 && framing.chunked)) {
      return Refusal(MHD_HTTP_BAD_REQUEST, "invalid_request",
                     "the length of the body must be given once: one Content-Length with a whole "
                     "number, or Transfer-Encoding");
    }
    if (framing.content_length > options.max_body_bytes) return TooLarge();
    return std::nullopt;
  }

  MHD_Result Begin(MHD_Connection* connection, const char* url, const char* method,
                   void** exchange) const {
    if (std::optional<HttpResponse> refusal = RefuseByHeaders(connection)) {
      return Send(connection, *std::move(refusal));
    }
    auto started = std::make_unique<Exchange>();
    started->request.method = std::string_view(method) == "HEAD" ? "GET" : method;
    started->request.path = url;
    *exchange = started.release();  // EndExchange() has it now
    return MHD_YES;
  }

  MHD_Result TakeBody(Exchange& exchange, const char* data, std::size_t* bytes) const {
    exchange.body_bytes += *bytes;
    if (exchange.body_bytes <= options.max_body_bytes) {
      exchange.request.body.append(data, *bytes);
    } else if (exchange.body_bytes > kDrainFactor * options.max_body_bytes) {
      return MHD_NO;
    }
    *bytes = 0;
    return MHD_YES;
  }

  MHD_Result Finish(MHD_Connection* connection, Exchange& exchange) const {
    if (exchange.body_bytes > options.max_body_bytes) return Send(connection, TooLarge());
    return Send(connection, handler(exchange.request));
  }

  // Called when the headers are there, for each piece of the body, and at its end.
  static MHD_Result OnRequest(void* impl_void, MHD_Connection* connection, const char* url,
                              const char* method, const char*, const char* data, std::size_t* bytes,
                              void** exchange) {
    const auto& impl = *static_cast<Impl*>(impl_void);
    if (*exchange == nullptr) return impl.Begin(connection, url, method, exchange);
    auto& current = *static_cast<Exchange*>(*exchange);
    return *bytes != 0 ? impl.TakeBody(current, data, bytes) : impl.Finish(connection, current);
  }

  static void EndExchange(void*, MHD_Connection*, void** exchange, MHD_RequestTerminationCode) {
    const std::unique_ptr<Exchange> owned(
        static_cast<Exchange*>(std::exchange(*exchange, nullptr)));
  }
};

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(
    std::unique_ptr<UnixListener> listener, const HttpServerOptions& options, HttpHandler handler) {
  auto impl = std::make_unique<Impl>();
  // The library closes the descriptor it is given.
  const int fd = fcntl(listener->fd(), F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return absl::InternalError("cannot duplicate the operator socket's descriptor");
  impl->listener = std::move(listener);
  impl->options = options;
  impl->handler = std::move(handler);
  impl->daemon = MHD_start_daemon(
      MHD_USE_EPOLL, 0, nullptr, nullptr, &Impl::OnRequest, impl.get(),              //
      MHD_OPTION_LISTEN_SOCKET, fd,                                                  //
      MHD_OPTION_NOTIFY_COMPLETED, &Impl::EndExchange, nullptr,                      //
      MHD_OPTION_CONNECTION_LIMIT, static_cast<unsigned>(options.max_connections),   //
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionMemoryBytes,                    //
      MHD_OPTION_CONNECTION_TIMEOUT, static_cast<unsigned>(options.idle_timeout_s),  //
      MHD_OPTION_STRICT_FOR_CLIENT, 1,                                               //
      MHD_OPTION_END);
  if (impl->daemon == nullptr) {
    return absl::InternalError("libmicrohttpd refuses to serve " + impl->listener->path());
  }
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;

int HttpServer::EventFd() const {
  const MHD_DaemonInfo* info = MHD_get_daemon_info(impl_->daemon, MHD_DAEMON_INFO_EPOLL_FD);
  EDGECAP_CHECK(info != nullptr);
  return info->epoll_fd;
}

int HttpServer::TimeoutMs() const {
  MHD_UNSIGNED_LONG_LONG timeout_ms = 0;
  if (MHD_get_timeout(impl_->daemon, &timeout_ms) != MHD_YES) return -1;
  return static_cast<int>(
      std::min<MHD_UNSIGNED_LONG_LONG>(timeout_ms, std::numeric_limits<int>::max()));
}

void HttpServer::Run() { MHD_run(impl_->daemon); }

}  // namespace edgecap::control
