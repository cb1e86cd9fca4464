// SPDX-License-Identifier: Apache-2.0
//
// Every setting of the daemon as plain structs. A field is declared here with its default; its
// unit (last in the name), range and meaning stand beside it in the one table of
// config/settings.cc, from which the loader, the validator, the reference documentation and the
// tests are made.
//
// Life cycle: filled once by LoadConfig(), validated as a whole, never changed afterwards.
//
// Threading: immutable after loading.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace edgecap::config {

// One DPDK port.
struct PortConfig {
  std::string device;        // "0000:3b:00.0" or a vdev string: "net_pcap0,rx_pcap=/tmp/in.pcap"
  std::string name;          // in statistics; empty: the device up to its first comma
  std::uint32_t queues = 0;  // 0: one for each worker, or as many as the device has
  std::uint32_t rx_descriptors = 1024;
  std::uint32_t mtu = 0;  // 0: the default of the device, usually 1500
};

struct DataplaneConfig {
  std::vector<PortConfig> ports;
  std::vector<std::uint32_t> worker_cores = {0};  // one worker each; a core may be named twice
  std::string hugepages = "auto";                 // "auto", "on", "off"
  std::uint32_t memory_mb = 0;                    // of DPDK; 0: what the ports need
  std::vector<std::string> eal_args;
  std::uint32_t mbufs_per_port = 65536;
  std::uint32_t mbuf_bytes = 2048;          // room for packet bytes in one buffer
  std::uint32_t idle_sleep_us_max = 100;    // 0 never sleeps
  std::vector<std::string> local_prefixes;  // networks that are here; addresses in full
};

struct CaptureConfig {
  std::string directory = "/var/lib/edgecap";
  std::uint64_t block_bytes = 1048576;
  std::uint64_t block_count = 256;
  std::uint32_t flush_interval_ms = 500;
  std::uint32_t writer_threads = 1;
  std::uint64_t reservoir_bytes_max = 1073741824;
  bool sync = true;  // fdatasync before a shard is given its name
};

// What one capture may ask for, and what it gets when it asks for nothing.
struct LimitsConfig {
  std::uint32_t max_running = 64;     // captures at once
  std::uint32_t max_rules = 16384;    // filters of all running captures together
  std::uint32_t max_finished = 1000;  // ended captures that are still listed
  std::uint32_t default_time_limit_s = 300;
  std::uint32_t max_time_limit_s = 86400;
  std::uint32_t simple_snaplen_bytes = 160;
  std::uint64_t simple_packet_limit = 10000;  // of a reservoir
};

struct ControlConfig {
  std::string socket = "/run/edgecap/edgecap.sock";
  std::string socket_group;  // besides root and the daemon's own user; empty: nobody else
  std::uint64_t max_body_bytes = 8388608;
  std::uint32_t max_connections = 64;
};

struct Config {
  std::string machine;  // empty: the host name
  std::string colo;
  DataplaneConfig dataplane;
  CaptureConfig capture;
  LimitsConfig limits;
  ControlConfig control;
};

}  // namespace edgecap::config
