// SPDX-License-Identifier: Apache-2.0
//
// The ledger: the doors by which every packet leaves, as values that control reads. At any quiet
// moment, in packets and in bytes:
//
//   per port     offered  = received + rx_missed + rx_nombuf + rx_errors     (the card's counters)
//   per worker   received = unmatched + matched
//   per job      seen     = filtered_out + matched
//                matched  = sampled_out + over_limit + no_block + captured
//                captured = written + lost_on_disk
//
// Threading: plain values, filled by a reader from the owners' counters.

#pragma once

#include <cstdint>
#include <string>

#include "base/traffic.h"

namespace edgecap {

// What one worker did with what it received.
struct WorkerLedger {
  Traffic received;   // taken from the queues
  Traffic unmatched;  // no job wanted it
  Traffic matched;    // at least one job wanted it

  [[nodiscard]] bool Balances() const noexcept { return received == unmatched + matched; }
};

// What became of the packets that were received while one job ran.
struct JobLedger {
  Traffic seen;          // received while the job ran
  Traffic filtered_out;  // the filter did not want it
  Traffic matched;       // the filter wanted it
  Traffic sampled_out;   // the sampler did not take it
  Traffic over_limit;    // a packet or byte limit was already reached
  Traffic no_block;      // no free block: the writers were too slow
  Traffic captured;      // copied into a block
  Traffic written;       // in the file
  Traffic lost_on_disk;  // the disk refused it; the job carries the disk's error

  JobLedger& operator+=(const JobLedger& other) noexcept {
    seen += other.seen;
    filtered_out += other.filtered_out;
    matched += other.matched;
    sampled_out += other.sampled_out;
    over_limit += other.over_limit;
    no_block += other.no_block;
    captured += other.captured;
    written += other.written;
    lost_on_disk += other.lost_on_disk;
    return *this;
  }

  // True once the job has ended and its shards are closed; while it runs, blocks are on their way
  // and the counters of several threads are read one after another.
  [[nodiscard]] bool Balances() const noexcept {
    return seen == filtered_out + matched &&
           matched == sampled_out + over_limit + no_block + captured &&
           captured == written + lost_on_disk;
  }
};

// What the card says of one port. Errors and drops have no byte counts in DPDK.
struct PortLedger {
  std::string name;    // as in the configuration
  std::string device;  // PCI address or vdev string
  std::uint64_t received_packets = 0;
  std::uint64_t received_bytes = 0;
  std::uint64_t rx_missed = 0;  // the queue was full: the workers were too slow
  std::uint64_t rx_nombuf = 0;  // no buffer free
  std::uint64_t rx_errors = 0;  // broken frames

  [[nodiscard]] std::uint64_t OfferedPackets() const noexcept {
    return received_packets + rx_missed + rx_nombuf + rx_errors;
  }
};

}  // namespace edgecap
