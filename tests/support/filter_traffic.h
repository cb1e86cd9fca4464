// SPDX-License-Identifier: Apache-2.0
//
// Packets and filters made of choices: packets with tags, tunnels in tunnels, fragments, extension
// headers and faults, from few values, so that they have much in common; filters of every field,
// with values taken from packets, so that a good share matches. Who chooses is the caller: a random
// number generator with a seed, or a fuzzer's input.
//
// Threading: values.

#pragma once

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "filter/filter_spec.h"
#include "tests/support/filter_definition.h"

namespace edgecap::testing {

// Makes choices.
class Chooser {
 public:
  virtual ~Chooser() = default;

  // 0 to end - 1. REQUIRES: end > 0.
  virtual std::uint32_t Below(std::uint32_t end) = 0;

  // Not so where all that is chosen is zero: no loop goes on for ever at a fuzzer's end of input.
  bool OneIn(std::uint32_t many) { return Below(many) == many - 1; }

  template <typename T>
  const T& Of(const std::vector<T>& values) {
    return values[Below(static_cast<std::uint32_t>(values.size()))];
  }
  template <typename T>
  const T& Of(std::vector<T>&&) = delete;
  template <typename T>
  T Of(std::initializer_list<T> values) {
    return values.begin()[Below(static_cast<std::uint32_t>(values.size()))];
  }
};

inline constexpr std::array kTestAddresses = {
    "10.0.0.1",    "10.0.0.2",    "10.1.0.1",      "192.168.7.9", "203.0.113.5",
    "2001:db8::1", "2001:db8::2", "2001:db8:1::1", "fe80::1",     "ff02::fb"};
inline constexpr std::size_t kTestAddressesOfV4 = 5;

// ---- Packets ------------------------------------------------------------------------------------

class PacketMaker {
 public:
  explicit PacketMaker(Chooser& choose) : choose_(choose) {}

  Bytes Make() {
    bytes_.clear();
    depth_ = 0;
    Ethernet();
    if (choose_.OneIn(8) && bytes_.size() < 60) bytes_.resize(60);  // a card's padding
    if (choose_.OneIn(12)) bytes_[choose_.Below(Size())] = Byte();
    if (choose_.OneIn(10)) bytes_.resize(choose_.Below(Size() + 1));
    return bytes_;
  }

 private:
  static constexpr int kDepthMax = 5;  // one more than the parser looks at, and then one

  std::uint32_t Size() const { return static_cast<std::uint32_t>(bytes_.size()); }
  std::uint8_t Byte() { return static_cast<std::uint8_t>(choose_.Below(256)); }
  void Put(std::initializer_list<std::uint32_t> bytes) {
    for (const std::uint32_t byte : bytes) bytes_.push_back(static_cast<std::uint8_t>(byte));
  }
  void Put16(std::uint32_t word) { Put({word >> 8, word}); }
  void Zeros(std::size_t count) { bytes_.insert(bytes_.end(), count, 0); }

  void Ethernet() {
    Put({2, 0, 0, 0, 0, choose_.Below(3)});
    Put({2, 0, 0, 0, 0, choose_.Below(3)});
    std::uint32_t tags = choose_.OneIn(3) ? choose_.Below(3) : 0;
    if (choose_.OneIn(60)) tags = choose_.Of({8U, 9U});
    for (; tags != 0; --tags) {
      Put16(choose_.Of({0x8100U, 0x8100U, 0x88a8U, 0x9100U, 0x9200U}));
      Put16(choose_.Of({1U, 7U, 100U, 4095U}) + (choose_.OneIn(2) ? 0xe000 : 0));
    }
    switch (choose_.Below(24)) {
      case 0:
        Put16(0x0806);
        return Zeros(28);
      case 1:
        Put16(38);  // 802.3
        return Put({0x42, 0x42, 3, 0, 0, 0});
      case 2:
        return Put16(choose_.Of({0x88ccU, 0x8809U, 0x8863U, 0x0600U, 0xffffU}));
      case 3:
      case 4:
        Put16(choose_.Of({0x8847U, 0x8848U}));
        return Mpls();
      default: {
        const bool v6 = choose_.OneIn(3);
        Put16(v6 != choose_.OneIn(60) ? 0x86dd : 0x0800);
        return Ip(v6);
      }
    }
  }

