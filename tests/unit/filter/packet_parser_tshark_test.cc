// SPDX-License-Identifier: Apache-2.0
//
// The parser against tshark, which nobody here wrote: for each packet, every field of every layer
// in the order of the layers. Two inputs:
//
// - made: random stacks of tunnels with random fields, valid as far as tshark minds. All must
// agree.
// - ../shared/corpus/tcpdump-ether.pcap: packets that parsers trip over. Packets where tshark's
// words
//   mean something else than ours are left out; DiffersByDefinition() says which and why.
//
// Skips, saying so, where tshark or the corpus is missing.

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "filter/packet_parser.h"
#include "tests/support/packet_builder.h"

namespace edgecap::filter {
namespace {

using testing::Packet;
using Bytes = std::vector<std::uint8_t>;

constexpr std::array kFields = {
    "ip.src",       "ip.dst",           "ip.proto",     "ip.dsfield.dscp", "ipv6.src",
    "ipv6.dst",     "ipv6.tclass.dscp", "tcp.srcport",  "tcp.dstport",     "tcp.flags",
    "tcp.len",      "udp.srcport",      "udp.dstport",  "udp.length",      "sctp.srcport",
    "sctp.dstport", "dccp.srcport",     "dccp.dstport", "icmp.type",       "icmp.code",
    "icmpv6.type",  "icmpv6.code",      "vlan.id"};

// Stacks of so many labels carry Ethernet behind a control word; tshark would guess whether there
// is one, and is told by the last label (testing::Packet counts labels from 17).
constexpr int kEthernetLabels = 3;
constexpr const char* kDecodeLabels = " -d mpls.label==19,pwethcw";

// Values of one packet by field, each with a comma behind it, layer by layer.
using Values = std::map<std::string, std::string>;

struct Frame {
  std::string protocols;
  bool malformed = false;
  Values values;
};

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

// In the form of ours.
std::string Translate(const std::string& field, const std::string& value) {
  if (field != "tcp.flags") return value;
  return std::to_string(std::stoul(value, nullptr, 16) & 0xff);  // without the reserved bits
}

bool HasTshark() { return std::system("command -v tshark >/dev/null 2>&1") == 0; }

std::vector<Frame> RunTshark(const std::string& file) {
  std::string command =
      "tshark -n -r '" + file + "' -o ip.defragment:FALSE -o ipv6.defragment:FALSE" +
      kDecodeLabels +
      " -T fields"
      " -E aggregator=, -e frame.protocols -e _ws.malformed -e _ws.expert.message";
  for (const char* field : kFields) command += std::string(" -e ") + field;
  std::FILE* pipe = popen((command + " 2>/dev/null").c_str(), "r");
  std::vector<Frame> frames;
  char line[65536];
  while (pipe != nullptr && std::fgets(line, sizeof(line), pipe) != nullptr) {
    line[std::strcspn(line, "\n")] = '\0';
    std::vector<std::string> columns = Split(line, '\t');
    columns.resize(kFields.size() + 3);
    Frame& frame = frames.emplace_back();
    frame.protocols = columns[0] + ":";
    frame.malformed = !columns[1].empty() || columns[2].find("Bogus") != std::string::npos;
    for (std::size_t i = 0; i < kFields.size(); ++i) {
      for (const std::string& value : Split(columns[i + 3], ',')) {
        frame.values[kFields[i]] += Translate(kFields[i], value) + ",";
      }
    }
  }
  if (pipe != nullptr) {
    EXPECT_EQ(pclose(pipe), 0);
  }
  return frames;
}

void AddLayer(const LayerKey& key, Values& values) {
  const auto add = [&](const std::string& field, const std::string& value) {
    values[field] += value + ",";
  };
  const auto number = [&](const std::string& field, std::uint32_t value) {
    add(field, std::to_string(value));
  };
  if (key.tagged) number("vlan.id", key.vlan);
  if (key.ip_version == 0) return;
  const bool four = key.ip_version == 4;
  char text[INET6_ADDRSTRLEN];
  const int family = four ? AF_INET : AF_INET6;
  add(four ? "ip.src" : "ipv6.src", inet_ntop(family, key.source.data(), text, sizeof(text)));
  add(four ? "ip.dst" : "ipv6.dst", inet_ntop(family, key.destination.data(), text, sizeof(text)));
  number(four ? "ip.dsfield.dscp" : "ipv6.tclass.dscp", key.dscp);
  if (four) number("ip.proto", key.protocol);
  const std::map<std::uint8_t, std::string> names = {
      {6, "tcp"}, {17, "udp"}, {33, "dccp"}, {132, "sctp"}};
  if (const auto name = names.find(key.protocol); key.has_ports && name != names.end()) {
    number(name->second + ".srcport", key.source_port);
    number(name->second + ".dstport", key.destination_port);
  }
  const std::uint32_t payload_bytes = key.payload_end - key.payload_begin;
  if (key.has_tcp_flags) {
    number("tcp.flags", key.tcp_flags);
    number("tcp.len", payload_bytes);
  }
  if (key.has_ports && key.protocol == 17) number("udp.length", payload_bytes + 8);
  if (key.has_icmp) {
    const std::string name = key.protocol == 1 ? "icmp" : "icmpv6";
    number(name + ".type", key.icmp_type);
    number(name + ".code", key.icmp_code);
  }
}

Values ValuesOf(const ParsedPacket& packet) {
  Values values;
  for (std::uint32_t layer = 0; layer < packet.count; ++layer) {
    AddLayer(packet.layers[layer], values);
  }
  return values;
}

std::string ValueOf(const Values& values, const std::string& field) {
  const auto found = values.find(field);
  return found != values.end() ? found->second : "";
}

// ---- Made packets -------------------------------------------------------------------------------

// Random stacks of tunnels.
class RandomStacks {
 public:
  Packet Next() {
    Packet packet;
    std::uint32_t inside = Below(kLayersMax);
    if (inside != 0 && Below(4) == 0) {
      AddTags(packet);
      AddMpls(packet.EtherType(Below(2) == 0 ? 0x8847 : 0x8848), inside - 1);
    } else {
      AddTagsAndIp(packet, inside);
    }
    packet.Lengths();
    return packet.Pad(Below(2) * 60);
  }

