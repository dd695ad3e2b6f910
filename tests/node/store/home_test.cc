#include "node/store/home.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <fstream>

#include "node/store/codes.h"
#include "tests/node/store/support.h"
#include "tests/support/expect.h"

namespace tocsin::store {
namespace {

namespace fs = std::filesystem;

unsigned mode_of(const fs::path& path) {
  struct stat info {};
  EXPECT_EQ(::stat(path.c_str(), &info), 0);
  return info.st_mode & 0777;
}

TEST(Home, IsMadeForItsOwnerAloneAndOpensAgain) {
  TempFolder folder;
  const fs::path path = folder.path() / "home";
  {
    auto home = Home::create(path);
    ASSERT_TRUE(home.ok());
    ASSERT_TRUE(home->complete().ok());
    for (const fs::path& made : {path, home->keys(), home->store(), home->roots()}) EXPECT_EQ(mode_of(made), 0700u);
    for (const char* file : {"home", "lock", "machine"}) EXPECT_EQ(mode_of(path / file), 0600u);
  }
  EXPECT_EQ(test::code_of(Home::open(path)), "ok");
}

TEST(Home, IsNotMadeOverAnything) {
  TempFolder folder;
  fs::create_directory(folder.path() / "full");
  std::ofstream(folder.path() / "full" / "file") << "x";
  EXPECT_EQ(test::code_of(Home::create(folder.path() / "full")), "home_exists");
  std::ofstream(folder.path() / "file") << "x";
  EXPECT_EQ(test::code_of(Home::create(folder.path() / "file")), "home_exists");
  fs::create_directory(folder.path() / "empty");
  EXPECT_EQ(test::code_of(Home::create(folder.path() / "empty")), "ok");
  EXPECT_NE(test::code_of(Home::create(folder.path() / "no" / "parent")), "ok");
}

TEST(Home, WithoutItsMarkIsIncomplete) {
  TempFolder folder;
  const fs::path path = folder.path() / "home";
  { ASSERT_TRUE(Home::create(path).ok()); }
  EXPECT_EQ(test::code_of(Home::open(path)), "home_incomplete");
  EXPECT_EQ(test::code_of(Home::open(folder.path() / "none")), "home_missing");
}

TEST(Home, OfALaterVersionIsRefused) {
  TempFolder folder;
  const fs::path path = folder.path() / "home";
  { ASSERT_TRUE(Home::create(path)->complete().ok()); }
  ASSERT_TRUE(write_file(path / "home", as_bytes("tocsin home 2\n")).ok());
  EXPECT_EQ(test::code_of(Home::open(path)), "home_too_new");
  ASSERT_TRUE(write_file(path / "home", as_bytes("something else")).ok());
  EXPECT_EQ(test::code_of(Home::open(path)), "file_failed");
}

TEST(Home, rule_48_folders_that_others_may_read_are_refused_with_the_fix) {
  TempFolder folder;
  const fs::path path = folder.path() / "home";
  { ASSERT_TRUE(Home::create(path)->complete().ok()); }
  for (const fs::path& part : {path, path / "keys", path / "store", path / "home"}) {
    const unsigned before = mode_of(part);
    ::chmod(part.c_str(), before | 0040);
    const auto opened = Home::open(path);
    ASSERT_EQ(test::code_of(opened), "home_permissions") << part;
    EXPECT_NE(opened.error().detail.find("chmod"), std::string::npos);
    ::chmod(part.c_str(), before);
  }
  EXPECT_EQ(test::code_of(Home::open(path)), "ok");
}

TEST(Home, ASecondProcessIsRefusedAndToldWhoHasIt) {
  TempFolder folder;
  const fs::path path = folder.path() / "home";
  auto home = Home::create(path);
  ASSERT_TRUE(home->complete().ok());
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child == 0) {
    const auto opened = Home::open(path);
    const bool named = !opened && opened.error().detail.find(std::to_string(parent)) != std::string::npos;
    ::_exit(test::code_of(opened) == "home_in_use" && named ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  // Nor twice in one process.
  EXPECT_EQ(test::code_of(Home::open(path)), "home_in_use");
}

TEST(Home, TheLockOfAKilledProcessIsFree) {
  TempFolder folder;
  const fs::path path = folder.path() / "home";
  { ASSERT_TRUE(Home::create(path)->complete().ok()); }
  const pid_t child = ::fork();
  if (child == 0) {
    auto home = Home::open(path);
    ::raise(SIGKILL);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(test::code_of(Home::open(path)), "ok");
}

TEST(Home, rule_21_knows_the_machine_it_was_made_on) {
  TempFolder folder;
  auto home = Home::create(folder.path() / "home");
  ASSERT_TRUE(home.ok());
  const auto recorded = home->recorded_machine();
  const auto current = home->current_machine();
  ASSERT_TRUE(recorded.ok() && current.ok());
  EXPECT_EQ(*recorded, *current);
  EXPECT_TRUE(differences(*recorded, *current).empty());
  EXPECT_FALSE(recorded->filesystem.empty());
}

TEST(Home, rule_21_a_copied_home_differs) {
  TempFolder folder;
  const fs::path path = folder.path() / "home";
  { ASSERT_TRUE(Home::create(path)->complete().ok()); }
  fs::copy(path, folder.path() / "copy", fs::copy_options::recursive);
  ::chmod((folder.path() / "copy").c_str(), 0700);
  auto copy = Home::open(folder.path() / "copy");
  ASSERT_TRUE(copy.ok()) << copy.error().detail;
  EXPECT_EQ(differences(*copy->recorded_machine(), *copy->current_machine()),
            std::vector<std::string>{"inode of the home folder"});
  ASSERT_TRUE(copy->record_machine().ok());
  EXPECT_TRUE(differences(*copy->recorded_machine(), *copy->current_machine()).empty());

  MachineRecord moved = *copy->recorded_machine();
  moved.machine = "other";
  moved.filesystem = "other";
  EXPECT_EQ(differences(*copy->recorded_machine(), moved).size(), 2u);
}

// As inside a service that sees no disks in /dev: the record must not differ from the one that `init` made outside.
TEST(Home, rule_21_names_the_file_system_where_dev_shows_no_disks) {
  TempFolder folder;
  const auto file = [&](const fs::path& at, const std::string& text) {
    fs::create_directories((folder.path() / at).parent_path());
    std::ofstream(folder.path() / at) << text;
  };
  const auto name = [&] { return read_machine(folder.path(), folder.path())->filesystem; };
  struct stat info {};
  ASSERT_EQ(::stat(folder.path().c_str(), &info), 0);
  const std::string own = std::to_string(major(info.st_dev)) + ":" + std::to_string(minor(info.st_dev));
  EXPECT_EQ(name(), "device " + own);
  file("run/udev/data/b" + own, "S:x\nE:ID_FS_UUID=0a\nE:ID_FS_UUID_ENC=0a-1\n");
  EXPECT_EQ(name(), "0a-1");
  // A made-up number, as of btrfs: the mount names the device, and the kernel its number.
  file("proc/self/mountinfo", "22 1 " + own + " / / rw shared:1 - btrfs /dev/mapper/no-such-vault rw\n");
  EXPECT_EQ(name(), "0a-1");
  file("sys/class/block/dm-3/dm/name", "no-such-vault\n");
  file("sys/class/block/dm-3/dev", "253:3\n");
  file("run/udev/data/b253:3", "E:ID_FS_UUID_ENC=0b-2\n");
  EXPECT_EQ(name(), "0b-2");
}

TEST(Home, rule_21_a_machine_record_that_is_damaged_is_an_error) {
  TempFolder folder;
  auto home = Home::create(folder.path() / "home");
  ASSERT_TRUE(write_file(home->path() / "machine", as_bytes("machine=x\n")).ok());
  EXPECT_EQ(test::code_of(home->recorded_machine()), "file_failed");
}

TEST(Files, WritesWholeFilesOrNothing) {
  TempFolder folder;
  const fs::path path = folder.path() / "file";
  ASSERT_TRUE(write_file(path, as_bytes("one")).ok());
  std::ofstream(folder.path() / "file.new") << "left by a power cut";
  ASSERT_TRUE(write_file(path, as_bytes("two")).ok());
  EXPECT_EQ(as_text(*read_file(path, 100)), "two");
  EXPECT_EQ(mode_of(path), 0600u);
  EXPECT_FALSE(fs::exists(folder.path() / "file.new"));
  EXPECT_EQ(test::code_of(write_file(folder.path() / "none" / "file", as_bytes("x"))), "file_missing");
}

TEST(Files, ReadsWithinTheLimitAndPrivatelyWhereAsked) {
  TempFolder folder;
  const fs::path path = folder.path() / "file";
  ASSERT_TRUE(write_file(path, Bytes(100, 1)).ok());
  EXPECT_EQ(read_file(path, 100)->size(), 100u);
  EXPECT_EQ(test::code_of(read_file(path, 99)), "file_too_large");
  EXPECT_EQ(test::code_of(read_file(folder.path() / "none", 99)), "file_missing");
  EXPECT_EQ(test::code_of(read_private_file(path, 100)), "ok");
  ::chmod(path.c_str(), 0604);
  EXPECT_EQ(test::code_of(read_private_file(path, 100)), "home_permissions");
  fs::create_symlink(path, folder.path() / "link");
  EXPECT_EQ(test::code_of(read_private_file(folder.path() / "link", 100)), "file_failed");
  EXPECT_EQ(test::code_of(read_private_file(folder.path(), 100)), "file_failed");
}

}  // namespace
}  // namespace tocsin::store
