// The index's thread: every answer once, on the caller's side, in order.
#include <gtest/gtest.h>

#include <atomic>

#include "node/index/index_thread.h"
#include "tests/node/index/world.h"
#include "tests/support/task_loop.h"

namespace tocsin::index::test {
namespace {

using namespace protocol;

// The caller's loop.
using Loop = tocsin::test::TaskLoop;

TEST(Thread, feeds_and_answers_through_the_callers_loop) {
  World world;
  const auto channel = world.channel(1);
  for (int i = 0; i < 200; ++i) world.add(channel, world.blank(1));
  Loop loop;
  IndexThread thread(world.table, {}, loop.post());
  std::uint64_t fed = 0;
  const EntryChunk* same = nullptr;
  for (std::uint64_t at = 0; at < 200; at += 50) {
    auto chunk = world.chunk(at + 1, at + 50);
    const EntryChunk* address = chunk.get();
    thread.feed(std::move(chunk), FeedAs::kNext,
                [&, address](Result<FeedOutcome> outcome, std::unique_ptr<EntryChunk> back) {
                  fed += must(std::move(outcome)).reports;
                  EXPECT_EQ(back.get(), address);
                  same = address;
                });
  }
  loop.run_until([&] { return fed == 200; });
  EXPECT_NE(same, nullptr);
  std::uint64_t count = 0;
  thread.ask([](Index& index) { return index.count({}); },
             [&](Result<std::uint64_t> answer) { count = must(std::move(answer)); });
  loop.run_until([&] { return count != 0; });
  EXPECT_EQ(count, 200u);

  bool forgotten = false;
  thread.feed(world.chunk_of({1}), FeedAs::kForget, [&](Result<FeedOutcome> outcome, std::unique_ptr<EntryChunk>) {
    EXPECT_TRUE(outcome.ok());
    forgotten = true;
  });
  loop.run_until([&] { return forgotten; });
  thread.ask([](Index& index) { return index.count({}); },
             [&](Result<std::uint64_t> answer) { count = must(std::move(answer)); });
  loop.run_until([&] { return count == 199; });
}

TEST(Thread, takes_work_and_answers_that_can_only_be_moved) {
  World world;
  Loop loop;
  IndexThread thread(world.table, {}, loop.post());
  auto secret = std::make_unique<int>(42);
  auto expected = std::make_unique<int>(42);
  bool same = false, answered = false;
  thread.ask(
      [secret = std::move(secret)](Index&) -> Result<std::unique_ptr<int>> { return std::make_unique<int>(*secret); },
      [&, expected = std::move(expected)](Result<std::unique_ptr<int>> answer) {
        same = answer.ok() && **answer == *expected;
        answered = true;
      });
  loop.run_until([&] { return answered; });
  EXPECT_TRUE(same);
}

TEST(Thread, an_exception_becomes_an_error) {
  World world;
  Loop loop;
  IndexThread thread(world.table, {}, loop.post());
  std::vector<std::string> codes;
  const auto note = [&](Result<int> answer) { codes.push_back(code_of(answer)); };
  thread.ask([](Index&) -> Result<int> { throw std::bad_alloc(); }, note);
  thread.ask([](Index&) -> Result<int> { throw std::runtime_error("x"); }, note);
  loop.run_until([&] { return codes.size() == 2; });
  EXPECT_EQ(codes, (std::vector<std::string>{"index_memory", "index_broken"}));
}

TEST(Thread, what_waits_when_it_stops_is_answered_and_so_is_what_comes_later) {
  World world;
  const auto channel = world.channel(1);
  world.add(channel, world.blank(1));
  Loop loop;
  IndexThread thread(world.table, {}, loop.post());
  std::mutex gate;
  std::unique_lock closed(gate);
  std::atomic<bool> inside = false;
  std::vector<std::string> codes;
  const auto note = [&](Result<int> answer) { codes.push_back(code_of(answer)); };
  thread.ask(
      [&](Index&) -> Result<int> {
        inside = true;
        const std::lock_guard wait(gate);
        return 1;
      },
      note);
  while (!inside) std::this_thread::yield();
  for (std::size_t i = 0; i < kQuestionsMax + 1; ++i) thread.ask([](Index&) -> Result<int> { return 2; }, note);
  bool back = false;
  thread.feed(world.chunk(1, 1), FeedAs::kNext, [&](Result<FeedOutcome> outcome, std::unique_ptr<EntryChunk> chunk) {
    EXPECT_EQ(code_of(outcome), "index_stopped");
    EXPECT_NE(chunk, nullptr);
    back = true;
  });
  std::thread stopper([&] { thread.stop(); });
  // The stop is under way once a question is refused with its name; before that there is no room for another.
  while (codes.empty() || codes.back() != "index_stopped") {
    thread.ask([](Index&) -> Result<int> { return 3; }, note);
    loop.run_until([&] { return loop.waiting() == 0; });
  }
  closed.unlock();
  stopper.join();
  loop.run_until([&] { return loop.waiting() == 0; });
  EXPECT_TRUE(back);
  std::map<std::string, std::size_t> by_code;
  for (const std::string& code : codes) ++by_code[code];
  EXPECT_EQ(by_code["ok"], 1u);
  EXPECT_GE(by_code["index_busy"], 1u);  // the one above kQuestionsMax
  EXPECT_GE(by_code["index_stopped"], kQuestionsMax);
  EXPECT_EQ(by_code.size(), 3u);
}

}  // namespace
}  // namespace tocsin::index::test