  void Ip(bool v6) {
    if (++depth_ > kDepthMax) return Text();
    v6 ? Ipv6() : Ipv4();
    --depth_;
  }

  void Address(bool v6) {
    const std::uint32_t count =
        v6 ? kTestAddresses.size() - kTestAddressesOfV4 : kTestAddressesOfV4;
    std::uint8_t address[16];
    inet_pton(v6 ? AF_INET6 : AF_INET,
              kTestAddresses[(v6 ? kTestAddressesOfV4 : 0) + choose_.Below(count)], address);
    const int bytes = v6 ? 16 : 4;
    if (choose_.OneIn(8)) address[choose_.Below(static_cast<std::uint32_t>(bytes))] = Byte();
    bytes_.insert(bytes_.end(), address, address + bytes);
  }

  std::uint32_t DscpAndEcn() { return choose_.Of({0U, 0U, 46U, 10U, 63U}) << 2 | choose_.Below(4); }

  std::uint8_t Protocol(bool v6) {
    if (depth_ < kDepthMax && choose_.OneIn(3)) {
      return choose_.Of<std::uint8_t>({4, 41, 47, 47, 137});
    }
    if (choose_.OneIn(7)) return v6 != choose_.OneIn(8) ? 58 : 1;
    return choose_.Of<std::uint8_t>({6, 6, 6, 17, 17, 17, 132, 33, 136, 50, 59, 89});
  }

  // The 16 bits at `place` say how many bytes there are behind `begin`; or something else.
  void SetLength(std::size_t place, std::size_t begin) {
    std::size_t length = bytes_.size() - begin;
    if (choose_.OneIn(10)) length = choose_.Of<std::size_t>({0, 1, length / 2, length + 3, 65535});
    bytes_[place] = static_cast<std::uint8_t>(length >> 8);
    bytes_[place + 1] = static_cast<std::uint8_t>(length);
  }

  void Ipv4() {
    const std::size_t begin = bytes_.size();
    const std::uint32_t options = choose_.OneIn(8) ? choose_.Below(11) : 0;
    Put({0x45 + options, DscpAndEcn(), 0, 0, 0, 1});
    std::uint32_t fragment = choose_.OneIn(3) ? 0x4000 : 0;
    if (choose_.OneIn(8)) fragment = choose_.Of({0x2000U, 0x2003U, 0x0001U, 0x1fffU});
    Put16(fragment);
    const std::uint8_t protocol = Protocol(false);
    Put({64, protocol, 0, 0});
    Address(false);
    Address(false);
    Zeros(options * 4);
    Transport(protocol);
    SetLength(begin + 2, begin);
  }

  void Ipv6() {
    const std::size_t begin = bytes_.size();
    const std::uint32_t traffic_class = DscpAndEcn();
    Put({0x60 | traffic_class >> 4, (traffic_class & 15) << 4, 0, 0, 0, 0});
    std::size_t next_header = bytes_.size();
    Put({0, 64});
    Address(true);
    Address(true);
    std::uint32_t extensions = choose_.OneIn(3) ? 1 + choose_.Below(3) : 0;
    if (choose_.OneIn(100)) extensions = choose_.Of({16U, 17U});
    for (; extensions != 0; --extensions) {
      const std::uint8_t kind = choose_.Of<std::uint8_t>({0, 43, 44, 44, 51, 60, 135, 139, 140});
      bytes_[next_header] = kind;
      next_header = bytes_.size();
      const std::uint32_t more = choose_.Below(2);
      switch (kind) {
        case 44:
          Put({0, Byte()});
          Put16(choose_.Of({0U, 1U, 9U, 8U}));
          Zeros(4);
          break;
        case 51:
          Put({0, 1 + more});
          Zeros(10 + more * 4);
          break;
        default:
          Put({0, choose_.OneIn(40) ? 255 : more});
          Zeros(6 + more * 8);
      }
    }
    const std::uint8_t protocol = Protocol(true);
    bytes_[next_header] = protocol;
    Transport(protocol);
    SetLength(begin + 4, begin + 40);
  }

