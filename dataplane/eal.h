// SPDX-License-Identifier: Apache-2.0
//
// DPDK's environment: started once a process from the configuration, cleaned up at the end.
//
// Memory is hugepages where there are enough of them (or the configuration insists), else ordinary
// memory. Nothing is left in the file system (--in-memory), so daemons and `edgecap record` run
// side by side.
//
// Threading: control only. The calling thread keeps its processors: EAL's pinning is undone.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "config/config.h"

namespace edgecap::dataplane {

class Eal {
 public:
  // Errors: kResourceExhausted when hugepages are demanded and missing, kInternal otherwise.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Eal>> Start(
      const config::DataplaneConfig& config);

  Eal(const Eal&) = delete;
  Eal& operator=(const Eal&) = delete;
  ~Eal();

  [[nodiscard]] bool hugepages() const { return hugepages_; }

 private:
  explicit Eal(bool hugepages) : hugepages_(hugepages) {}

  const bool hugepages_;
};

}  // namespace edgecap::dataplane
