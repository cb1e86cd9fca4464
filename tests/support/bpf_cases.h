// SPDX-License-Identifier: Apache-2.0
//
// What the BPF compilers are tried on, and the judge: expressions from all over the language of
// pcap-filter(7), random programs of every instruction, packets of all kinds, whole, cut off and in
// pieces, and libpcap's own bpf_filter().
//
// Threading: values; a generator belongs to one thread.

#pragma once

#include <pcap/pcap.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "filter/bpf_instruction.h"
#include "tests/support/guarded_burst.h"

namespace edgecap::testing {

struct BpfPacket {
  std::vector<std::uint8_t> bytes;
  std::uint32_t wire_bytes = 0;
};

// The judge.
class BpfReference {
 public:
  explicit BpfReference(std::span<const filter::BpfInstruction> instructions) {
    for (const filter::BpfInstruction& i : instructions) {
      program_.push_back({i.code, i.jump_true, i.jump_false, i.k});
    }
  }

  [[nodiscard]] bool Matches(const BpfPacket& packet) const {
    static constexpr std::uint8_t kNothing[1] = {};
    return bpf_filter(program_.data(), packet.bytes.empty() ? kNothing : packet.bytes.data(),
                      packet.wire_bytes, static_cast<unsigned>(packet.bytes.size())) != 0;
  }

