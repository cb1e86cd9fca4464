// SPDX-License-Identifier: Apache-2.0

#include "control/cli/client.h"

#include <curl/curl.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "control/cli/json_view.h"

namespace edgecap::cli {
namespace {

constexpr long kCallSecondsMax = 60;
constexpr long kStalledSecondsMax = 60;  // of a download without a byte

// One request. libcurl calls back into it while Perform() runs.
class Transfer {
 public:
  Transfer(const std::string& socket_path, std::string_view method, std::string_view path)
      : socket_path_(socket_path),
        url_("http://edgecapd" + std::string(path)),
        method_(method),
        handle_(curl_easy_init(), curl_easy_cleanup) {
    Set(CURLOPT_UNIX_SOCKET_PATH, socket_path_.c_str());
    Set(CURLOPT_URL, url_.c_str());
    Set(CURLOPT_CUSTOMREQUEST, method_.c_str());
    Set(CURLOPT_PROXY, "");  // a proxy of the environment is not meant for a socket
    Set(CURLOPT_NOSIGNAL, 1L);
    Set(CURLOPT_WRITEFUNCTION, &Transfer::OnData);
    Set(CURLOPT_WRITEDATA, this);
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  ~Transfer() { curl_slist_free_all(headers_); }

  void SetTimeout() { Set(CURLOPT_TIMEOUT, kCallSecondsMax); }

  void SetBody(std::string_view body) {
    headers_ = curl_slist_append(headers_, "Content-Type: application/json");
    Set(CURLOPT_HTTPHEADER, headers_);
    Set(CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
    Set(CURLOPT_COPYPOSTFIELDS, body.data());
  }

  void SetSink(const Client::Sink& sink, const Client::Cancelled& cancelled) {
    sink_ = &sink;
    cancelled_ = &cancelled;
    Set(CURLOPT_LOW_SPEED_LIMIT, 1L);
    Set(CURLOPT_LOW_SPEED_TIME, kStalledSecondsMax);
    Set(CURLOPT_NOPROGRESS, 0L);
    Set(CURLOPT_XFERINFOFUNCTION, &Transfer::OnProgress);
    Set(CURLOPT_XFERINFODATA, this);
  }

  // Ok when the daemon answered 2xx and the whole body has come.
  absl::Status Perform() {
    const CURLcode code = curl_easy_perform(handle_.get());
    if (!sink_status_.ok()) return sink_status_;
    if (code != CURLE_OK) return TransportError(code);
    return ToStatus(HttpStatus(), text_);
  }

  // The body that did not go to a sink.
  std::string TakeText() { return std::move(text_); }

 private:
  template <typename Value>
  void Set(CURLoption option, Value value) {
    curl_easy_setopt(handle_.get(), option, value);
  }

  long HttpStatus() const {
    long status = 0;
    curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &status);
    return status;
  }

  absl::Status TransportError(CURLcode code) const;

  static std::size_t OnData(char* data, std::size_t, std::size_t bytes, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    // An error's body is its message, not the file.
    if (transfer.sink_ == nullptr || transfer.HttpStatus() >= 300) {
      transfer.text_.append(data, bytes);
      return bytes;
    }
    transfer.sink_status_ = (*transfer.sink_)(std::as_bytes(std::span(data, bytes)));
    return transfer.sink_status_.ok() ? bytes : 0;
  }

  static int OnProgress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return (*static_cast<Transfer*>(self)->cancelled_)() ? 1 : 0;
  }

  const std::string& socket_path_;
  const std::string url_;
  const std::string method_;
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> handle_;
  curl_slist* headers_ = nullptr;
  const Client::Sink* sink_ = nullptr;
  const Client::Cancelled* cancelled_ = nullptr;
  absl::Status sink_status_;
  std::string text_;
};

absl::Status Transfer::TransportError(CURLcode code) const {
  if (code == CURLE_ABORTED_BY_CALLBACK) return absl::CancelledError("interrupted");
  if (code == CURLE_COULDNT_CONNECT) {
    long error = 0;
    curl_easy_getinfo(handle_.get(), CURLINFO_OS_ERRNO, &error);
    if (error == EACCES || error == EPERM) {
      return absl::PermissionDeniedError(
          "you may not use the daemon's socket " + socket_path_ +
          "; become root or a member of its group (control.socket_group)");
    }
    return absl::UnavailableError("no daemon answers on " + socket_path_ + ": " +
                                  std::strerror(static_cast<int>(error)) +
                                  "\n  start it with: edgecapd --config FILE"
                                  "\n  or name its socket with --socket or EDGECAP_SOCKET");
  }
  return absl::DataLossError("the daemon's answer on " + socket_path_ +
                             " is not whole: " + curl_easy_strerror(code));
}

absl::StatusCode CodeOf(long http_status) {
  switch (http_status) {
    case 400:
    case 413:
      return absl::StatusCode::kInvalidArgument;
    case 403:
      return absl::StatusCode::kPermissionDenied;
    case 404:
      return absl::StatusCode::kNotFound;
    case 409:
      return absl::StatusCode::kFailedPrecondition;
    case 429:
      return absl::StatusCode::kResourceExhausted;
    case 503:
      return absl::StatusCode::kUnavailable;
    default:
      return absl::StatusCode::kInternal;
  }
}

}  // namespace

absl::Status ToStatus(long http_status, const std::string& body) {
  if (http_status >= 200 && http_status < 300) return absl::OkStatus();
  const nlohmann::json json = nlohmann::json::parse(body, nullptr, false);
  const nlohmann::json& error = Member(json, "error");
  std::string message = Text(error, "message");
  if (message.empty()) {
    message = "the daemon answered HTTP " + std::to_string(http_status) + " without a reason";
  }
  for (const nlohmann::json& detail : Member(error, "details")) {
    message += "\n  " + Text(detail, "field") + ": " + Text(detail, "message");
  }
  return absl::Status(CodeOf(http_status), message);
}

Client::Client(std::string socket_path) : socket_path_(std::move(socket_path)) {}

absl::StatusOr<Reply> Client::Call(std::string_view method, std::string_view path,
                                   std::string_view body) const {
  Transfer transfer(socket_path_, method, path);
  transfer.SetTimeout();
  if (!body.empty()) transfer.SetBody(body);
  if (const absl::Status status = transfer.Perform(); !status.ok()) return status;
  Reply reply{transfer.TakeText(), {}};
  if (reply.text.empty()) return reply;
  reply.json = nlohmann::json::parse(reply.text, nullptr, false);
  if (reply.json.is_discarded()) {
    return absl::DataLossError("the answer on " + socket_path_ + " is no JSON; is it edgecapd's?");
  }
  return reply;
}

absl::Status Client::Download(std::string_view path, const Sink& sink,
                              const Cancelled& cancelled) const {
  Transfer transfer(socket_path_, "GET", path);
  transfer.SetSink(sink, cancelled);
  return transfer.Perform();
}

}  // namespace edgecap::cli
