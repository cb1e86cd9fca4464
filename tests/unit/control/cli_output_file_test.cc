// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "control/cli/output_file.h"

namespace edgecap::cli {
namespace {

namespace fs = std::filesystem;

class OutputFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "edgecap_output_XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override { fs::remove_all(directory_); }

  std::string Path(const std::string& name) const { return (directory_ / name).string(); }

  void WriteFile(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name)) << text;
  }

  std::string ReadFile(const std::string& name) const {
    std::ifstream file(Path(name));
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::size_t FileCount() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(directory_), fs::directory_iterator()));
  }

  absl::StatusOr<std::unique_ptr<OutputFile>> Open(const std::string& name, bool replace) const {
    return OutputFile::Open(Path(name), replace, pcapwriter::PosixFileSystem());
  }

  static absl::Status Append(OutputFile& file, const std::string& text) {
    return file.Append(std::as_bytes(std::span(text.data(), text.size())));
  }

  fs::path directory_;
};

TEST_F(OutputFileTest, HasItsNameOnlyWhenItIsWhole) {
  auto file = Open("a.pcap", false);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE(Append(**file, "whole").ok());
  EXPECT_FALSE(fs::exists(Path("a.pcap")));
  ASSERT_TRUE((*file)->Commit().ok());
  EXPECT_EQ(ReadFile("a.pcap"), "whole");
  EXPECT_EQ(FileCount(), 1u);
}

TEST_F(OutputFileTest, LeavesNothingWithoutCommit) {
  {
    auto file = Open("a.pcap", false);
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_TRUE(Append(**file, "half").ok());
  }
  EXPECT_EQ(FileCount(), 0u);
}

TEST_F(OutputFileTest, ReplacesAFileOnlyWhenAskedTo) {
  WriteFile("a.pcap", "old");
  EXPECT_EQ(Open("a.pcap", false).status().code(), absl::StatusCode::kAlreadyExists);
  auto file = Open("a.pcap", true);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE(Append(**file, "new").ok());
  EXPECT_EQ(ReadFile("a.pcap"), "old");
  ASSERT_TRUE((*file)->Commit().ok());
  EXPECT_EQ(ReadFile("a.pcap"), "new");
}

TEST_F(OutputFileTest, DoesNotReplaceAFileThatAppearsMeanwhile) {
  auto file = Open("a.pcap", false);
  ASSERT_TRUE(file.ok()) << file.status();
  WriteFile("a.pcap", "theirs");
  EXPECT_FALSE((*file)->Commit().ok());
  file->reset();
  EXPECT_EQ(ReadFile("a.pcap"), "theirs");
  EXPECT_EQ(FileCount(), 1u);
}

TEST_F(OutputFileTest, NeverReplacesWhatIsNoFile) {
  EXPECT_FALSE(CheckOutput("/dev/null", true).ok());
  EXPECT_FALSE(CheckOutput(directory_.string(), true).ok());
  fs::create_symlink("/dev/null", Path("link"));
  EXPECT_FALSE(CheckOutput(Path("link"), true).ok());
  EXPECT_FALSE(CheckOutput("", false).ok());
  EXPECT_FALSE(CheckOutput(Path("missing/a.pcap"), false).ok());
}

}  // namespace
}  // namespace edgecap::cli