  std::uint32_t Port() { return choose_.Of({0U, 53U, 80U, 443U, 1024U, 5000U, 65535U}); }

  void Transport(std::uint8_t protocol) {
    switch (protocol) {
      case 6:
        return Tcp();
      case 17:
        return Udp();
      case 33:
        Put16(Port());
        Put16(Port());
        Put({choose_.Of({3U, 4U, 0U, 200U}), 0, 0, 0, 0, 0, 0, 0});
        return Text();
      case 132:
        Put16(Port());
        Put16(Port());
        Zeros(8);
        return Text();
      case 136:
        Put16(Port());
        Put16(Port());
        Zeros(4);
        return Text();
      case 1:
      case 58:
        Put({choose_.Of({0U, 3U, 8U, 128U, 135U}), choose_.Below(4), 0, 0, 0, 0, 0, 0});
        return Text();
      case 4:
        return Ip(false);
      case 41:
        return Ip(true);
      case 47:
        return Gre();
      case 137:
        return Mpls();
      default:
        return Text();
    }
  }

  void Tcp() {
    Put16(Port());
    Put16(Port());
    Zeros(8);
    const std::uint32_t options = choose_.OneIn(4) ? choose_.Below(11) : 0;
    const std::uint32_t flags = choose_.Of({0x02U, 0x12U, 0x10U, 0x18U, 0x11U, 0x04U, 0xc2U});
    Put({(choose_.OneIn(20) ? 0 : 5 + options) << 4, flags, 255, 255, 0, 0, 0, 0});
    Zeros(options * 4);
    Text();
  }

  void Udp() {
    const std::uint32_t tunnel =
        choose_.OneIn(2) ? choose_.Of({4789U, 4789U, 6081U, 2152U, 6635U}) : 0;
    Put16(Port());
    Put16(tunnel != 0 ? tunnel : Port());
    Zeros(4);
    switch (tunnel) {
      case 4789:
        Put({choose_.OneIn(12) ? 0U : 8U, 0, 0, 0, 0, 0, choose_.Below(4), 0});
        return InnerEthernet();
      case 6081: {
        const std::uint32_t options = choose_.OneIn(3) ? choose_.Below(4) : 0;
        Put({options | (choose_.OneIn(20) ? 0x40U : 0U), 0});
        const std::uint32_t type = TunnelType();
        Put16(type);
        Zeros(4 + options * 4);
        return OfType(type);
      }
      case 2152:
        return Gtp();
      case 6635:
        return Mpls();
      default:
        return Text();
    }
  }

  void InnerEthernet() {
    if (depth_ < kDepthMax) return Ethernet();
    Text();
  }

  std::uint32_t TunnelType() {
    return choose_.Of({0x0800U, 0x86ddU, 0x6558U, 0x6558U, 0x8847U, 0x8848U, 0x88beU});
  }

  void OfType(std::uint32_t type) {
    switch (type) {
      case 0x0800:
        return Ip(false);
      case 0x86dd:
        return Ip(true);
      case 0x6558:
        return InnerEthernet();
      case 0x8847:
      case 0x8848:
        return Mpls();
      default:
        return Text();
    }
  }

  void Gre() {
    std::uint32_t flags = choose_.OneIn(2) ? choose_.Below(8) : 0;
    flags = (flags & 4) << 13 | (flags & 2) << 12 | (flags & 1) << 12;
    std::size_t options = ((flags >> 15) & 1) + ((flags >> 13) & 1) + ((flags >> 12) & 1);
    if (choose_.OneIn(20)) flags |= choose_.Of({0x4000U, 1U});
    Put16(flags);
    const std::uint32_t type = TunnelType();
    Put16(type);
    Zeros(options * 4);
    OfType(type);
  }

