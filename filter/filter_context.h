// SPDX-License-Identifier: Apache-2.0
//
// What a filter's words mean on this machine: the same filter may be prepared in another context on
// another one.
//
// Threading: plain value.

#pragma once

#include <string>
#include <vector>

#include "filter/filter_spec.h"

namespace edgecap::filter {

struct FilterContext {
  AddressSet local_prefixes;            // dataplane.local_prefixes; empty: nothing is known
  std::vector<std::string> port_names;  // Burst::port is an index into it
};

}  // namespace edgecap::filter