 private:
  std::vector<bpf_insn> program_;
};

inline const std::vector<const char*>& BpfExpressions() {
  static const std::vector<const char*> expressions = {
      // Protocols.
      "ip",
      "ip6",
      "arp",
      "rarp",
      "tcp",
      "udp",
      "sctp",
      "icmp",
      "icmp6",
      "igmp",
      "igrp",
      "pim",
      "ah",
      "esp",
      "vrrp",
      "carp",
      "atalk",
      "aarp",
      "decnet",
      "iso",
      "stp",
      "ipx",
      "netbeui",
      "lat",
      "moprc",
      "mopdl",
      "clnp",
      "esis",
      "isis",
      "l1",
      "l2",
      "iih",
      "lsp",
      "snp",
      "csnp",
      "psnp",
      "ether proto 0x88cc",
      "ether proto \\arp",
      "ether proto 0x0800",
      "ether proto 60",
      "ip proto 47",
      "ip proto \\tcp",
      "ip6 proto 58",
      "ip6 proto \\udp",
      "proto 17",
      "proto \\sctp",
      // Ethernet addresses.
      "ether host 02:00:00:00:00:01",
      "ether src 02:00:00:00:00:01",
      "ether dst 02:00:00:00:00:02",
      "ether host 1:2:3:4:5:6",
      "ether broadcast",
      "ether multicast",
      "broadcast",
      "multicast",
      "not ether multicast",
      "ether src 02:00:00:00:00:02 or ether dst ff:ff:ff:ff:ff:ff",
      "ip multicast",
      "ip6 multicast",
      // Hosts and networks.
      "host 10.1.2.3",
      "src host 10.1.2.3",
      "dst host 10.1.2.3",
      "src 10.1.2.3",
      "dst 10.1.2.3",
      "src or dst host 10.1.2.3",
      "src and dst host 10.1.2.3",
      "ip host 10.1.2.3",
      "arp host 10.1.2.3",
      "rarp host 10.1.2.3",
      "arp src host 10.1.2.3",
      "host 10.1.2.3 or 10.1.2.4",
      "host 2001:db8::1",
      "src host 2001:db8::1",
      "dst host 2001:db8::2",
      "ip6 host 2001:db8::1",
      "net 10",
      "net 10.1",
      "net 10.1.2",
      "src net 10.0.0.0/8",
      "dst net 10.1.2.0/24",
      "net 10.1.2.0 mask 255.255.255.0",
      "net 192.168.0.0/16",
      "net 0.0.0.0/0",
      "net 10.1.2.0/30",
      "net 2001:db8::/32",
      "src net 2001:db8::/33",
      "dst net 2001:db8::/127",
      "ip net 10.1",
      "arp net 10.1",
      "host 10.1.2.3 and not host 10.1.2.4",
      "not net 10.0.0.0/8",
      // Ports.
      "port 80",
      "src port 80",
      "dst port 80",
      "tcp port 80",
      "tcp src port 80",
      "tcp dst port 80",
      "udp port 53",
      "udp src port 53",
      "sctp port 80",
      "tcp port 80 or udp port 53",
      "port 80 or 443 or 53",
      "portrange 50-100",
      "tcp portrange 1-1024",
      "src portrange 80-443",
      "udp dst portrange 53-53",
      "tcp portrange 443-80",
      "src or dst port 53",
      "src and dst port 80",
      "ip6 and tcp port 80",
      "ip and udp port 53",
      "tcp port 80 and host 10.1.2.3",
      "host 10.1.2.3 and port 443",
      "not port 22",
      "not tcp port 80 and not udp port 53",
      "tcp and not port 80",
      "(tcp or udp) and (port 80 or port 53)",
      "src host 10.1.2.3 and dst port 443",
      "net 10.1.2.0/24 and (tcp port 80 or udp port 53)",
      // Lengths.
      "less 60",
      "greater 100",
      "len > 60",
      "len <= 64",
      "len = 60",
      "len != 60",
      "len - 14 = 46",
      "len & 1 = 0",
      "len / 2 > 40",
      "less 1000 and greater 70",
      // Bytes.
      "ether[0] & 1 = 1",
      "ether[0] & 1 != 0",
      "ether[12:2] = 0x800",
      "ether[12:2] > 1500",
      "ether[6:4] = 0x02000000",
      "ether[59] = 0",
      "ether[60] = 0",
      "ether[100:4] != 0",
      "ether[1000] = 1",
      "ether[len - 1] = 0",
      "ether[len - 2:2] = 0",
      "ether[len - 4:4] > 5",
      "ether[len:1] = 0",
      "ip[0] & 0xf != 5",
      "ip[0] = 0x45",
      "ip[8] < 64",
      "ip[2:2] > 100",
      "ip[6:2] & 0x1fff = 0",
      "ip[6:2] & 0x4000 != 0",
      "ip[12:4] = 0x0a010203",
      "ip[16:4] & 0xffff0000 = 0x0a010000",
      "ip[1] & 0xfc >> 2 = 46",
      "ip6[6] = 6",
      "ip6[7] > 32",
      "ip6[40] = 0",
      "tcp[13] = 2",
      "tcp[13] & 2 != 0",
      "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
      "tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn",
      "tcp[tcpflags] == tcp-syn|tcp-ack",
      "tcp[tcpflags] & tcp-rst != 0 and port 80",
      "tcp[0:2] = 80",
      "tcp[2:2] > 1024",
      "tcp[20:4] = 0x47455420",
      "tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420",
      "tcp[12] & 0xf0 > 0x50",
      "udp[4:2] > 20",
      "udp[8] = 0",
      "udp[8:4] & 0xffff = 1",
      "icmp[icmptype] = icmp-echo",
      "icmp[icmptype] != icmp-echo and icmp[icmptype] != icmp-echoreply",
      "icmp[icmpcode] = 0",
      "icmp[0] = 8",
      "icmp6[icmp6type] = icmp6-echo",
      "icmp6[icmp6type] = icmp6-neighborsolicit",
      "icmp6[icmp6code] = 0",
      "sctp[0:2] = 80",
      "arp[6:2] = 1",
      "arp[24:4] = 0x0a010203",
      "ip[ip[0] & 0xf] = 5",
      "ip[(ip[0] & 0xf) << 2:2] = 80",
      // Arithmetic.
      "ip[8] + ip[9] > 100",
      "ip[8] - ip[9] > 100",
      "ip[8] * ip[9] > 1000",
      "ip[8] / ip[1] = 1",
      "ip[8] % 7 = 1",
      "ip[8] % ip[1] = 0",
      "ip[8] | ip[9] = 0x46",
      "ip[8] ^ ip[9] = 0x46",
      "ip[8] << 2 > 200",
      "ip[8] >> ip[9] = 0",
      "ip[8] << ip[9] = 0",
      "ip[12:4] >> 8 = 0x0a0102",
      "-ip[8] & 0xff = 192",
      "ip[12:4] - ip[16:4] < 256",
      "(ip[8] + 3) * 2 - ip[9] & 0xff > 9",
      "ip[12:4] < ip[16:4]",
      "ip[12:4] >= ip[16:4]",
      "ip[12:4] & ip[16:4] = 0x0a010202",
      "ether[0:4] ^ ether[6:4] = 0",
      "1 = 1",
      "2 + 3 * 4 = 14",
      "0xffffffff + 1 = 0",
      // Tags and tunnels.
      "vlan",
      "vlan 5",
      "vlan 5 and tcp",
      "vlan and tcp port 80",
      "vlan 5 and vlan 6 and udp port 53",
      "vlan 5 and ip6",
      "not vlan",
      "vlan and not ip",
      "tcp or (vlan and tcp)",
      "vlan and host 10.1.2.3",
      "mpls",
      "mpls 100",
      "mpls 100 and host 10.1.2.3",
      "mpls and mpls and tcp port 80",
      "mpls and ip6",
      "pppoed",
      "pppoes",
      "pppoes 39",
      "pppoes and ip",
      "pppoes 39 and tcp port 80",
      "pppoes and ip6",
      "vlan and pppoes and udp",
      "geneve",
      "geneve 7",
      "geneve and ip",
      "geneve 7 and tcp port 80",
      "geneve and vlan and udp port 53",
      // Chains of headers.
      "ip protochain 6",
      "ip6 protochain 6",
      "ip6 protochain 17 and port 53",
      "protochain 58",
      "ip6 protochain \\tcp",
      "tcp or ip6 protochain 17",
      // LLC and the like.
      "llc",
      "llc i",
      "llc s",
      "llc u",
      "llc ui",
      "llc rr",
      "llc or ip",
      // Words and signs for the same.
      "tcp && port 80",
      "tcp || udp",
      "! tcp",
      "!(tcp || udp)",
      "not (ip or ip6)",
      "ip and (tcp or udp) and not (port 80 or port 53 or net 10.1)",
      "not not not tcp",
      "(((tcp)))",
      "tcp\tand\nport 80",
  };
  return expressions;
}

// Instructions of every kind, jumping forwards at random. Memory words 0 to 3 are written first,
// and only they are read: what others hold, bpf_filter() does not say.
class BpfGenerator {
 public:
  explicit BpfGenerator(std::uint32_t seed) : random_(seed) {}