  void Mpls() {
    std::uint32_t labels = choose_.OneIn(40) ? choose_.Of({16U, 17U}) : 1 + choose_.Below(3);
    for (; labels != 0; --labels) Put({0, 1, labels == 1 ? 0x11U : 0x10U, 64});
    switch (choose_.Below(4)) {
      case 0:
        return Ip(true);
      case 1:
        Zeros(4);
        return InnerEthernet();
      default:
        return Ip(false);
    }
  }

  void Gtp() {
    const std::uint32_t flags = choose_.OneIn(2) ? choose_.Below(8) : 0;
    const std::uint32_t version = choose_.OneIn(20) ? choose_.Of({0U, 2U, 5U}) : 3;
    Put({version << 4 | flags, choose_.OneIn(12) ? 1U : 255U, 0, 0, 0, 0, 0, 1});
    if (flags != 0) {
      std::uint32_t extensions = (flags & 4) != 0 ? choose_.Below(3) : 0;
      if (extensions != 0 && choose_.OneIn(20)) extensions = choose_.Of({16U, 17U});
      Put({0, 1, 0, extensions != 0 ? 0x85U : 0U});
      for (; extensions != 0; --extensions) {
        Put({choose_.OneIn(40) ? 0U : 1U, 0, 0, extensions > 1 ? 0x85U : 0U});
      }
    }
    Ip(choose_.OneIn(3));
  }

  // What payload expressions look for.
  void Text() {
    for (std::uint32_t words = choose_.Below(5); words != 0; --words) {
      const std::string word = choose_.Of({"GET ", "get", "\x16\x03\x01", "host", "aaab", "\n"});
      bytes_.insert(bytes_.end(), word.begin(), word.end());
    }
  }

  Chooser& choose_;
  Bytes bytes_;
  int depth_ = 0;
};

// ---- Filters ------------------------------------------------------------------------------------

class FilterMaker {
 public:
  struct Options {
    bool bpf = true;
    bool payload = true;
    bool plain =
        false;  // only what has a short way: prefixes, ports, protocols, of the outer layer
    std::vector<std::string> port_names;
    bool local_known = false;  // the context has local prefixes
  };

  FilterMaker(Chooser& choose, Options options) : choose_(choose), options_(std::move(options)) {}

  // A valid filter with fields that `packet` has, mostly with its values.
  filter::FilterSpec Make(const SeenPacket& packet) {
    filter::FilterSpec spec;
    std::uint32_t number = 0;
    if (packet.layers.size() > 1 && !options_.plain && choose_.OneIn(2)) {
      number = 1 + choose_.Below(static_cast<std::uint32_t>(packet.layers.size()) - 1);
    }
    if (number != 0 || (!options_.plain && choose_.OneIn(12)))
      Set(spec, "layer", choose_.Of({"inner", "inner", "any"}));
    const LayerDefinition& layer = packet.layers[number];
    // Some fields the layer does not have, and some contradict those before.
    std::uint32_t fields = choose_.OneIn(30) ? 0 : 1 + choose_.Below(choose_.OneIn(4) ? 5 : 3);
    for (std::uint32_t tries = 12; tries != 0 && fields != 0; --tries) {
      const filter::FilterSpec before = spec;
      SetField(spec, packet, layer);
      if (spec == before) continue;
      if (spec.Validate().ok()) {
        --fields;
      } else {
        spec = before;
      }
    }
    return spec;
  }

 private:
  static void Set(filter::FilterSpec& spec, const char* field, const std::string& text) {
    const absl::Status status = spec.Set(field, text);
    EDGECAP_CHECK(status.ok());
  }

