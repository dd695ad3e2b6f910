#include "tools/bench/child.h"

#include <atomic>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "crypto/body.h"
#include "tools/bench/bench_node.h"

namespace tocsin::bench {
namespace {

using namespace protocol;

constexpr FeedKind kBenchKind{0x7f00};  // unknown to everybody: kept and forwarded, never opened
constexpr std::size_t kAppendBatch = 1000;

// Samples the anonymous memory until the end of the process.
class PeakWatch {
 public:
  PeakWatch() {
    std::thread([this] {
      for (;;) {
        peak_ = std::max(peak_.load(), rss_anon_kib());
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    }).detach();
  }
  void reset() { peak_ = rss_anon_kib(); }
  std::uint64_t kib() const { return peak_; }

 private:
  std::atomic<std::uint64_t> peak_ = 0;
};

class Child {
 public:
  Child(const std::string& folder, const std::string& name) : node_(folder, name) { node_.run_in_background(); }

  nlohmann::json answer(const std::string& line) {
    std::istringstream words(line);
    std::string verb;
    words >> verb;
    if (verb == "who") return who();
    if (verb == "add") return add(words);
    if (verb == "create") return create();
    if (verb == "invite") return invite(words);
    if (verb == "accept") return accept();
    if (verb == "append") return append(words);
    if (verb == "block" || verb == "unblock") return block(words, verb == "block");
    if (verb == "sync") return sync(words);
    if (verb == "reset-peak") return watch_->reset(), nlohmann::json::object();
    if (verb == "peak") return {{"kib", watch_->kib()}};
    fail("child: unknown verb " + verb);
  }

 private:
  template <class T>
  T on_loop(std::function<T()> act) {
    return must(node_.wait<T>([act](Done<T> done) { done(act()); }), "loop");
  }

  nlohmann::json who() {
    watch_ = new PeakWatch;  // for the rest of the process
    return on_loop<nlohmann::json>([this]() -> nlohmann::json {
      auto& replica = node_.replica();
      std::string words;
      for (const auto& word : card_words(replica.own_org().id(), replica.own_node()))
        words += (words.empty() ? "" : " ") + word;
      return {{"org", to_hex(replica.own_org().id().view())},
              {"node", to_hex(replica.own_node().view())},
              {"card", must(replica.own_card({node_.listening()}), "card")},
              {"words", words}};
    });
  }
  nlohmann::json add(std::istringstream& words) {
    std::string card, word;
    words >> card;
    std::vector<std::string> all;
    while (words >> word) all.push_back(word);
    auto org = std::make_shared<OrgId>();
    must(node_.wait<void>([=, this](Done<void> done) { *org = must(node_.replica().add_card(card, done), "card"); }),
         "card");
    must(node_.wait<void>([=, this](Done<void> done) { must(node_.replica().verify_peer(*org, all, done), "words"); }),
         "words");
    return nlohmann::json::object();
  }
  nlohmann::json create() {
    channel_ = must(node_.wait<ChannelId>([this](Done<ChannelId> done) {
      must(node_.replica().create_channel({.name = "bench"}, done), "channel");
    }),
                    "channel");
    return nlohmann::json::object();
  }
  OrgId org_from(std::istringstream& words) {
    std::string hex;
    words >> hex;
    return *fixed_from_hex<OrgId>(hex);
  }
  nlohmann::json invite(std::istringstream& words) {
    const auto org = org_from(words);
    must(node_.wait<void>([=, this](Done<void> done) {
      must(node_.replica().invite(channel_, org, Role::kMember, done), "invite");
    }),
         "invite");
    return nlohmann::json::object();
  }
  ChannelStanding standing(ChannelId* id) {
    return on_loop<ChannelStanding>([this, id] {
      for (const auto& channel : node_.replica().channels()) {
        if (channel.channel_class == ChannelClass::kPrivate) continue;
        *id = channel.id;
        return channel.standing;
      }
      return ChannelStanding::kRefused;
    });
  }
  nlohmann::json accept() {
    const double end = seconds_now() + 60;
    bool accepted = false;
    while (seconds_now() < end) {
      const auto now = standing(&channel_);
      if (now == ChannelStanding::kJoined) return nlohmann::json::object();
      if (now == ChannelStanding::kInvited && !accepted) {
        must(node_.wait<void>([this](Done<void> done) { must(node_.replica().accept(channel_, done), "accept"); }),
             "accept");
        accepted = true;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    fail("the channel was not joined within 60 s");
  }
  nlohmann::json append(std::istringstream& words) {
    std::size_t entries = 0, size = 0;
    words >> entries >> size;
    const double start = seconds_now();
    crypto::SystemRandom random;
    for (std::size_t done_entries = 0; done_entries < entries; done_entries += kAppendBatch) {
      const auto count = std::min(kAppendBatch, entries - done_entries);
      auto bodies = std::make_shared<Bytes>(count * size);
      random.fill(*bodies);
      must(node_.wait<std::vector<EntryRef>>([=, this](Done<std::vector<EntryRef>> done) {
        std::vector<FeedItem> items;
        for (std::size_t i = 0; i < count; ++i)
          items.push_back({kBenchKind, ByteView(*bodies).subspan(i * size, size)});
        must(node_.replica().append(channel_, items, done), "append");
      }),
           "append");
    }
    return {{"seconds", seconds_now() - start}, {"entries", feed_entries()}};
  }
  std::uint64_t feed_entries() {
    return on_loop<std::uint64_t>([this] {
      std::uint64_t sum = 0;
      for (const auto& log : node_.replica().channel_logs(channel_))
        if (log.type == LogType::kFeed && log.head >= log.low) sum += log.head.value - log.low.value + 1;
      return sum;
    });
  }
  nlohmann::json block(std::istringstream& words, bool blocked) {
    const auto org = org_from(words);
    must(node_.wait<void>(
             [=, this](Done<void> done) { must(node_.replica().set_peer_blocked(org, blocked, done), "block"); }),
         "block");
    const double end = seconds_now() + 10;
    while (blocked && on_loop<std::size_t>([this] { return node_.hub().link_count(); }) > 0 && seconds_now() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return nlohmann::json::object();
  }
  // Dials and syncs; measured from the call to the last commit.
  nlohmann::json sync(std::istringstream& words) {
    std::string hex;
    words >> hex;
    const auto node = *fixed_from_hex<NodeId>(hex);
    const double start = seconds_now();
    const auto report = must(node_.wait<engine::SyncReport>([=, this](Done<engine::SyncReport> done) {
      must(node_.hub().sync_now({node}, done), "sync");
    }),
                             "sync");
    const double seconds = seconds_now() - start;
    if (report.code) fail("the sync did not end well: " + std::string(report.code->text()));
    return {{"seconds", seconds},          {"received", report.received},   {"sent", report.sent},
            {"bytes_in", report.bytes_in}, {"bytes_out", report.bytes_out}, {"round_trips", report.round_trips},
            {"entries", feed_entries()}};
  }

  BenchNode node_;
  ChannelId channel_;
  PeakWatch* watch_ = nullptr;
};

}  // namespace

int run_child(const std::string& folder, const std::string& name) {
  Child child(folder, name);
  for (std::string line; std::getline(std::cin, line);) std::cout << child.answer(line).dump() << std::endl;
  return 0;
}

}  // namespace tocsin::bench