  static const std::vector<std::uint16_t>& Codes() {
    static const std::vector<std::uint16_t> codes = [] {
      std::vector<std::uint16_t> all = {BPF_LD | BPF_W | BPF_ABS,
                                        BPF_LD | BPF_H | BPF_ABS,
                                        BPF_LD | BPF_B | BPF_ABS,
                                        BPF_LD | BPF_W | BPF_IND,
                                        BPF_LD | BPF_H | BPF_IND,
                                        BPF_LD | BPF_B | BPF_IND,
                                        BPF_LD | BPF_W | BPF_LEN,
                                        BPF_LD | BPF_IMM,
                                        BPF_LD | BPF_MEM,
                                        BPF_LDX | BPF_W | BPF_LEN,
                                        BPF_LDX | BPF_B | BPF_MSH,
                                        BPF_LDX | BPF_IMM,
                                        BPF_LDX | BPF_MEM,
                                        BPF_ST,
                                        BPF_STX,
                                        BPF_ALU | BPF_NEG,
                                        BPF_JMP | BPF_JA,
                                        BPF_RET | BPF_K,
                                        BPF_RET | BPF_A,
                                        BPF_MISC | BPF_TAX,
                                        BPF_MISC | BPF_TXA};
      for (const int source : {BPF_K, BPF_X}) {
        for (const int op : {BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_MOD, BPF_AND, BPF_OR, BPF_XOR,
                             BPF_LSH, BPF_RSH}) {
          all.push_back(static_cast<std::uint16_t>(BPF_ALU | op | source));
        }
        for (const int op : {BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET}) {
          all.push_back(static_cast<std::uint16_t>(BPF_JMP | op | source));
        }
      }
      return all;
    }();
    return codes;
  }

  std::vector<filter::BpfInstruction> Program() {
    std::vector<filter::BpfInstruction> program;
    for (std::uint32_t word = 0; word < kWords; ++word) {
      program.push_back({BPF_LD | BPF_IMM, 0, 0, Constant()});
      program.push_back({BPF_ST, 0, 0, word});
    }
    const std::uint32_t body = 1 + Below(40);
    for (std::uint32_t left = body; left > 0; --left) program.push_back(Step(left));
    program.push_back({BPF_RET | BPF_K, 0, 0, Below(2)});
    program.push_back({BPF_RET | BPF_A, 0, 0, 0});
    return program;
  }