  // Of addresses and ports rather often.
  void SetField(filter::FilterSpec& spec, const SeenPacket& packet, const LayerDefinition& layer) {
    switch (choose_.Below(options_.plain ? 15 : 32)) {
      case 0:
      case 1:
      case 2:
        return SetAddresses(spec, "source_address", layer.source);
      case 3:
      case 4:
      case 5:
        return SetAddresses(spec, "destination_address", layer.destination);
      case 6:
        return SetAddresses(spec, "address", choose_.OneIn(2) ? layer.source : layer.destination);
      case 7:
      case 8:
        return SetNumbers(spec, "source_port", layer.source_port, 65535);
      case 9:
      case 10:
      case 11:
        return SetNumbers(spec, "destination_port", layer.destination_port, 65535);
      case 12:
        return SetNumbers(spec, "port",
                          choose_.OneIn(2) ? layer.source_port : layer.destination_port, 65535);
      case 13:
      case 14:
        return SetNumbers(spec, "protocol", layer.protocol, 255);
      case 15:
        return SetEnds(spec, layer);
      case 16:
        return SetEnds(spec, layer);
      case 17:
        return SetNumbers(spec, "vlan", layer.vlan, 4095);
      case 18:
        return SetFlags(spec, layer);
      case 19:
      case 29:
        return SetNumbers(spec, "icmp_type", layer.icmp_type, 255);
      case 20:
      case 30:
        return SetNumbers(spec, "icmp_code", layer.icmp_code, 255);
      case 21:
        if (layer.ip_version) Set(spec, "ip_version", choose_.Of({"4", "6", "4;6"}));
        return;
      case 22:
        return SetNumbers(spec, "dscp", layer.dscp, 63);
      case 23:
        return SetNumbers(spec, "length", std::min(packet.wire_bytes, 65535U), 65535);
      case 24:
        if (layer.fragment) Set(spec, "fragment", choose_.Of({"no", "first", "later", "yes"}));
        return;
      case 25:
        return SetNumbers(spec, "ether_type", layer.ether_type, 65535);
      case 26:
        if (options_.port_names.empty()) return;
        return Set(spec, "port_name",
                   choose_.Of(options_.port_names) +
                       (choose_.OneIn(3) ? ";" + choose_.Of(options_.port_names) : ""));
      case 27:
        if (options_.bpf) SetBpf(spec);
        return;
      case 28:
        if (options_.payload) SetPayload(spec);
        return;
      default:
        return;
    }
  }

  // ---- Addresses -------------------------------------------------------------------------------

  static std::string Text(const Bytes& address) {
    char text[INET6_ADDRSTRLEN];
    inet_ntop(address.size() == 4 ? AF_INET : AF_INET6, address.data(), text, sizeof(text));
    return text;
  }

  std::string AddressText(const Bytes& address) {
    const auto bits = static_cast<std::uint32_t>(address.size() * 8);
    switch (options_.plain ? 3 : choose_.Below(4)) {
      case 0:
        return Text(address);
      case 1: {  // a range around it
        Bytes first = address;
        Bytes last = address;
        const std::uint32_t at = choose_.Below(static_cast<std::uint32_t>(address.size()));
        first[at] -=
            static_cast<std::uint8_t>(std::min<std::uint32_t>(first[at], choose_.Below(9)));
        last[at] +=
            static_cast<std::uint8_t>(std::min<std::uint32_t>(255U - last[at], choose_.Below(9)));
        return Text(first) + "-" + Text(last);
      }
      default: {
        const std::uint32_t length =
            choose_.OneIn(3) ? choose_.Below(bits + 1) : choose_.Of({bits, bits / 2, bits - 1, 0U});
        Bytes network = address;
        for (std::uint32_t bit = length; bit < bits; ++bit) {
          network[bit / 8] &= static_cast<std::uint8_t>(~(0x80 >> bit % 8));
        }
        return Text(network) + "/" + std::to_string(length);
      }
    }
  }

  Bytes OtherAddress() {
    const std::uint32_t which = choose_.Below(kTestAddresses.size());
    Bytes address(which < kTestAddressesOfV4 ? 4 : 16);
    inet_pton(which < kTestAddressesOfV4 ? AF_INET : AF_INET6, kTestAddresses[which],
              address.data());
    return address;
  }

