// SPDX-License-Identifier: Apache-2.0
//
// Machine code against libpcap's interpreter.

#include "filter/bpf_program.h"

#include <gtest/gtest.h>
#include <pcap/pcap.h>

#include <cstdint>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/status_macros.h"
#include "tests/support/bpf_cases.h"

namespace edgecap::filter {
namespace {

using testing::BpfBursts;
using testing::BpfExpressions;
using testing::BpfGenerator;
using testing::BpfPacket;
using testing::BpfReference;
using testing::GuardedBurst;

std::shared_ptr<const BpfProgram> Compiled(std::string_view expression) {
  auto program = BpfProgram::Compile(expression);
  EXPECT_TRUE(program.ok()) << expression << ": " << MessageOf(program.status());
  return program.ok() ? *program : nullptr;
}

std::string ErrorOf(std::string_view expression) {
  const auto program = BpfProgram::Compile(expression);
  if (program.ok()) return "none";
  EXPECT_EQ(program.status().code(), absl::StatusCode::kInvalidArgument) << expression;
  return MessageOf(program.status());
}

// How many packets match; every one of them as bpf_filter() says.
std::size_t ExpectSame(const BpfProgram& program, std::span<const BpfPacket> packets,
                       const BpfBursts& bursts, const std::string& what) {
  const BpfReference reference(program.instructions());
  std::size_t matches = 0;
  std::size_t first = 0;
  for (const GuardedBurst& burst : bursts.all()) {
    PacketSet expected = 0;
    for (std::uint32_t i = 0; i < burst.burst().count; ++i) {
      if (reference.Matches(packets[first + i])) expected |= PacketSet{1} << i;
    }
    EXPECT_EQ(program.Match(burst.burst(), burst.burst().All()), expected)
        << what << ", packets from " << first << "\n"
        << program.Describe();
    matches += static_cast<std::size_t>(std::popcount(expected));
    first += burst.burst().count;
  }
  EXPECT_EQ(first, packets.size());
  return matches;
}

std::vector<BpfPacket> LikelyPackets(BpfGenerator& generator, std::size_t count) {
  std::vector<BpfPacket> packets;
  while (packets.size() < count) packets.push_back(generator.LikelyPacket());
  return packets;
}

TEST(BpfProgram, SaysWhatLibpcapSaysOfTheCorpus) {
  const auto packets = testing::CorpusPackets();
  if (!packets) GTEST_SKIP() << "shared/corpus/tcpdump-ether.pcap is not there";
  ASSERT_GT(packets->size(), 3000u);
  BpfGenerator generator(1);
  const BpfBursts whole(*packets, nullptr);
  const BpfBursts chopped(*packets, &generator);
  std::size_t matching = 0;
  for (const char* expression : BpfExpressions()) {
    const auto program = BpfProgram::Compile(expression);
    if (!program.ok()) continue;  // the next test tells
    const std::size_t matches = ExpectSame(**program, *packets, whole, expression);
    ExpectSame(**program, *packets, chopped, std::string(expression) + ", in pieces");
    matching += matches > 0 && matches < packets->size();
    if (HasFailure()) break;
  }
  EXPECT_GT(matching, 150u);
}

TEST(BpfProgram, SaysWhatLibpcapSaysOfMadePackets) {
  BpfGenerator generator(2);
  const std::vector<BpfPacket> packets = LikelyPackets(generator, 3000);
  const BpfBursts whole(packets, nullptr);
  const BpfBursts chopped(packets, &generator);
  std::vector<std::string> never;
  for (const char* expression : BpfExpressions()) {
    const auto program = Compiled(expression);
    if (program == nullptr) continue;
    const std::size_t matches = ExpectSame(*program, packets, whole, expression);
    ExpectSame(*program, packets, chopped, std::string(expression) + ", in pieces");
    if (matches == 0) never.push_back(expression);
    if (HasFailure()) break;
  }
  ASSERT_GT(BpfExpressions().size(), 220u);
  EXPECT_LT(never.size(), BpfExpressions().size() / 6) << ::testing::PrintToString(never);
}

TEST(BpfProgram, SaysWhatTheInterpreterSaysOfRandomPrograms) {
  BpfGenerator generator(3);
  std::size_t matches = 0;
  std::size_t trials = 0;
  std::map<std::uint16_t, std::size_t> codes;
  for (int round = 0; round < 40; ++round) {
    std::vector<BpfPacket> packets;
    for (int i = 0; i < 128; ++i) {
      packets.push_back(i % 3 == 0 ? generator.LikelyPacket() : generator.RandomPacket());
    }
    const BpfBursts whole(packets, nullptr);
    const BpfBursts chopped(packets, &generator);
    for (int i = 0; i < 100; ++i) {
      const std::vector<BpfInstruction> instructions = generator.Program();
      for (const BpfInstruction& step : instructions) ++codes[step.code];
      const auto program = BpfProgram::FromInstructions(instructions);
      ASSERT_TRUE(program.ok()) << MessageOf(program.status());
      matches += ExpectSame(**program, packets, whole, "whole");
      ExpectSame(**program, packets, chopped, "in pieces");
      trials += packets.size();
      ASSERT_FALSE(HasFailure());
    }
  }
  // Of every instruction many, and neither verdict seldom.
  for (const std::uint16_t code : BpfGenerator::Codes()) EXPECT_GT(codes[code], 300u) << code;
  EXPECT_GT(matches, trials / 10);
  EXPECT_LT(matches, trials * 9 / 10);
}

// Short programs around one instruction, so that nothing else hides a difference.
TEST(BpfProgram, SaysWhatTheInterpreterSaysOfEveryInstructionAlone) {
  BpfGenerator generator(4);
  std::vector<BpfPacket> packets;
  for (int i = 0; i < 64; ++i) packets.push_back(generator.RandomPacket());
  const BpfBursts whole(packets, nullptr);
  const BpfBursts chopped(packets, &generator);
  const std::uint32_t edges[] = {0,     1,     3,          31,         32,         33,        255,
                                 65535, 65536, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
  std::size_t programs = 0;
  for (const std::uint16_t code : BpfGenerator::Codes()) {
    if (BPF_CLASS(code) == BPF_RET || code == (BPF_JMP | BPF_JA)) continue;
    for (const std::uint32_t a : edges) {
      for (const std::uint32_t b : edges) {
        BpfInstruction step{code, 0, 1, b};
        const bool memory = BPF_CLASS(code) == BPF_ST || BPF_CLASS(code) == BPF_STX ||
                            ((BPF_CLASS(code) == BPF_LD || BPF_CLASS(code) == BPF_LDX) &&
                             BPF_MODE(code) == BPF_MEM);
        if (memory) step.k = 2;
        std::vector<BpfInstruction> steps = {{BPF_LD | BPF_IMM, 0, 0, b},
                                             {BPF_ST, 0, 0, 2},
                                             {BPF_LDX | BPF_IMM, 0, 0, b},
                                             {BPF_LD | BPF_IMM, 0, 0, a},
                                             step};
        if (BPF_CLASS(code) == BPF_JMP) steps.push_back({BPF_RET | BPF_K, 0, 0, 1});
        // All of A, X and the word come into the verdict.
        steps.push_back({BPF_STX, 0, 0, 3});
        steps.push_back({BPF_LDX | BPF_MEM, 0, 0, 3});
        steps.push_back({BPF_ALU | BPF_XOR | BPF_X, 0, 0, 0});
        steps.push_back({BPF_LDX | BPF_MEM, 0, 0, 2});
        steps.push_back({BPF_ALU | BPF_ADD | BPF_X, 0, 0, 0});
        steps.push_back({BPF_ALU | BPF_AND | BPF_K, 0, 0, 0x55555555});
        steps.push_back({BPF_RET | BPF_A, 0, 0, 0});
        const auto program = BpfProgram::FromInstructions(steps);
        const bool zero =
            code == (BPF_ALU | BPF_DIV | BPF_K) || code == (BPF_ALU | BPF_MOD | BPF_K);
        const bool shift =
            code == (BPF_ALU | BPF_LSH | BPF_K) || code == (BPF_ALU | BPF_RSH | BPF_K);
        if ((zero && b == 0) || (shift && b > 31)) {
          EXPECT_FALSE(program.ok());
          continue;
        }
        ASSERT_TRUE(program.ok()) << MessageOf(program.status());
        ExpectSame(**program, packets, whole, "whole");
        ExpectSame(**program, packets, chopped, "in pieces");
        ASSERT_FALSE(HasFailure());
        ++programs;
      }
    }
  }
  EXPECT_GT(programs, 40u * 13 * 13);
}

TEST(BpfProgram, LoadsAtEveryEdgeOfPacketsAndPieces) {
  for (const std::uint16_t mode : {BPF_ABS, BPF_IND}) {
    for (const std::uint16_t size : {BPF_B, BPF_H, BPF_W}) {
      for (std::uint32_t k = 0; k < 9; ++k) {
        const std::vector<BpfInstruction> steps = {
            {BPF_LDX | BPF_IMM, 0, 0, 2},
            {static_cast<std::uint16_t>(BPF_LD | size | mode), 0, 0, k},
            // Once only compared, once as a number.
            {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, k * 0x01010101 + 0x00010203},
            {BPF_RET | BPF_K, 0, 0, 1},
            {static_cast<std::uint16_t>(BPF_LD | size | mode), 0, 0, k},
            {BPF_ALU | BPF_ADD | BPF_K, 0, 0, 1},
            {BPF_ALU | BPF_AND | BPF_K, 0, 0, 1},
            {BPF_RET | BPF_A, 0, 0, 0}};
        const auto program = BpfProgram::FromInstructions(steps);
        ASSERT_TRUE(program.ok());
        for (std::size_t bytes = 0; bytes <= 12; ++bytes) {
          BpfPacket packet{{}, 12};
          for (std::size_t i = 0; i < bytes; ++i)
            packet.bytes.push_back(static_cast<std::uint8_t>(i));
          const bool expected = BpfReference(steps).Matches(packet);
          for (std::size_t one = 0; one <= bytes; ++one) {
            for (std::size_t two = 0; one + two <= bytes; ++two) {
              GuardedBurst burst;
              burst.Add(packet.bytes, std::vector<std::size_t>{one, two, bytes - one - two}, 12);
              ASSERT_EQ((*program)->Match(burst.burst(), 1), PacketSet{expected})
                  << bytes << " bytes cut behind " << one << " and " << two;
            }
          }
        }
      }
    }
  }
}

TEST(BpfProgram, AnswersOnlyForThePacketsAskedFor) {
  const auto program = Compiled("len > 0");
  ASSERT_NE(program, nullptr);
  GuardedBurst burst;
  const std::vector<std::uint8_t> bytes(60);
  for (std::uint32_t i = 0; i < kBurstPacketsMax; ++i) burst.Add(bytes, 60);
  for (const PacketSet which : {PacketSet{0}, PacketSet{1}, PacketSet{1} << 63, ~PacketSet{0},
                                PacketSet{0x8000000180000001}, PacketSet{0x5555555555555555}}) {
    EXPECT_EQ(program->Match(burst.burst(), which), which);
  }
}

TEST(BpfProgram, KeepsAAndXWhereALoadGoesToAFarPiece) {
  // X and A are live over far loads of both kinds.
  const std::vector<BpfInstruction> steps = {
      {BPF_LDX | BPF_IMM, 0, 0, 5},         {BPF_LD | BPF_B | BPF_ABS, 0, 0, 30},
      {BPF_ALU | BPF_ADD | BPF_X, 0, 0, 0}, {BPF_LDX | BPF_B | BPF_MSH, 0, 0, 31},
      {BPF_ALU | BPF_ADD | BPF_X, 0, 0, 0}, {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 30 + 5 + 4 * 15},
      {BPF_RET | BPF_K, 0, 0, 1},           {BPF_RET | BPF_K, 0, 0, 0}};
  const auto program = BpfProgram::FromInstructions(steps);
  ASSERT_TRUE(program.ok());
  std::vector<std::uint8_t> bytes(40);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i);
  GuardedBurst burst;
  burst.Add(bytes, std::vector<std::size_t>{0, 10, 0, 30}, 40);
  burst.Add(bytes, std::vector<std::size_t>{31, 9}, 40);
  burst.Add(bytes, 40);
  EXPECT_EQ((*program)->Match(burst.burst(), burst.burst().All()), PacketSet{7});
}

TEST(BpfProgram, FindsScratchMemoryZeroInEveryPacket) {
  const std::vector<BpfInstruction> steps = {
      {BPF_LD | BPF_MEM, 0, 0, 7}, {BPF_JMP | BPF_JEQ | BPF_K, 0, 3, 0},
      {BPF_LD | BPF_IMM, 0, 0, 9}, {BPF_ST, 0, 0, 7},
      {BPF_RET | BPF_K, 0, 0, 1},  {BPF_RET | BPF_K, 0, 0, 0}};
  const auto program = BpfProgram::FromInstructions(steps);
  ASSERT_TRUE(program.ok());
  GuardedBurst burst;
  for (int i = 0; i < 5; ++i) burst.Add({}, 0);
  EXPECT_EQ((*program)->Match(burst.burst(), burst.burst().All()), PacketSet{31});
}

TEST(BpfProgram, GivesUpOnAPacketThatLoopsForEver) {
  const std::vector<BpfInstruction> loop = {{BPF_JMP | BPF_JA, 0, 0, 0xffffffff},
                                            {BPF_RET | BPF_K, 0, 0, 1}};
  const auto endless = BpfProgram::FromInstructions(loop);
  ASSERT_TRUE(endless.ok()) << MessageOf(endless.status());
  // Back `rounds` times, then match.
  const auto rounds = [](std::uint32_t count) {
    return std::vector<BpfInstruction>{{BPF_LD | BPF_MEM, 0, 0, 0},
                                       {BPF_JMP | BPF_JEQ | BPF_K, 3, 0, count},
                                       {BPF_ALU | BPF_ADD | BPF_K, 0, 0, 1},
                                       {BPF_ST, 0, 0, 0},
                                       {BPF_JMP | BPF_JA, 0, 0, static_cast<std::uint32_t>(-5)},
                                       {BPF_RET | BPF_K, 0, 0, 1}};
  };
  const auto enough = BpfProgram::FromInstructions(rounds(kBpfBackwardJumpsMax));
  const auto too_many = BpfProgram::FromInstructions(rounds(kBpfBackwardJumpsMax + 1));
  ASSERT_TRUE(enough.ok() && too_many.ok());
  GuardedBurst burst;
  for (int i = 0; i < 3; ++i) burst.Add({}, 0);
  EXPECT_EQ((*endless)->Match(burst.burst(), 7), PacketSet{0});
  EXPECT_EQ((*enough)->Match(burst.burst(), 7), PacketSet{7});
  EXPECT_EQ((*too_many)->Match(burst.burst(), 7), PacketSet{0});
}

TEST(BpfProgram, RefusesInstructionsThatItDoesNotKnow) {
  const std::set<std::uint16_t> known(BpfGenerator::Codes().begin(), BpfGenerator::Codes().end());
  std::size_t refused = 0;
  for (std::uint32_t code = 0; code <= 0xffff; ++code) {
    const auto program = BpfProgram::FromInstructions({{static_cast<std::uint16_t>(code), 0, 0, 1},
                                                       {BPF_RET | BPF_K, 0, 0, 0},
                                                       {BPF_RET | BPF_K, 0, 0, 0}});
    ASSERT_EQ(program.ok(), known.contains(static_cast<std::uint16_t>(code))) << code;
    refused += !program.ok();
  }
  EXPECT_EQ(refused, 0x10000 - known.size());
}

TEST(BpfProgram, RefusesProgramsThatLeadNowhere) {
  const auto error = [](std::vector<BpfInstruction> steps) {
    const auto program = BpfProgram::FromInstructions(std::move(steps));
    return program.ok() ? "none" : MessageOf(program.status());
  };
  const BpfInstruction end{BPF_RET | BPF_K, 0, 0, 0};
  EXPECT_EQ(error({}), "bpf: a program of 0 instructions; it has 1 to 131072");
  EXPECT_EQ(error({{BPF_LD | BPF_IMM, 0, 0, 0}}),
            "bpf: instruction 0 is the last and does not return");
  EXPECT_EQ(error({{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0}, end}),
            "bpf: instruction 0 jumps out of the program");
  EXPECT_EQ(error({{BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0}, end}),
            "bpf: instruction 0 jumps out of the program");
  EXPECT_EQ(error({{BPF_JMP | BPF_JA, 0, 0, 1}, end}),
            "bpf: instruction 0 jumps out of the program");
  EXPECT_EQ(error({{BPF_JMP | BPF_JA, 0, 0, 0xfffffffe}, end}),
            "bpf: instruction 0 jumps out of the program");
  EXPECT_EQ(error({{BPF_ST, 0, 0, 16}, end}),
            "bpf: instruction 0 names a memory word that is not there");
  EXPECT_EQ(error({{BPF_ALU | BPF_MOD | BPF_K, 0, 0, 0}, end}),
            "bpf: instruction 0 divides by zero");
  EXPECT_EQ(error({{BPF_ALU | BPF_LSH | BPF_K, 0, 0, 32}, end}),
            "bpf: instruction 0 shifts by more than 31 bits");
}

TEST(BpfProgram, TellsWhereASyntaxErrorIs) {
  const std::pair<const char*, const char*> cases[] = {
      {"tcp foo", "bpf: syntax error at character 5, near \"foo\";"},
      {"foo bar", "bpf: syntax error at character 1, near \"foo\";"},
      {"tcp port 80 and and udp", "bpf: syntax error at character 17, near \"and\";"},
      {"  tcp port 80)", "bpf: syntax error at character 14, near \")\";"},
      {"tcp and # udp", "bpf: syntax error at character 9, near \"#\";"},
      {"tcp[0:foo] = 1", "bpf: syntax error at character 5, near \"0:foo\";"},
      {"ip[0] = 5 5", "bpf: syntax error at character 11, near \"5\";"},
      {"tcp && ||", "bpf: syntax error at character 8, near \"||\";"},
      {"tcp;", "bpf: syntax error at character 4, near \";\";"},
      {"host 10.1.2.3 and\nport 80 $", "bpf: syntax error at character 27, near \"$\";"},
      {"99999999999 99999999998 foo", "bpf: number 99999999999 overflows 32 bits, at character 1,"},
      {"tcp and (", "bpf: syntax error at the end, character 10, behind \"(\";"},
      {"tcp and", "bpf: syntax error at the end, character 8, behind \"and\";"},
      {"tcp[0", "bpf: syntax error at the end, character 6, behind \"0\";"},
  };
  for (const auto& [expression, error] : cases) {
    EXPECT_TRUE(ErrorOf(expression).starts_with(error))
        << expression << ": " << ErrorOf(expression);
  }
}

TEST(BpfProgram, TellsWhereLibpcapFoundSomethingElseWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"tcp port 80 or port nosuchservice",
       "bpf: unknown port 'nosuchservice', at character 21, near \"nosuchservice\";"},
      {"tcp port 70000 and udp",
       "bpf: illegal port number 70000 > 65535, at character 10, near \"70000\";"},
      {"ip and vlan 5000 and vlan 5000",
       "bpf: VLAN tag 5000 greater than maximum 4095, at character 13, near \"5000\";"},
      {"tcp and ether proto \\nosuch",
       "bpf: unknown ether proto 'nosuch', at character 22, near \"nosuch\";"},
      {"net 10.1.2.3/8",
       "bpf: non-network bits set in \"10.1.2.3/8\", at character 5, near \"10.1.2.3/8\";"},
      {"ip[0] % 0 = 1", "bpf: modulus by zero, at or before character 9, near \"0\";"},
      {"tcp or gateway foo",
       "bpf: 'gateway' not supported in this configuration, at character 8, near \"gateway\";"},
      {"tcp and ip broadcast",
       "bpf: netmask not known, so 'ip broadcast' not supported, at character 9, near "
       "\"ip broadcast\";"},
      {"type mgt",
       "bpf: 802.11 link-layer types supported only on 802.11, at or before character 6, near "
       "\"mgt\";"},
      {"ip and not ip", "bpf: expression rejects all packets:"},
  };
  for (const auto& [expression, error] : cases) {
    EXPECT_TRUE(ErrorOf(expression).starts_with(error))
        << expression << ": " << ErrorOf(expression);
  }
}

