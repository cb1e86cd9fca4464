// SPDX-License-Identifier: Apache-2.0

#include "filter/bpf_expression.h"

#include <pcap/pcap.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "filter/bpf_program.h"

namespace edgecap::filter {
namespace {

constexpr int kSnapLength = 262144;
// From here on, an absolute offset is a question to the Linux kernel (SKF_AD_OFF, linux/filter.h).
constexpr std::uint32_t kKernelOffset = 0xfffff000;

absl::Status Refused(const std::string& why) { return absl::InvalidArgumentError("bpf: " + why); }

// A stretch of the text that libpcap does not read as parts of two tokens.
struct Token {
  std::size_t begin = 0;
  std::size_t end = 0;
};

bool IsWordCharacter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || std::strchr("_.:-\\", c) != nullptr;
}

std::vector<Token> Tokens(std::string_view text) {
  static constexpr std::string_view kPairs[] = {"<=", ">=", "==", "!=", "<<", ">>", "||", "&&"};
  std::vector<Token> tokens;
  std::size_t at = 0;
  while (at < text.size()) {
    if (std::isspace(static_cast<unsigned char>(text[at])) != 0) {
      ++at;
      continue;
    }
    std::size_t end = at;
    while (end < text.size() && IsWordCharacter(text[end])) ++end;
    if (end == at) end += std::ranges::find(kPairs, text.substr(at, 2)) != std::end(kPairs) ? 2 : 1;
    tokens.push_back({at, end});
    at = end;
  }
  return tokens;
}

// What one run of libpcap's compiler says.
struct Answer {
  std::vector<BpfInstruction> instructions;
  std::string error;  // empty: none
};

Answer Ask(const std::string& text, bool optimize) {
  const std::unique_ptr<pcap_t, void (*)(pcap_t*)> handle(pcap_open_dead(DLT_EN10MB, kSnapLength),
                                                          &pcap_close);
  EDGECAP_CHECK(handle != nullptr);
  Answer answer;
  bpf_program program{};
  if (pcap_compile(handle.get(), &program, text.c_str(), optimize ? 1 : 0, PCAP_NETMASK_UNKNOWN) !=
      0) {
    answer.error = pcap_geterr(handle.get());
    if (answer.error.empty()) answer.error = "libpcap refuses it without a word";
    return answer;
  }
  answer.instructions.reserve(program.bf_len);
  for (std::uint32_t i = 0; i < program.bf_len; ++i) {
    const bpf_insn& from = program.bf_insns[i];
    answer.instructions.push_back({from.code, from.jt, from.jf, from.k});
  }
  pcap_freecode(&program);
  return answer;
}

// Where libpcap gave up, found by asking it again. It reads the text token by token and ends with
// its first error. So a prefix of the text with a number behind it that is too large to be read
// gives the error about that number if, and only if, libpcap found nothing wrong before it asked
// for the next token.
//
// Returns the first token with which the text in front of it becomes wrong, or nothing when libpcap
// is content with the text up to its end, and only then not.
std::optional<std::size_t> FirstWrongToken(std::string_view text,
                                           const std::vector<Token>& tokens) {
  std::uint64_t poison = 99999999999;
  while (text.find(std::to_string(poison)) != std::string_view::npos) --poison;
  const std::string word = std::to_string(poison);
  const auto content_up_to = [&](std::size_t token) {
    const std::string prefix(text.substr(0, tokens[token].end));
    return Ask(prefix + " " + word, false).error.find(word) != std::string::npos;
  };
  std::size_t first = 0;
  std::size_t last = tokens.size();
  while (first < last) {
    const std::size_t middle = first + (last - first) / 2;
    if (content_up_to(middle)) {
      first = middle + 1;
    } else {
      last = middle;
    }
  }
  if (first == tokens.size()) return std::nullopt;
  return first;
}

// The part of `text` that the error quotes, or the last number of it that the error names.
std::optional<Token> Named(const std::string& error, std::string_view text,
                           std::span<const Token> tokens) {
  for (const char quote : {'\'', '"'}) {
    const std::size_t open = error.find(quote);
    const std::size_t close = open == std::string::npos ? open : error.find(quote, open + 1);
    if (close == std::string::npos || close == open + 1) continue;
    const std::string quoted = error.substr(open + 1, close - open - 1);
    const std::size_t at = text.rfind(quoted);
    if (at != std::string_view::npos) return Token{at, at + quoted.size()};
  }
  for (const Token& word : Tokens(error)) {
    if (std::isdigit(static_cast<unsigned char>(error[word.begin])) == 0) continue;
    const std::string number = error.substr(word.begin, word.end - word.begin);
    for (std::size_t token = tokens.size(); token-- > 0;) {
      const auto [begin, end] = tokens[token];
      if (text.substr(begin, end - begin) == number) return tokens[token];
    }
  }
  return std::nullopt;
}

absl::Status Explain(std::string error, std::string_view text, const std::vector<Token>& tokens) {
  static constexpr std::string_view kParser = "can't parse filter expression: ";
  const bool syntax = error.starts_with(kParser);
  if (syntax) error.erase(0, kParser.size());
  if (error == "expression rejects all packets") {
    return Refused(error +
                   ": no packet can hold all of it; look for parts that contradict each "
                   "other, as `ip and ip6`");
  }
  const auto word = [&](const Token& token) {
    return std::string(text.substr(token.begin, token.end - token.begin));
  };
  const auto place = [&](const Token& token) {
    return " character " + std::to_string(token.begin + 1) + ", near \"" + word(token) + "\"";
  };
  const std::optional<std::size_t> wrong = FirstWrongToken(text, tokens);
  if (syntax) {
    if (!wrong) {
      return Refused(error + " at the end, character " + std::to_string(tokens.back().end + 1) +
                     ", behind \"" + word(tokens.back()) +
                     "\"; something is missing there, see pcap-filter(7)");
    }
    return Refused(error + " at" + place(tokens[*wrong]) +
                   "; what may stand there is in pcap-filter(7), and `tcpdump -d` reads the same "
                   "language");
  }
  // libpcap may have looked one token further than the one it complains of, but no further.
  const std::size_t last = wrong.value_or(tokens.size() - 1);
  const std::optional<Token> named =
      Named(error, text.substr(0, tokens[last].end), std::span(tokens).first(last + 1));
  return Refused(error + (named ? ", at" + place(*named) : ", at or before" + place(tokens[last])) +
                 "; correct it, see pcap-filter(7)");
}

absl::Status CheckText(std::string_view text) {
  if (text.size() > BpfProgram::kExpressionBytesMax) {
    return Refused("the expression has " + std::to_string(text.size()) + " bytes, at most " +
                   std::to_string(BpfProgram::kExpressionBytesMax) +
                   " are read; put lists of addresses and ports into fields of their own");
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (std::isprint(c) != 0 || c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    static constexpr char kHex[] = "0123456789abcdef";
    return Refused(std::string("byte 0x") + kHex[c >> 4] + kHex[c & 15] + " at character " +
                   std::to_string(i + 1) + "; an expression is printable ASCII");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<BpfInstruction>> CompileBpfExpression(std::string_view expression) {
  EDGECAP_RETURN_IF_ERROR(CheckText(expression));
  const std::vector<Token> tokens = Tokens(expression);
  if (tokens.empty()) {
    return Refused(
        "the expression is empty; leave the field out, or write one, as "
        "`tcp port 443 and host 10.1.2.3`");
  }
  if (tokens.size() > BpfProgram::kTokensMax) {
    return Refused("the expression has " + std::to_string(tokens.size()) +
                   " words and signs, at most " + std::to_string(BpfProgram::kTokensMax) +
                   " are read; put lists of addresses and ports into fields of their own");
  }
  const std::string text(expression);
  Answer answer = Ask(text, false);
  if (answer.error.empty() && answer.instructions.size() <= BpfProgram::kOptimizedInstructionsMax) {
    answer = Ask(text, true);
  }
  if (!answer.error.empty()) return Explain(std::move(answer.error), expression, tokens);
  for (const BpfInstruction& step : answer.instructions) {
    if (BPF_CLASS(step.code) == BPF_LD && BPF_MODE(step.code) == BPF_ABS &&
        step.k >= kKernelOffset) {
      return Refused(
          "the expression asks what only a Linux kernel knows of a packet (`inbound`, "
          "`outbound`, `ifindex`), which is not in its bytes; use the field direction");
    }
  }
  return std::move(answer.instructions);
}

}  // namespace edgecap::filter
