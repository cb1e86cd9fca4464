// SPDX-License-Identifier: Apache-2.0

#include "config/device.h"

#include <gtest/gtest.h>

namespace edgecap::config {
namespace {

TEST(Device, ACardIsNamedByItsPciAddress) {
  for (const char* address : {"0000:3b:00.0", "3b:00.0", "3B:00.1,arg=1", "ABCD:ef:01.7"}) {
    EXPECT_TRUE(IsPciAddress(address)) << address;
  }
  for (const char* other : {"net_null0", "net_tap0,iface=a:b.c", "3b:00", "", "0000:3b:00.0x",
                            "net_pcap0,rx_pcap=/tmp/00:00.0"}) {
    EXPECT_FALSE(IsPciAddress(other)) << other;
  }
}

TEST(Device, OneDeviceHasOneName) {
  EXPECT_EQ(DeviceName("3b:00.0"), "0000:3b:00.0");
  EXPECT_EQ(DeviceName("0000:3B:00.0"), "0000:3b:00.0");
  EXPECT_EQ(DeviceName("0000:3b:00.0,mprq_en=1"), "0000:3b:00.0");
  EXPECT_EQ(DeviceName("net_null0,size=64"), "net_null0");
}

}  // namespace
}  // namespace edgecap::config
