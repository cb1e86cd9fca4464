// SPDX-License-Identifier: Apache-2.0
//
// The arm64 compiler, on any machine: its code is run by a small program for arm64
// (tests/support/bpf_arm64_runner.c, compiled here) under qemu-aarch64, on the packets and programs
// that the other compiler is tried on, and must say what bpf_filter() says.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/status_macros.h"
#include "filter/bpf_emitter.h"
#include "filter/bpf_expression.h"
#include "filter/bpf_plan.h"
#include "tests/support/bpf_cases.h"

namespace edgecap::filter {
namespace {

using testing::BpfExpressions;
using testing::BpfGenerator;
using testing::BpfPacket;
using testing::BpfReference;

bool OnArm64() {
#if defined(__aarch64__)
  return true;
#else
  return false;
#endif
}

// The full path of a program, or nothing.
std::string Found(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::string folders = path != nullptr ? path : "/usr/bin:/bin";
  for (std::size_t at = 0; at <= folders.size();) {
    const std::size_t end = std::min(folders.find(':', at), folders.size());
    const std::string candidate = folders.substr(at, end - at) + "/" + name;
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
    at = end + 1;
  }
  return "";
}

class Folder {
 public:
  Folder() {
    std::string name = std::filesystem::temp_directory_path() / "edgecap-arm64-XXXXXX";
    EDGECAP_CHECK(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string File(const char* name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// The runner's input.
class Input {
 public:
  explicit Input(const std::string& file) : file_(file, std::ios::binary) {
    for (const std::size_t number : {sizeof(Burst), offsetof(Burst, packets),
                                     offsetof(Burst, chained), offsetof(Burst, rest)}) {
      Number(number);
    }
    static_assert(offsetof(PacketView, head_bytes) == 8 && offsetof(PacketView, wire_bytes) == 12);
    static_assert(offsetof(PacketSegment, bytes) == 8 && offsetof(PacketSegment, next) == 16);
  }

  void Packet(const BpfPacket& packet, const std::vector<std::size_t>& pieces) {
    Number(packet.wire_bytes);
    Number(pieces.size());
    std::size_t at = 0;
    for (const std::size_t size : pieces) {
      Number(size);
      Bytes(std::span(packet.bytes).subspan(at, size));
      at += size;
    }
  }

  void Number(std::size_t number) {
    const auto value = static_cast<std::uint32_t>(number);
    file_.write(reinterpret_cast<const char*>(&value), sizeof(value));
  }

  void Bytes(std::span<const std::uint8_t> bytes) {
    file_.write(reinterpret_cast<const char*>(bytes.data()),
                static_cast<std::streamsize>(bytes.size()));
  }

  bool Close() {
    file_.close();
    return file_.good();
  }

 private:
  std::ofstream file_;
};

std::vector<std::vector<BpfInstruction>> Programs(BpfGenerator& generator) {
  std::vector<std::vector<BpfInstruction>> programs;
  for (const char* expression : BpfExpressions()) {
    auto program = CompileBpfExpression(expression);
    EXPECT_TRUE(program.ok()) << expression << ": " << MessageOf(program.status());
    if (program.ok()) programs.push_back(*std::move(program));
  }
  // One that is too long for near jumps.
  std::string ports = "port 60000";
  for (int i = 0; i < 150; ++i) ports += " or " + std::to_string(20000 + i);
  auto program = CompileBpfExpression(ports + " or 443");
  EXPECT_TRUE(program.ok());
  if (program.ok()) programs.push_back(*std::move(program));
  for (int i = 0; i < 1500; ++i) programs.push_back(generator.Program());
  return programs;
}

TEST(BpfArm64, SaysWhatLibpcapSays) {
  const std::string compiler = Found(OnArm64() ? "cc" : "aarch64-linux-gnu-gcc");
  if (compiler.empty()) GTEST_SKIP() << "aarch64-linux-gnu-gcc is not installed";
  std::string emulator;
  if (!OnArm64()) {
    emulator = Found("qemu-aarch64");
    if (emulator.empty()) emulator = Found("qemu-aarch64-static");
    if (emulator.empty()) GTEST_SKIP() << "qemu-aarch64 is not installed";
  }
  const Folder folder;
  const std::string runner = folder.File("runner");
  ASSERT_EQ(std::system((compiler + " -O1 -static -Wall -o " + runner +
                         " " EDGECAP_SOURCE_DIR "/tests/support/bpf_arm64_runner.c")
                            .c_str()),
            0)
      << "the C library for arm64 is in libc6-dev-arm64-cross";

  BpfGenerator generator(11);
  std::vector<BpfPacket> packets;
  for (int i = 0; i < 700; ++i) {
    packets.push_back(i % 4 == 0 ? generator.RandomPacket() : generator.LikelyPacket());
  }
  const std::vector<std::vector<BpfInstruction>> programs = Programs(generator);
  Input input(folder.File("input"));
  input.Number(packets.size());
  for (std::size_t i = 0; i < packets.size(); ++i) {
    const std::size_t bytes = packets[i].bytes.size();
    input.Packet(packets[i], i % 2 == 0 ? std::vector{bytes} : generator.Pieces(bytes));
  }
  input.Number(programs.size());
  for (const std::vector<BpfInstruction>& program : programs) {
    const auto plan = PlanBpf(program);
    ASSERT_TRUE(plan.ok()) << MessageOf(plan.status());
    const auto code = EmitBpfArm64(*plan);
    ASSERT_TRUE(code.ok()) << MessageOf(code.status());
    input.Number(code->size());
    input.Bytes(*code);
  }
  ASSERT_TRUE(input.Close());

  const std::string output = folder.File("output");
  const int status =
      std::system((emulator + " " + runner + " " + folder.File("input") + " " + output).c_str());
  ASSERT_EQ(status, 0) << "signal " << WTERMSIG(status);
  std::ifstream answers(output, std::ios::binary);
  std::size_t matches = 0;
  for (std::size_t p = 0; p < programs.size(); ++p) {
    const BpfReference reference(programs[p]);
    for (std::size_t first = 0; first < packets.size(); first += kBurstPacketsMax) {
      PacketSet expected = 0;
      for (std::size_t i = first; i < std::min(first + kBurstPacketsMax, packets.size()); ++i) {
        if (reference.Matches(packets[i])) expected |= PacketSet{1} << (i - first);
      }
      PacketSet answer = 0;
      ASSERT_TRUE(answers.read(reinterpret_cast<char*>(&answer), sizeof(answer)));
      ASSERT_EQ(answer, expected) << "program " << p << ", packets from " << first;
      matches += static_cast<std::size_t>(std::popcount(answer));
    }
  }
  EXPECT_EQ(answers.peek(), std::ifstream::traits_type::eof());
  EXPECT_GT(matches, programs.size() * packets.size() / 20);
}

}  // namespace
}  // namespace edgecap::filter
