// SPDX-License-Identifier: Apache-2.0

#include "config/device.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace edgecap::config {
namespace {

constexpr std::string_view kFirstDomain = "0000:";

// 'x' stands for a hexadecimal digit.
bool HasForm(std::string_view text, std::string_view form) {
  return std::equal(text.begin(), text.end(), form.begin(), form.end(), [](char c, char f) {
    return f == 'x' ? absl::ascii_isxdigit(static_cast<unsigned char>(c)) : c == f;
  });
}

}  // namespace

bool IsPciAddress(std::string_view device) {
  const std::string_view address = device.substr(0, device.find(','));
  return HasForm(address, "xxxx:xx:xx.x") || HasForm(address, "xx:xx.x");
}

std::string DeviceName(std::string_view device) {
  std::string name(device.substr(0, device.find(',')));
  if (!IsPciAddress(device)) return name;
  std::ranges::transform(name, name.begin(),
                         [](char c) { return absl::ascii_tolower(static_cast<unsigned char>(c)); });
  return name.find(':') == name.rfind(':') ? std::string(kFirstDomain) + name : name;
}

}  // namespace edgecap::config