  void SetAddresses(filter::FilterSpec& spec, const char* field, const Bytes& address) {
    if (address.empty()) return;
    std::string text = AddressText(choose_.OneIn(10) ? OtherAddress() : address);
    while (!options_.plain && choose_.OneIn(4)) text += ";" + AddressText(OtherAddress());
    Set(spec, field, text);
  }

  // ---- Numbers ---------------------------------------------------------------------------------

  std::string NumberText(std::uint32_t number, std::uint32_t max) {
    const std::uint32_t first = number - std::min(number, choose_.Below(300));
    const std::uint32_t last = std::min(max, number + choose_.Below(300));
    switch (options_.plain && max < 65535 ? 2 : choose_.Below(4)) {
      case 0:
        return std::to_string(first) + "-" + std::to_string(last);
      case 1:
        return choose_.OneIn(4) ? "0-" + std::to_string(max) : std::to_string(number);
      default:
        return std::to_string(number);
    }
  }

  void SetNumbers(filter::FilterSpec& spec, const char* field, const Number& number,
                  std::uint32_t max) {
    if (!number) return;
    std::string text = NumberText(choose_.OneIn(10) ? choose_.Below(max + 1) : *number, max);
    while (!options_.plain && choose_.OneIn(4))
      text += ";" + NumberText(choose_.Below(max + 1), max);
    Set(spec, field, text);
  }

  void SetFlags(filter::FilterSpec& spec, const LayerDefinition& layer) {
    if (!layer.tcp_flags) return;
    const std::uint32_t mask = 1 + choose_.Below(255);
    std::string text = std::to_string(*layer.tcp_flags & mask) + "/" + std::to_string(mask);
    if (choose_.OneIn(3)) text += choose_.Of({";syn,!ack", ";rst", ";fin,ack", ";!psh,urg"});
    Set(spec, "tcp_flags", choose_.OneIn(3) ? choose_.Of({"syn", "syn,!ack", "ack;rst"}) : text);
  }

  // ---- Local and remote ------------------------------------------------------------------------

  void SetEnds(filter::FilterSpec& spec, const LayerDefinition& layer) {
    if (layer.source.empty()) return;
    const bool out = choose_.OneIn(2);
    const Bytes& local = out ? layer.source : layer.destination;
    const Bytes& remote = out ? layer.destination : layer.source;
    // Without local prefixes nothing is known without local_address.
    if (!options_.local_known || choose_.OneIn(2)) SetAddresses(spec, "local_address", local);
    if (choose_.OneIn(3)) SetAddresses(spec, "remote_address", remote);
    if (choose_.OneIn(3)) {
      SetNumbers(spec, "local_port", out ? layer.source_port : layer.destination_port, 65535);
    }
    if (choose_.OneIn(3)) {
      SetNumbers(spec, "remote_port", out ? layer.destination_port : layer.source_port, 65535);
    }
    if (options_.local_known && choose_.OneIn(2)) Set(spec, "direction", choose_.Of({"in", "out"}));
  }

  // ---- Expressions -----------------------------------------------------------------------------

  void SetBpf(filter::FilterSpec& spec) {
    Set(spec, "bpf",
        choose_.Of({"tcp", "ip6", "port 443", "host 10.0.0.1", "vlan and ip", "greater 80",
                    "net 10.0.0.0/8 and not udp", "ip[8] = 64 and len < 120", "mpls",
                    "tcp[tcpflags] & tcp-syn != 0", "ether[len - 1] & 1 = 0",
                    "udp dst portrange 4000-7000", "icmp or icmp6"}));
  }

  void SetPayload(filter::FilterSpec& spec) {
    for (std::uint32_t count = 1 + choose_.Below(2); count != 0; --count) {
      Set(spec, "payload",
          choose_.Of({"GET", "(?i)get", "^GET", "\\x16\\x03[\\x00-\\x03]", "a{3,}b", "host$",
                      "(GET|host).*aaab", "(?s)host.+GET"}));
    }
  }

  Chooser& choose_;
  const Options options_;
};

}  // namespace edgecap::testing
