// SPDX-License-Identifier: Apache-2.0

#include "config/config_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/status_macros.h"
#include "config/config_validator.h"
#include "config/settings.h"

namespace edgecap::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const char kExamplePath[] = EDGECAP_SOURCE_DIR "/config/edgecapd.example.yaml";

// The least that is valid; the text under test comes before it.
const char kOnePort[] = "dataplane: {ports: [net_null0]}\n";

Config Parsed(const std::string& text) {
  absl::StatusOr<Config> config = ParseConfig(text, "f");
  EXPECT_EQ(MessageOf(config.status()), "") << text;
  return config.ok() ? *std::move(config) : Config{};
}

// The lines of the report.
std::vector<std::string> Complaints(const std::string& text) {
  const absl::Status status = ParseConfig(text, "f").status();
  EXPECT_TRUE(status.ok() || status.code() == absl::StatusCode::kInvalidArgument);
  std::istringstream message(MessageOf(status));
  std::vector<std::string> lines;
  for (std::string line; std::getline(message, line);) lines.push_back(line);
  return lines;
}

std::string ReadText(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// ---- What is valid -----------------------------------------------------------------------------

TEST(ConfigLoaderTest, OnePortIsEnough) {
  const Config config = Parsed(kOnePort);
  ASSERT_EQ(config.dataplane.ports.size(), 1u);
  EXPECT_EQ(config.dataplane.ports[0].device, "net_null0");
  EXPECT_EQ(config.dataplane.ports[0].name, "net_null0");
  EXPECT_EQ(config.dataplane.ports[0].rx_descriptors, PortConfig{}.rx_descriptors);
  EXPECT_EQ(config.capture.directory, CaptureConfig{}.directory);
}

TEST(ConfigLoaderTest, AnEmptySectionMeansItsDefaults) {
  const Config config = Parsed(std::string("capture:\nlimits: ~\ncontrol: {}\n") + kOnePort);
  EXPECT_EQ(config.capture.block_count, CaptureConfig{}.block_count);
  EXPECT_EQ(config.limits.max_running, LimitsConfig{}.max_running);
}

TEST(ConfigLoaderTest, ValuesOfEveryTypeAreRead) {
  const Config config = Parsed(R"(
machine: edge-7.example
colo: 1234
dataplane:
  ports:
    - 0000:3b:00.0
    - device: "net_pcap0,rx_pcap=/tmp/in.pcap"
      queues: 3
    - {device: net_null1, name: "quiet one", rx_descriptors: 64}
  worker_cores: [2, 4, 4]
  hugepages: off
  eal_args: ["--log-level=8", -v]
capture: {block_bytes: 1073741824, block_count: 8, sync: false}
)");
  EXPECT_EQ(config.machine, "edge-7.example");
  EXPECT_EQ(config.colo, "1234");
  ASSERT_EQ(config.dataplane.ports.size(), 3u);
  EXPECT_EQ(config.dataplane.ports[0].device, "0000:3b:00.0");
  EXPECT_EQ(config.dataplane.ports[0].name, "0000:3b:00.0");
  EXPECT_EQ(config.dataplane.ports[1].name, "net_pcap0");
  EXPECT_EQ(config.dataplane.ports[1].queues, 3u);
  EXPECT_EQ(config.dataplane.ports[2].name, "quiet one");
  EXPECT_EQ(config.dataplane.ports[2].rx_descriptors, 64u);
  EXPECT_THAT(config.dataplane.worker_cores, ElementsAre(2u, 4u, 4u));
  EXPECT_EQ(config.dataplane.hugepages, "off");
  EXPECT_THAT(config.dataplane.eal_args, ElementsAre("--log-level=8", "-v"));
  EXPECT_EQ(config.capture.block_bytes, 1073741824u);
  EXPECT_FALSE(config.capture.sync);
}

TEST(ConfigLoaderTest, TheEndsOfARangeAreAllowed) {
  for (const std::uint32_t rules : {1U, 32768U}) {
    const std::string text = "limits: {max_rules: " + std::to_string(rules) + "}\n";
    EXPECT_EQ(Parsed(text + kOnePort).limits.max_rules, rules);
  }
  EXPECT_EQ(Parsed(std::string("limits: {max_running: 4096}\n") + kOnePort).limits.max_running,
            4096u);
}

TEST(ConfigLoaderTest, LocalNetworksAreAddressesAndPrefixes) {
  EXPECT_THAT(Parsed("dataplane: {ports: [a], local_prefixes: [192.0.2.0/24, 2001:db8::/32, "
                     "10.0.0.1, 0.0.0.0/0, '::/0']}\n")
                  .dataplane.local_prefixes,
              ElementsAre("192.0.2.0/24", "2001:db8::/32", "10.0.0.1", "0.0.0.0/0", "::/0"));
}

// ---- What is refused ---------------------------------------------------------------------------

struct Refused {
  std::string text;
  std::string complaint;
};

void ExpectEachRefusedForOneReason(const std::vector<Refused>& cases) {
  for (const Refused& c : cases) {
    EXPECT_THAT(Complaints(c.text + kOnePort), ElementsAre(HasSubstr(c.complaint))) << c.text;
  }
}

TEST(ConfigLoaderTest, AnUnknownKeyIsRefusedWithASuggestion) {
  ExpectEachRefusedForOneReason({
      {"capture: {sink: true}\n", "f:1: capture.sink: is no setting; did you mean capture.sync?"},
      {"capture: {blok_bytes: 65536}\n", "is no setting; did you mean capture.block_bytes?"},
      {"captures: {sync: true}\n", "f:1: captures: is no setting; did you mean capture?"},
      {"\"a\\nb\": 1\n", "f:1: a\\nb: is no setting"},
      {"block_count: 9\n", "f:1: block_count: is no setting; did you mean capture.block_count?"},
      {"limits: {sync: true}\n", "limits.sync: is no setting; did you mean capture.sync?"},
      {"capture.sync: true\n", "f:1: capture.sync: is no setting; write sections and settings as"},
  });
  EXPECT_THAT(Complaints(std::string("flavour: 1\n") + kOnePort),
              ElementsAre("f:1: flavour: is no setting"));
  EXPECT_THAT(Complaints("dataplane: {ports: [{device: a, queue: 1}]}\n"),
              ElementsAre("f:1: dataplane.ports[0].queue: is no setting; did you mean queues?"));
}

TEST(ConfigLoaderTest, AKeyGivenTwiceIsRefused) {
  ExpectEachRefusedForOneReason({
      {"colo: a\nmachine: b\ncolo: c\n", "f:3: colo: is given twice, first in line 1"},
      {"capture:\n  sync: true\ncapture:\n", "f:3: capture: is given twice, first in line 1"},
      {"capture:\n  sync: true\n  sync: true\n", "f:3: capture.sync: is given twice"},
  });
}

TEST(ConfigLoaderTest, AWrongTypeIsRefused) {
  const std::string number = "limits.max_running: ";
  const std::string allowed = "; allowed: 1 to 4096 captures";
  ExpectEachRefusedForOneReason({
      {"limits: {max_running: many}\n", number + "\"many\" is no plain number" + allowed},
      {"limits: {max_running: '5'}\n", number + "\"5\" is no plain number" + allowed},
      {"limits: {max_running: 5.0}\n", number + "\"5.0\" is no plain number" + allowed},
      {"limits: {max_running: 1e2}\n", number + "\"1e2\" is no plain number" + allowed},
      {"limits: {max_running: 0x10}\n", number + "\"0x10\" is no plain number" + allowed},
      {"limits: {max_running: 010}\n", number + "\"010\" is no plain number" + allowed},
      {"limits: {max_running: -1}\n", number + "\"-1\" is no plain number" + allowed},
      {"limits: {max_running: +1}\n", number + "\"+1\" is no plain number" + allowed},
      {"limits: {max_running: 1_000}\n", number + "\"1_000\" is no plain number" + allowed},
      {"limits: {max_running: !!int 5}\n", number + "\"5\" is no plain number" + allowed},
      {"limits: {max_running: [5]}\n", number + "a list is no plain number" + allowed},
      {"limits: {max_running: {a: 5}}\n", number + "a map is no plain number" + allowed},
      {"limits: {max_running: }\n", number + "nothing is no plain number" + allowed},
      {"capture: {sync: yes}\n", "capture.sync: \"yes\" is no boolean; allowed: true, false"},
      {"capture: {sync: 'true'}\n", "capture.sync: \"true\" is no boolean"},
      {"capture: {sync: True}\n", "capture.sync: \"True\" is no boolean"},
      {"capture: {sync: 1}\n", "capture.sync: \"1\" is no boolean"},
      {"capture: {directory: [/a]}\n", "capture.directory: a list is no text; allowed: absolute"},
      {"capture: {directory: }\n", "capture.directory: nothing is no text; allowed: absolute path"},
      {"capture: [sync]\n",
       "capture: a list is refused; allowed: settings, each as \"key: value\""},
      {"capture: sync\n", "capture: \"sync\" is refused; allowed: settings"},
      {"? [a, b]\n: 1\n", "f:1: a list is refused as a key; allowed: plain text"},
  });
}

TEST(ConfigLoaderTest, AValueOutsideItsRangeIsRefusedAndNeverClamped) {
  ExpectEachRefusedForOneReason({
      {"limits: {max_running: 0}\n", "0 is refused; allowed: 1 to 4096 captures"},
      {"limits: {max_running: 4097}\n", "4097 is refused; allowed: 1 to 4096 captures"},
      {"limits: {max_rules: 32769}\n", "32769 is refused; allowed: 1 to 32768 filters"},
      {"limits: {max_rules: 0}\n", "0 is refused; allowed: 1 to 32768 filters"},
      {"limits: {simple_packet_limit: 0}\n", "0 is refused; allowed: 1 to 100000000 packets"},
      {"limits: {simple_one_in: 5}\n", "is no setting"},
      {"limits: {max_running: 99999999999999999999}\n", "99999999999999999999 is refused"},
      {"capture: {block_bytes: 266241}\n",
       "266241 is refused; allowed: 266240 to 1073741824 bytes, a multiple of 4096"},
      {"capture: {flush_interval_ms: 1000}\n", "1000 is refused; allowed: 10 to 900 milliseconds"},
      {"capture: {directory: captures}\n", "\"captures\" is refused; allowed: absolute path of"},
      {"capture: {directory: ''}\n", "is missing or empty; allowed: absolute path of"},
      {"capture: {directory: \"/a\\0b\"}\n", "\"/a\\000b\" is refused; allowed: absolute path of"},
      {"control: {socket: edgecap.sock}\n", "allowed: absolute path of 1 to 107 characters"},
      {"control: {socket: /" + std::string(107, 's') + "}\n",
       "allowed: absolute path of 1 to 107 characters"},
      {"machine: .hidden\n", "machine: \".hidden\" is refused; allowed: 0 to 64 of A-Z a-z 0-9"},
      {"machine: a/b\n", "machine: \"a/b\" is refused"},
      {"machine: \"a\\nb\"\n", "machine: \"a\\nb\" is refused"},
      {"machine: m\xc3\xbcnchen\n", "machine: \"m\\303\\274nchen\" is refused"},
      {"machine: " + std::string(65, 'm') + "\n", "is refused; allowed: 0 to 64 of"},
  });
}

TEST(ConfigLoaderTest, BadPortsAndCoresAreRefused) {
  const Refused cases[] = {
      {"", "f:1: dataplane.ports: 0 entries are refused; allowed: 1 to 64 entries"},
      {"dataplane:\n", "f:1: dataplane.ports: 0 entries are refused"},
      {"dataplane:\n  ports: []\n", "f:2: dataplane.ports: 0 entries are refused"},
      {"dataplane:\n  ports:\n", "f:2: dataplane.ports: nothing is no list; allowed: a list of 1"},
      {"dataplane: {ports: net_null0}\n", "dataplane.ports: \"net_null0\" is no list"},
      {"dataplane: {ports: [[a]]}\n",
       "dataplane.ports[0]: a list is no port; allowed: a device, or"},
      {"dataplane:\n  ports:\n  - a\n  - ~\n", "f:4: dataplane.ports[1]: nothing is no port"},
      {"dataplane:\n  ports:\n  - name: x\n",
       "f:3: dataplane.ports[0].device: is missing or empty"},
      {"dataplane:\n  ports:\n  - ''\n", "f:3: dataplane.ports[0].device: is missing or empty"},
      {"dataplane:\n  ports:\n  - device: a\n    queues: 129\n",
       "f:4: dataplane.ports[0].queues: 129 is refused; allowed: 0 to 128"},
      {"dataplane:\n  ports:\n  - device: a\n    device: b\n",
       "f:4: dataplane.ports[0].device: is given twice, first in line 3"},
      {"dataplane: {ports: [a], worker_cores: 3}\n", "worker_cores: \"3\" is no list"},
      {"dataplane: {ports: [a], worker_cores: []}\n", "worker_cores: 0 entries are refused"},
      {"dataplane:\n  ports: [a]\n  worker_cores:\n    - 1\n    - one\n",
       "f:5: dataplane.worker_cores[1]: \"one\" is no plain number; allowed: 0 to 1023"},
      {"dataplane: {ports: [a], worker_cores: [1024]}\n", "worker_cores[0]: 1024 is refused"},
      {"dataplane: {ports: [a], eal_args: ['']}\n", "eal_args[0]: is missing or empty"},
      {"dataplane: {ports: [a], local_prefixes: 10.0.0.0/8}\n",
       "local_prefixes: \"10.0.0.0/8\" is no list"},
      {"dataplane: {ports: [a], local_prefixes: [10.0.0.0/8, 10.0.0.1/8]}\n",
       "local_prefixes[1]: \"10.0.0.1/8\" is refused; allowed: network such as 10.0.0.0/8"},
      {"dataplane: {ports: [a], local_prefixes: [10.0.0.0/33]}\n", "\"10.0.0.0/33\" is refused"},
      {"dataplane: {ports: [a], local_prefixes: [10.0.0.0/08]}\n", "\"10.0.0.0/08\" is refused"},
      {"dataplane: {ports: [a], local_prefixes: [10.0.0.0/]}\n", "\"10.0.0.0/\" is refused"},
      {"dataplane: {ports: [a], local_prefixes: ['2001:db8::1/64']}\n", "1/64\" is refused"},
      {"dataplane: {ports: [a], local_prefixes: [10.0.0.0-10.0.0.9]}\n", "9\" is refused"},
      {"dataplane: {ports: [a], local_prefixes: [example.com]}\n", "com\" is refused"},
      {"dataplane: {ports: [a], local_prefixes: ['']}\n", "local_prefixes[0]: is missing or empty"},
      {"dataplane: {ports: [a], hugepages: atuo}\n", "\"atuo\" is refused; allowed: auto, on, off"},
  };
  for (const Refused& c : cases) {
    EXPECT_THAT(Complaints(c.text), ElementsAre(HasSubstr(c.complaint))) << c.text;
  }
}

TEST(ConfigLoaderTest, ValuesAtOddsWithEachOtherAreRefused) {
  ExpectEachRefusedForOneReason({
      {"limits:\n  default_time_limit_s: 90000\n",
       "f:2: limits.default_time_limit_s: default_time_limit_s 90000 is refused; allowed: up to "
       "max_time_limit_s, which is 86400"},
      {"limits:\n  max_time_limit_s: 60\n",
       "f:2: limits.max_time_limit_s: default_time_limit_s 300 is refused; allowed: up to"},
      {"capture:\n  block_bytes: 1073741824\n  block_count: 2000\n",
       "f:3: capture.block_count: block_count 2000 times block_bytes 1073741824 is refused"},
  });
  const Refused cases[] = {
      {"dataplane:\n  ports: [a]\n  worker_cores: [0, 1]\ncapture: {block_count: 5}\n",
       "f:4: capture.block_count: block_count 5 is refused; allowed: at least 6, two for each of 2 "
       "workers and two more"},
      {"dataplane:\n  ports:\n  - net_null0,size=64\n  - device: net_null0,size=65\n",
       "f:4: dataplane.ports[1].device: \"net_null0\" is also the device of ports[0]"},
      {"dataplane:\n  ports:\n  - net_null0\n  - device: b\n    name: net_null0\n",
       "f:5: dataplane.ports[1].name: \"net_null0\" is also the name of ports[0]"},
      {"dataplane:\n  ports:\n  - device: a\n    queues: 64\n",
       "f:4: dataplane.ports[0].queues: the queues of ports[0] hold 65536 packets; allowed: less "
       "than mbufs_per_port, which is 65536"},
  };
  for (const Refused& c : cases) {
    EXPECT_THAT(Complaints(c.text), ElementsAre(HasSubstr(c.complaint))) << c.text;
  }
}

TEST(ConfigLoaderTest, AValueThatCouldNotBeReadIsNotJudgedFurther) {
  EXPECT_THAT(Complaints(std::string("limits:\n  default_time_limit_s: 604800\n"
                                     "  max_time_limit_s: a week\n") +
                         kOnePort),
              ElementsAre(StartsWith("f:3: limits.max_time_limit_s: \"a week\" is no plain")));
}

TEST(ConfigLoaderTest, AllViolationsAreReportedTogetherInTheOrderOfTheFile) {
  EXPECT_THAT(Complaints(R"(machine: a b
dataplane:
  ports:
    - device: net_null0
      queues: 200
    - device: net_null0
      cores: 3
  mbuf_bytes: 100
capture:
  sync: perhaps
  sync: true
limits: {max_running: 0, default_time_limit_s: 90000}
controll:
)"),
              ElementsAre(StartsWith("f:1: machine: \"a b\" is refused"),
                          StartsWith("f:5: dataplane.ports[0].queues: 200 is refused"),
                          StartsWith("f:6: dataplane.ports[1].device: \"net_null0\" is also"),
                          StartsWith("f:7: dataplane.ports[1].cores: is no setting"),
                          StartsWith("f:8: dataplane.mbuf_bytes: 100 is refused"),
                          StartsWith("f:10: capture.sync: \"perhaps\" is no boolean"),
                          StartsWith("f:11: capture.sync: is given twice"),
                          StartsWith("f:12: limits.max_running: 0 is refused"),
                          StartsWith("f:12: limits.default_time_limit_s: default_time_limit_s"),
                          StartsWith("f:13: controll: is no setting; did you mean control?")));
}

TEST(ConfigLoaderTest, BrokenYamlIsReportedWithLineAndColumn) {
  const Refused cases[] = {
      {"capture: [\n", "f:2:1: "}, {"colo: a\n capture: b: c\n", "f:2:"},
      {"\tcolo: a\n", "f:1:"},     {"colo: *nowhere\n", "f:1:7: "},
      {"colo: \"\\q\"\n", "f:1:"},
  };
  for (const Refused& c : cases) {
    EXPECT_THAT(Complaints(c.text), ElementsAre(StartsWith(c.complaint))) << c.text;
  }
}

TEST(ConfigLoaderTest, TextThatIsNoMapOfSettingsIsRefused) {
  EXPECT_THAT(Complaints("hello"), ::testing::Contains(StartsWith("f:1: \"hello\" is refused")));
  EXPECT_THAT(Complaints("- a\n"), ::testing::Contains(StartsWith("f:1: a list is refused")));
  EXPECT_THAT(Complaints(std::string(kOnePort) + "---\ncolo: a\n"),
              ElementsAre(HasSubstr("f:2: begins a second document; allowed: one")));
}

TEST(ConfigLoaderTest, TextOnWhichTheYamlLibraryLoopsIsRefused) {
  EXPECT_THAT(Complaints(std::string(",colo: a\n") + kOnePort),
              ::testing::Contains(HasSubstr("begins a second document; allowed: one")));
}

TEST(ConfigLoaderTest, NoTruncationOfAValidFileCrashes) {
  const std::string text = ReadText(kExamplePath);
  for (std::size_t length = 0; length < text.size(); length += 7) {
    (void)ParseConfig(text.substr(0, length), "f");
  }
}

// ---- Files -------------------------------------------------------------------------------------

TEST(ConfigLoaderTest, AFileThatCannotBeReadIsNamedWithTheReason) {
  const absl::Status missing = LoadConfig("/nonexistent/edgecapd.yaml").status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(MessageOf(missing), HasSubstr("/nonexistent/edgecapd.yaml"));
  EXPECT_THAT(MessageOf(missing), HasSubstr("No such file or directory"));
  EXPECT_THAT(MessageOf(LoadConfig("/").status()), HasSubstr("Is a directory"));
}

TEST(ConfigLoaderTest, AFileIsReportedByItsPath) {
  const std::string path = ::testing::TempDir() + "/bad_edgecapd.yaml";
  std::ofstream(path) << "colours: 3\n" << kOnePort;
  EXPECT_EQ(MessageOf(LoadConfig(path).status()), path + ":1: colours: is no setting");
  std::remove(path.c_str());
}

TEST(ConfigLoaderTest, AHostNameIsMadeFitForAMachineName) {
  EXPECT_EQ(MachineName("edge-7.example.net"), "edge-7.example.net");
  EXPECT_EQ(MachineName("my host/1"), "my-host-1");
  EXPECT_EQ(MachineName(".hidden"), "-hidden");
  EXPECT_EQ(MachineName(std::string(100, 'm')), std::string(64, 'm'));
  EXPECT_EQ(MachineName(""), "localhost");
}

// ---- The example file and the reference --------------------------------------------------------

TEST(ExampleConfigTest, IsValidAndShowsTheDefaultOfEverySetting) {
  absl::StatusOr<Config> example = LoadConfig(kExamplePath);
  ASSERT_TRUE(example.ok()) << MessageOf(example.status());
  EXPECT_NE(example->machine, "");
  example->machine = "";
  Config defaults;
  for (const Setting<Config>& setting : Settings()) {
    std::visit(
        [&](auto field) {
          if constexpr (!std::is_same_v<decltype(field), std::vector<PortConfig>& (*)(Config&)>) {
            EXPECT_EQ(field(*example), field(defaults)) << setting.key;
          }
        },
        setting.field);
  }
  ASSERT_EQ(example->dataplane.ports.size(), 1u);
  EXPECT_EQ(example->dataplane.ports[0].device, "net_null0,size=64");
  EXPECT_EQ(example->dataplane.ports[0].queues, PortConfig{}.queues);
  EXPECT_EQ(example->dataplane.ports[0].rx_descriptors, PortConfig{}.rx_descriptors);
}

TEST(ExampleConfigTest, GivesEverySetting) {
  const std::string text = ReadText(kExamplePath);
  for (const Setting<Config>& setting : Settings()) {
    const std::string key(setting.key);
    const std::size_t dot = key.find('.');
    const std::string given =
        dot == std::string::npos ? "\n" + key + ":" : "\n  " + key.substr(dot + 1) + ":";
    EXPECT_THAT(text, HasSubstr(given));
  }
  for (const Setting<PortConfig>& setting : PortSettings()) {
    EXPECT_THAT(text, HasSubstr(std::string(setting.key) + ": "));
  }
}

TEST(SettingsTest, TheReferenceHasEverySettingWithItsDefault) {
  const std::string reference = SettingsReference();
  for (const Setting<Config>& setting : Settings()) {
    EXPECT_THAT(reference, HasSubstr("| " + std::string(setting.key) + " "));
  }
  for (const Setting<PortConfig>& setting : PortSettings()) {
    EXPECT_THAT(reference, HasSubstr("| dataplane.ports[]." + std::string(setting.key) + " "));
  }
  EXPECT_THAT(reference, HasSubstr("| 2048 "));
  EXPECT_THAT(reference, HasSubstr("| 256 to 65000 bytes "));
  EXPECT_THAT(reference, HasSubstr("| auto, on, off "));
}

TEST(SettingsTest, DefaultsObeyTheirOwnRules) {
  Config config;
  config.dataplane.ports.emplace_back().device = "net_null0";
  for (const Violation& violation : ValidateConfig(config)) {
    ADD_FAILURE() << violation.keys.front() << ": " << violation.text;
  }
}

}  // namespace
}  // namespace edgecap::config