  // Often something that the bytes of a packet hold, and often an edge.
  std::uint32_t Constant() {
    static constexpr std::uint32_t kEdges[] = {
        0,    1,       2,          4,          31,         32,         33,
        0xff, 0x100,   0x800,      0x86dd,     0xfff,      0xffff,     0x8000,
        80,   0x10000, 0x7fffffff, 0x80000000, 0xffffffff, 0x0a010203, 0xfffffffe};
    switch (Below(3)) {
      case 0:
        return kEdges[Below(std::size(kEdges))];
      case 1:
        return Below(256);
      default:
        return static_cast<std::uint32_t>(random_());
    }
  }

  // Packets whose bytes are small numbers mostly, so that offsets made of them stay in the packet.
  BpfPacket RandomPacket() {
    BpfPacket packet;
    packet.bytes.resize(Below(4) == 0 ? Below(20) : Below(160));
    const std::uint32_t most = Below(2) == 0 ? 256 : 24;
    for (std::uint8_t& byte : packet.bytes) byte = static_cast<std::uint8_t>(Below(most));
    packet.wire_bytes =
        static_cast<std::uint32_t>(packet.bytes.size()) + (Below(3) == 0 ? Below(99) : 0);
    return packet;
  }

  // Packets of what the expressions ask for: headers put together at random, then cut or changed.
  BpfPacket LikelyPacket() {
    bytes_ = {2, 0, 0, 0, 0, static_cast<std::uint8_t>(1 + Below(2)),
              2, 0, 0, 0, 0, static_cast<std::uint8_t>(1 + Below(2))};
    if (Below(16) == 0) bytes_[0] = 1;
    if (Below(16) == 0) std::fill_n(bytes_.begin(), 6, std::uint8_t{0xff});
    Ethernet(0);
    while (Below(3) != 0) Append({static_cast<std::uint8_t>(Below(4))});
    if (bytes_.size() < 60 && Below(2) == 0) bytes_.resize(60);
    BpfPacket packet{bytes_, static_cast<std::uint32_t>(bytes_.size())};
    if (Below(4) == 0)
      packet.bytes.resize(Below(static_cast<std::uint32_t>(packet.bytes.size()) + 1));
    for (std::uint32_t i = Below(4) == 0 ? Below(4) : 0; i > 0 && !packet.bytes.empty(); --i) {
      packet.bytes[Below(static_cast<std::uint32_t>(packet.bytes.size()))] =
          static_cast<std::uint8_t>(random_());
    }
    return packet;
  }

  // Sizes of pieces that add up to `bytes`; some of them are empty.
  std::vector<std::size_t> Pieces(std::size_t bytes) {
    std::vector<std::size_t> sizes;
    const std::uint32_t more = Below(5);
    for (std::uint32_t i = 0; i < more; ++i) {
      const std::size_t size = std::min<std::size_t>(bytes, Below(Below(3) == 0 ? 4 : 40));
      sizes.push_back(size);
      bytes -= size;
    }
    sizes.push_back(bytes);
    return sizes;
  }

  std::uint32_t Below(std::size_t end) { return static_cast<std::uint32_t>(random_() % end); }

 private:
  static constexpr std::uint32_t kWords = 4;

  filter::BpfInstruction Step(std::uint32_t left) {
    const std::vector<std::uint16_t>& codes = Codes();
    filter::BpfInstruction step;
    // Loads and comparisons more often than the rest, and returns less.
    do {
      step.code = codes[Below(3) == 0 ? Below(6) : Below(codes.size())];
    } while (BPF_CLASS(step.code) == BPF_RET && Below(4) != 0);
    step.k = Constant();
    const auto jump = [&] { return static_cast<std::uint8_t>(Below(std::min(left, 8U))); };
    switch (BPF_CLASS(step.code)) {
      case BPF_LD:
      case BPF_LDX:
        if (BPF_MODE(step.code) == BPF_MEM) step.k = Below(kWords);
        if ((BPF_MODE(step.code) == BPF_ABS || BPF_MODE(step.code) == BPF_IND ||
             BPF_MODE(step.code) == BPF_MSH) &&
            Below(8) != 0) {
          step.k = Below(64);
        }
        break;
      case BPF_ST:
      case BPF_STX:
        step.k = Below(filter::kBpfMemoryWords);
        break;
      case BPF_ALU:
        if (BPF_SRC(step.code) == BPF_X) break;
        if (BPF_OP(step.code) == BPF_LSH || BPF_OP(step.code) == BPF_RSH) step.k = Below(32);
        if (BPF_OP(step.code) == BPF_DIV || BPF_OP(step.code) == BPF_MOD) step.k |= 1;
        break;
      case BPF_JMP:
        if (step.code == (BPF_JMP | BPF_JA)) {
          step.k = jump();
        } else {
          step.jump_true = jump();
          step.jump_false = jump();
        }
        break;
      default:
        break;
    }
    return step;
  }