TEST(BpfProgram, RefusesWhatOnlyAKernelKnows) {
  for (const char* expression : {"inbound", "outbound", "tcp and inbound", "not inbound"}) {
    EXPECT_NE(ErrorOf(expression).find("use the field direction"), std::string::npos)
        << ErrorOf(expression);
  }
}

TEST(BpfProgram, RefusesTextThatIsNone) {
  EXPECT_EQ(ErrorOf("").find("bpf: the expression is empty"), 0u);
  EXPECT_EQ(ErrorOf(" \t\n").find("bpf: the expression is empty"), 0u);
  EXPECT_EQ(ErrorOf(std::string_view("tcp\0", 4)).find("bpf: byte 0x00 at character 4;"), 0u);
  EXPECT_EQ(ErrorOf("tcp\x1b").find("bpf: byte 0x1b at character 4;"), 0u);
  EXPECT_EQ(ErrorOf("\xc3\xa4").find("bpf: byte 0xc3 at character 1;"), 0u);
}

std::string Repeated(const std::string& text, std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}

TEST(BpfProgram, RefusesMoreThanItsLimits) {
  EXPECT_EQ(ErrorOf("tcp" + std::string(BpfProgram::kExpressionBytesMax - 3, ' ')), "none");
  EXPECT_EQ(ErrorOf("tcp" + std::string(BpfProgram::kExpressionBytesMax - 2, ' '))
                .find("bpf: the expression has 16385 bytes, at most 16384"),
            0u);
  EXPECT_EQ(ErrorOf(Repeated("not ", BpfProgram::kTokensMax - 1) + "tcp"), "none");
  EXPECT_EQ(ErrorOf(Repeated("not ", BpfProgram::kTokensMax) + "tcp")
                .find("bpf: the expression has 501 words and signs, at most 500"),
            0u);
}