 private:
  std::uint32_t Below(std::uint64_t end) { return static_cast<std::uint32_t>(random_() % end); }
  std::uint8_t Byte() { return static_cast<std::uint8_t>(random_()); }

  std::string Address(bool four) {
    return four ? "10." + std::to_string(Byte()) + "." + std::to_string(Byte()) + ".1"
                : "fd00:" + std::to_string(Below(9999)) + "::" + std::to_string(1 + Below(9999));
  }

  void AddTags(Packet& packet) {
    if (Below(3) == 0) packet.Vlan(static_cast<std::uint16_t>(Below(65536)));
  }

  void AddTagsAndIp(Packet& packet, std::uint32_t inside) {
    AddTags(packet);
    const bool four = Below(2) == 0;
    packet.EtherType(four ? 0x0800 : 0x86dd);
    AddIp(packet, four, inside);
  }

  void AddIp(Packet& packet, bool four, std::uint32_t inside) {
    const std::string from = Address(four);
    const std::string to = Address(four);
    const auto dscp = static_cast<std::uint8_t>(Below(64));
    // Fragments of UDP without anything behind it: tshark leaves the rest alone.
    const bool fragment = inside == 0 && Below(8) == 0;
    const std::uint16_t later = Below(2) != 0 ? 8 : 0;
    const std::uint8_t protocol = inside != 0 ? Carrier() : (fragment ? 17 : LastProtocol(four));
    if (four) {
      packet.InnerIpv4(from.c_str(), to.c_str(), protocol,
                       static_cast<std::uint16_t>(fragment ? 0x2000 | later / 8 : 0),
                       static_cast<std::uint8_t>(Below(3)), dscp);
    } else {
      const bool extension = Below(3) == 0;
      const std::uint8_t behind = fragment ? 44 : protocol;
      packet.InnerIpv6(from.c_str(), to.c_str(), extension ? 60 : behind, dscp);
      if (extension) packet.Raw({behind, 0, 1, 4, 0, 0, 0, 0});  // one option of padding
      if (fragment) packet.Fragment(protocol, later, true);
    }
    if (inside != 0) {
      AddCarried(packet, protocol, inside - 1);
    } else {
      AddTransport(packet, protocol);
    }
  }

  std::uint8_t LastProtocol(bool four) {
    return std::array<std::uint8_t, 5>{6, 6, 17, 132,
                                       static_cast<std::uint8_t>(four ? 1 : 58)}[Below(5)];
  }