  void Append(std::initializer_list<std::uint8_t> bytes) { bytes_.insert(bytes_.end(), bytes); }
  void Word(std::uint32_t word) {
    Append({static_cast<std::uint8_t>(word >> 8), static_cast<std::uint8_t>(word)});
  }

  // From the Ethernet type on.
  void Ethernet(int depth) {
    switch (Below(depth < 3 ? 14 : 6)) {
      case 0:
      case 1:
      case 2:
        Word(0x0800);
        return Ip4(depth);
      case 3:
      case 4:
        Word(0x86dd);
        return Ip6(depth);
      case 5: {
        static constexpr std::uint16_t kTypes[] = {0x0806, 0x8035, 0x88cc, 0x809b,
                                                   0x6003, 60,     0x8863};
        Word(kTypes[Below(std::size(kTypes))]);
        Append({0, 1, 8, 0, 6, 4, 0, static_cast<std::uint8_t>(1 + Below(2)), 2, 0, 0, 0, 0, 1});
        Append({10, 1, 2, 3, 2, 0, 0, 0, 0, 2, 10, 1, 2, 4});
        return;
      }
      case 6:
      case 7:
      case 8:
        Word(Below(4) == 0 ? 0x88a8 : 0x8100);
        Word(5 + Below(2));
        return Ethernet(depth + 1);
      case 9:
      case 10: {
        Word(0x8847);
        std::uint32_t labels = 1 + Below(3);
        while (labels-- > 0) Append({0, 6, static_cast<std::uint8_t>(0x40 | (labels == 0)), 64});
        return Below(3) == 0 ? Ip6(depth) : Ip4(depth);
      }
      case 11:
      case 12: {
        Word(0x8864);
        Append({0x11, 0, 0, static_cast<std::uint8_t>(39 + Below(2)), 0, 40});
        const bool six = Below(3) == 0;
        Word(six ? 0x57 : 0x21);
        return six ? Ip6(depth) : Ip4(depth);
      }
      default: {  // 802.2
        Word(20 + Below(40));
        static constexpr std::uint8_t kLlc[][3] = {{0x42, 0x42, 3}, {0xaa, 0xaa, 3},
                                                   {0xfe, 0xfe, 3}, {0xf0, 0xf0, 0},
                                                   {6, 6, 1},       {0xe0, 0xe0, 3}};
        for (const std::uint8_t byte : kLlc[Below(std::size(kLlc))]) Append({byte});
        Append({0x83, 0x1b, 1, 0, static_cast<std::uint8_t>(15 + Below(13)), 1, 0, 0});
        return;
      }
    }
  }

  void Ip4(int depth) {
    const auto options = static_cast<std::uint8_t>(Below(4) == 0 ? Below(4) : 0);
    const std::uint8_t protocol = Protocol();
    Append({static_cast<std::uint8_t>(0x45 + options), static_cast<std::uint8_t>(Below(3)), 0, 60,
            0, 1});
    Word(Below(6) == 0 ? 0x2001 - Below(2) : 0x4000);
    Append({static_cast<std::uint8_t>(60 + Below(9)), protocol, 0, 0});
    for (int i = 0; i < 2; ++i) {
      Append({10, static_cast<std::uint8_t>(1 + Below(2) / 2), 2,
              static_cast<std::uint8_t>(3 + Below(2))});
    }
    for (std::uint8_t i = 0; i < options; ++i) Append({1, 1, 1, 1});
    Transport(protocol, depth);
  }