TEST(BpfProgram, ReadsDeepAndLongExpressions) {
  BpfGenerator generator(5);
  const std::vector<BpfPacket> packets = LikelyPackets(generator, 256);
  const BpfBursts bursts(packets, &generator);
  std::string sum = "ip[8]";
  std::string hosts = "host 10.0.0.1";
  for (int i = 0; i < 240; ++i) {
    sum += "+1";
    hosts += " or 10.0." + std::to_string(i % 7) + "." + std::to_string(i % 250);
  }
  const std::string expressions[] = {Repeated("(", 249) + "tcp" + Repeated(")", 249),
                                     Repeated("!", 499) + "tcp",
                                     sum + " > 300",
                                     hosts,
                                     Repeated("ip[", 160) + "0" + Repeated("]", 160) + " & 1 = 1",
                                     Repeated("vlan and ", 240) + "tcp port 80",
                                     Repeated("mpls and ", 240) + "ip",
                                     "port 1" + Repeated(" or 80", 240)};
  for (const std::string& expression : expressions) {
    const auto program = BpfProgram::Compile(expression);
    if (!program.ok()) {
      // libpcap's own refusals are fine; they are words.
      EXPECT_EQ(MessageOf(program.status()).find("bpf: "), 0u);
      ADD_FAILURE() << expression.substr(0, 60) << ": " << MessageOf(program.status());
      continue;
    }
    ExpectSame(**program, packets, bursts, expression.substr(0, 60));
  }
}