  void AddTransport(Packet& packet, std::uint8_t protocol) {
    const auto port = [this] { return static_cast<std::uint16_t>(40'000 + Below(5000)); };
    switch (protocol) {
      case 6:
        packet.Tcp(port(), port(), Byte(), static_cast<std::uint8_t>(Below(3)));
        break;
      case 17:
        packet.Udp(port(), port());
        break;
      case 132:
        packet.Ports(port(), port()).Raw({0, 0, 0, 0, 0, 0, 0, 0});
        return;
      default:
        packet.Icmp(static_cast<std::uint8_t>(protocol == 1 ? 8 * Below(2) : 128 + Below(2)),
                    Byte());
        break;
    }
    for (std::uint32_t i = Below(4); i != 0; --i) packet.Raw({0xff, 0xff, 0xff});
  }

  std::uint8_t Carrier() {
    return std::array<std::uint8_t, 8>{4, 41, 47, 47, 137, 17, 17, 17}[Below(8)];
  }

  void AddCarried(Packet& packet, std::uint8_t protocol, std::uint32_t inside) {
    switch (protocol) {
      case 4:
      case 41:
        return AddIp(packet, protocol == 4, inside);
      case 47: {
        const auto flags = static_cast<std::uint8_t>(Below(16) * 16 & 0xb0);
        return AddOfType(
            packet, [&](std::uint16_t type) { packet.Gre(type, flags); }, inside);
      }
      case 137:
        return AddMpls(packet, inside);
      default:
        break;
    }
    switch (Below(4)) {
      case 0:
        packet.Vxlan();
        return AddEthernet(packet, inside);
      case 1: {
        const auto options = static_cast<std::uint8_t>(Below(4));
        return AddOfType(
            packet, [&](std::uint16_t type) { packet.Geneve(type, options); }, inside);
      }
      case 2:
        AddGtp(packet);
        return AddIp(packet, Below(2) == 0, inside);
      default:
        packet.Udp(static_cast<std::uint16_t>(40'000 + Below(5000)), 6635);
        return AddMpls(packet, inside);
    }
  }

  void AddGtp(Packet& packet) {
    switch (Below(3)) {
      case 0:
        packet.Gtp();
        break;
      case 1:
        packet.Gtp({}, static_cast<std::uint8_t>(Below(4)));
        break;
      default:
        packet.Gtp({1}, static_cast<std::uint8_t>(Below(4)));
        break;
    }
  }

  template <typename AddHeader>
  void AddOfType(Packet& packet, const AddHeader& add_header, std::uint32_t inside) {
    const std::uint16_t type = std::array<std::uint16_t, 3>{0x0800, 0x86dd, 0x6558}[Below(3)];
    add_header(type);
    if (type == 0x6558) {
      AddEthernet(packet, inside);
    } else {
      AddIp(packet, type == 0x0800, inside);
    }
  }

  void AddEthernet(Packet& packet, std::uint32_t inside) {
    Packet inner;
    AddTagsAndIp(inner, inside);
    packet.Inner(inner);
  }

  void AddMpls(Packet& packet, std::uint32_t inside) {
    if (Below(3) == 0) {
      packet.Mpls(kEthernetLabels).Raw({0, 0, 0, 1});
      return AddEthernet(packet, inside);
    }
    packet.Mpls(static_cast<int>(1 + Below(kEthernetLabels - 1)));
    AddIp(packet, Below(2) == 0, inside);
  }

  std::mt19937_64 random_{17};
};

std::string WritePcap(const std::vector<Bytes>& packets) {
  const std::string path =
      ::testing::TempDir() + "packet_parser_" + std::to_string(getpid()) + ".pcap";
  std::ofstream file(path, std::ios::binary);
  const auto words = [&](std::initializer_list<std::uint32_t> values) {
    for (const std::uint32_t value : values) {
      file.write(reinterpret_cast<const char*>(&value), sizeof(value));
    }
  };
  words({0xa1b2c3d4, 0x00040002, 0, 0, 262144, 1});
  for (const Bytes& bytes : packets) {
    const auto size = static_cast<std::uint32_t>(bytes.size());
    words({1, 0, size, size});
    file.write(reinterpret_cast<const char*>(bytes.data()), size);
  }
  return path;
}

TEST(PacketParserAndTshark, AgreeOnEveryFieldOfMadeTunnels) {
  if (!HasTshark()) GTEST_SKIP() << "SKIPPED: tshark is missing";
  RandomStacks stacks;
  std::vector<Bytes> packets;
  for (int i = 0; i < 4000; ++i) packets.push_back(stacks.Next().bytes());
  const std::string path = WritePcap(packets);
  const std::vector<Frame> frames = RunTshark(path);
  std::filesystem::remove(path);
  ASSERT_EQ(frames.size(), packets.size());
  std::array<int, kLayersMax + 1> by_layers{};
  std::map<std::string, int> seen;
  for (std::size_t i = 0; i < packets.size(); ++i) {
    const ParsedPacket packet = ParsePacket(packets[i]);
    ++by_layers[packet.count];
    const Values values = ValuesOf(packet);
    for (const char* field : kFields) {
      EXPECT_EQ(ValueOf(values, field), ValueOf(frames[i].values, field))
          << field << " of packet " << i + 1 << ", " << frames[i].protocols;
      seen[field] += values.contains(field);
    }
  }
  // Not vacuous: every depth, and every field that these packets can have.
  for (std::uint32_t layers = 1; layers <= kLayersMax; ++layers) EXPECT_GT(by_layers[layers], 500);
  for (const char* field : kFields) {
    if (std::strncmp(field, "dccp", 4) != 0) {
      EXPECT_GT(seen[field], 100) << field;
    }
  }
}

// ---- The corpus ---------------------------------------------------------------------------------

std::vector<Bytes> ReadMicrosecondPcap(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  std::vector<Bytes> packets;
  for (std::size_t at = 24; at + 16 <= content.size();) {
    std::uint32_t size;
    std::memcpy(&size, content.data() + at + 8, sizeof(size));
    packets.emplace_back(content.begin() + static_cast<std::ptrdiff_t>(at + 16),
                         content.begin() + static_cast<std::ptrdiff_t>(at + 16 + size));
    at += 16 + size;
  }
  return packets;
}

// Why tshark's answer is no judge of ours for a packet; empty: it is one.
std::string DiffersByDefinition(const Frame& frame, const Bytes& packet) {
  constexpr std::size_t kIpv6HeaderEnd = 54;
  const auto has = [&](const char* part) {
    return frame.protocols.find(part) != std::string::npos;
  };
  if (frame.malformed) return "tshark gives up on, or believes, headers with faults";
  if (has(":icmp:ip:") || has(":icmpv6:ipv6:")) return "an ICMP error's quote is no layer";
  if (has(":pim:ip:") || has(":pim:ipv6:")) return "PIM is no tunnel that we look into";
  if (has(":erspan:")) return "ERSPAN is no tunnel that we look into";
  if (has(":macsec:")) return "MACsec is no tag that we look behind";
  if (has(":nsh:")) return "NSH is no tunnel that we look into";
  if (has(":sflow:")) return "an sFlow sample is no layer";
  if (has(":ieee8021ad:")) return "tshark has another field for the id of an 802.1ad tag";
  if (has(":ipv6:") && packet.size() < kIpv6HeaderEnd) return "tshark shows parts of a cut header";
  return "";
}

// In packets that were cut these are what the headers claim.
bool IsLength(const std::string& field) { return field == "tcp.len" || field == "udp.length"; }

TEST(PacketParserAndTshark, AgreeOnTheCorpusWhereTheyMeanTheSame) {
  const std::string corpus = EDGECAP_SOURCE_DIR "/../shared/corpus/tcpdump-ether.pcap";
  if (!HasTshark()) GTEST_SKIP() << "SKIPPED: tshark is missing";
  if (!std::filesystem::exists(corpus)) GTEST_SKIP() << "SKIPPED: missing " << corpus;
  const std::vector<Bytes> packets = ReadMicrosecondPcap(corpus);
  const std::vector<Frame> frames = RunTshark(corpus);
  ASSERT_EQ(frames.size(), packets.size());
  std::map<std::string, int> left_out;
  int compared = 0;
  int inner = 0;
  for (std::size_t i = 0; i < packets.size(); ++i) {
    if (const std::string reason = DiffersByDefinition(frames[i], packets[i]); !reason.empty()) {
      ++left_out[reason];
      continue;
    }
    const ParsedPacket packet = ParsePacket(packets[i]);
    ++compared;
    inner += packet.count > 1;
    const Values values = ValuesOf(packet);
    for (const char* field : kFields) {
      if (IsLength(field)) continue;
      EXPECT_EQ(ValueOf(values, field), ValueOf(frames[i].values, field))
          << field << " of packet " << i + 1 << ", " << frames[i].protocols;
    }
  }
  for (const auto& [reason, count] : left_out) {
    std::printf("left out %4d: %s\n", count, reason.c_str());
  }
  EXPECT_GT(compared, 3500);
  EXPECT_GT(inner, 40);
}

}  // namespace
}  // namespace edgecap::filter