  void Ip6(int depth) {
    std::uint8_t protocol = Protocol();
    const std::uint32_t extensions = Below(3) == 0 ? Below(4) : 0;
    Append({0x60, 0, 0, 0, 0, 20, extensions > 0 ? std::uint8_t{0} : protocol, 64});
    for (int i = 0; i < 2; ++i) {
      Append({0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
              static_cast<std::uint8_t>(1 + Below(2))});
    }
    for (std::uint32_t i = 0; i < extensions; ++i) {
      Append({i + 1 < extensions ? std::uint8_t{60} : protocol, 0, 0, 0, 0, 0, 0, 0});
    }
    Transport(protocol, depth);
  }

  std::uint8_t Protocol() {
    static constexpr std::uint8_t kProtocols[] = {6, 6,  6, 6,  17, 17, 17,  132,
                                                  1, 58, 2, 47, 50, 51, 103, 112};
    return kProtocols[Below(std::size(kProtocols))];
  }

  void Transport(std::uint8_t protocol, int depth) {
    static constexpr std::uint16_t kPorts[] = {80, 443, 53, 22, 1025, 60000};
    const bool geneve = protocol == 17 && depth < 2 && Below(3) == 0;
    if (protocol == 6 || protocol == 17 || protocol == 132) {
      Word(kPorts[Below(std::size(kPorts))]);
      Word(geneve ? 6081 : kPorts[Below(std::size(kPorts))]);
    }
    switch (protocol) {
      case 6: {
        static constexpr std::uint8_t kFlags[] = {2, 0x12, 0x10, 0x18, 4, 1, 0x11};
        Append({0, 0, 0, 1, 0, 0, 0, 1, static_cast<std::uint8_t>(0x50 + 0x10 * (Below(3) == 0)),
                kFlags[Below(std::size(kFlags))], 0, 9, 0, 0, 0, 0});
        if (Below(3) == 0) Append({'G', 'E', 'T', ' '});
        break;
      }
      case 17:
        Append({0, static_cast<std::uint8_t>(8 + Below(30)), 0, 0});
        if (geneve) {
          Append({0, 0, 0x65, 0x58, 0, 0, static_cast<std::uint8_t>(6 + Below(2)), 0});
          Append({2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2});
          Ethernet(depth + 1);
        }
        break;
      case 1:
        Append({static_cast<std::uint8_t>(Below(2) * 8), 0, 0, 0});
        break;
      case 58:
        Append({static_cast<std::uint8_t>(128 + Below(10)), 0, 0, 0});
        break;
      case 51:
        Append({6, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 80, 0, 80});
        break;
      default:
        break;
    }
  }

  std::mt19937 random_;
  std::vector<std::uint8_t> bytes_;
};

// The packets of a capture file, or nothing when it is not there. EDGECAP_SHARED names the folder
// beside the project that it lies in.
inline std::optional<std::vector<BpfPacket>> CorpusPackets() {
  const char* shared = std::getenv("EDGECAP_SHARED");
  const std::filesystem::path folder =
      shared != nullptr ? shared
                        : std::filesystem::path(EDGECAP_SOURCE_DIR).parent_path() / "shared";
  char error[PCAP_ERRBUF_SIZE];
  const std::unique_ptr<pcap_t, void (*)(pcap_t*)> file(
      pcap_open_offline((folder / "corpus" / "tcpdump-ether.pcap").c_str(), error), &pcap_close);
  if (file == nullptr) return std::nullopt;
  std::vector<BpfPacket> packets;
  pcap_pkthdr* header = nullptr;
  const u_char* bytes = nullptr;
  while (pcap_next_ex(file.get(), &header, &bytes) == 1) {
    packets.push_back({{bytes, bytes + header->caplen}, header->len});
  }
  return packets;
}

// Packets in bursts, whole or in pieces.
class BpfBursts {
 public:
  // `chop`: says where; null: whole.
  BpfBursts(std::span<const BpfPacket> packets, BpfGenerator* chop) {
    for (std::size_t i = 0; i < packets.size(); ++i) {
      if (i % kBurstPacketsMax == 0) bursts_.emplace_back();
      const BpfPacket& packet = packets[i];
      if (chop == nullptr) {
        bursts_.back().Add(packet.bytes, packet.wire_bytes);
      } else {
        bursts_.back().Add(packet.bytes, chop->Pieces(packet.bytes.size()), packet.wire_bytes);
      }
    }
  }

  [[nodiscard]] const std::deque<GuardedBurst>& all() const { return bursts_; }

 private:
  std::deque<GuardedBurst> bursts_;
};

}  // namespace edgecap::testing