TEST(BpfProgram, LeavesALongExpressionUnoptimisedAndRight) {
  std::string ports = "port 60000";
  for (int i = 0; i < 150; ++i) ports += " or " + std::to_string(20000 + i);
  const auto program = Compiled(ports + " or 443");
  ASSERT_NE(program, nullptr);
  EXPECT_GT(program->instructions().size(), BpfProgram::kOptimizedInstructionsMax);
  BpfGenerator generator(6);
  const std::vector<BpfPacket> packets = LikelyPackets(generator, 640);
  EXPECT_GT(ExpectSame(*program, packets, BpfBursts(packets, &generator), "ports"), 20u);
}

TEST(BpfProgram, DescribesItselfAsTcpdumpDoes) {
  const auto program = Compiled("ip");
  ASSERT_NE(program, nullptr);
  EXPECT_EQ(program->Describe(),
            "(000) ldh      [12]\n"
            "(001) jeq      #0x800           jt 2\tjf 3\n"
            "(002) ret      #262144\n"
            "(003) ret      #0\n");
  EXPECT_GT(program->code_bytes(), 50u);
  EXPECT_LT(program->code_bytes(), 2000u);
}

TEST(BpfProgram, NeverHasMemoryThatCanBeWrittenAndRun) {
  const auto program = Compiled("tcp port 80");
  ASSERT_NE(program, nullptr);
  std::ifstream maps("/proc/self/maps");
  std::size_t runnable = 0;
  for (std::string line; std::getline(maps, line);) {
    const std::string rights = line.substr(line.find(' ') + 1, 3);
    EXPECT_NE(rights, "rwx") << line;
    runnable += rights == "r-x";
  }
  EXPECT_GT(runnable, 0u);
}

TEST(BpfProgram, IsUsedByManyThreadsWhileOthersCompile) {
  BpfGenerator generator(7);
  const std::vector<BpfPacket> packets = LikelyPackets(generator, 64);
  const BpfBursts bursts(packets, nullptr);
  const Burst& burst = bursts.all().front().burst();
  const auto program = Compiled("tcp port 80");
  ASSERT_NE(program, nullptr);
  const PacketSet expected = program->Match(burst, burst.All());
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 2000; ++round) {
        EXPECT_EQ(program->Match(burst, burst.All()), expected);
      }
    });
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        const auto other = BpfProgram::Compile("tcp port 80");
        ASSERT_TRUE(other.ok());
        EXPECT_EQ((*other)->Match(burst, burst.All()), expected);
        EXPECT_FALSE((*other)->Describe().empty());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace edgecap::filter
