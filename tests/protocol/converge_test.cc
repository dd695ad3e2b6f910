// Replicas under any order of writing, syncing, cutting, dying, joining and removing: nothing that was acknowledged is
// lost, equal members end up equal, and nobody reads what is not theirs.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/support/channel_world.h"

namespace tocsin::protocol {
namespace {

using test::must;
using test::Party;
using test::sync_all;
using test::sync_once;
using test::WorldClock;

// Four organisations: Alpha founds, Bravo is a member from the start, Charlie may join, Delta is a verified peer of all
// and never a member.
struct World {
  WorldClock clock;
  std::vector<std::unique_ptr<Party>> parties;
  ChannelId id;
  // What each was told is durable, with the epoch that it stands in.
  std::vector<std::pair<std::string, Epoch>> acknowledged;
  int written = 0;
  bool invited = false;
  bool removed = false;

  World() {
    const char* names[] = {"Alpha", "Bravo", "Charlie", "Delta"};
    for (std::uint64_t i = 0; i < 4; ++i) parties.push_back(std::make_unique<Party>(names[i], i + 1, clock));
    for (std::size_t i = 0; i < 4; ++i) {
      for (std::size_t j = i + 1; j < 4; ++j) test::introduce(*parties[i], *parties[j]);
    }
    id = must(at(0).replica().create_channel({"Early warning", ChannelClass::kShared, "", 0}, nullptr));
    at(0).store.sync();
    test::join(at(0), id, at(1));
    sync_all({&at(0), &at(1)});
  }
  Party& at(std::size_t i) { return *parties[i]; }

  bool joined(std::size_t i) {
    const auto info = at(i).replica().channel(id);
    return info && info->standing == ChannelStanding::kJoined;
  }

  void write(std::size_t i, bool persist) {
    if (i == 1 && removed) return;  // what it writes from then on is not the channel's
    const std::string text = at(i).name() + " " + std::to_string(++written);
    const FeedItem item{FeedKind::kReport, as_bytes(text)};
    const auto queued = at(i).replica().append(id, std::span(&item, 1), [this, text, i](auto done) {
      if (!done) return;
      acknowledged.emplace_back(text, at(i).replica().log_record((*done)[0].log)->head_epoch);
    });
    if (queued && persist) at(i).store.sync();
  }

  void join_charlie() {
    if (!invited && at(0).replica().invite(id, at(2).org(), Role::kMember, nullptr)) {
      invited = true;
      at(0).store.sync();
    }
    const auto info = at(2).replica().channel(id);
    if (info && info->standing == ChannelStanding::kInvited) {
      must(at(2).replica().accept(id, nullptr));
      at(2).store.sync();
    }
  }

  // Only after all have met: what the chair has not seen of a feed ends with the removal.
  void remove_bravo() {
    if (removed) return;
    heal();
    // A disk that fails here takes the removal along: then Bravo stays.
    must(at(0).replica().remove_member(id, at(1).org(),
                                       [this](const auto& done) { removed = static_cast<bool>(done); }));
    at(0).store.sync();
  }

  void heal() {
    for (auto& party : parties) party->store.sync();
    sync_all({&at(0), &at(1), &at(2), &at(3)});
  }

  void step() {
    const auto any = [] { return *rc::gen::inRange<std::size_t>(0, 3); };
    switch (*rc::gen::weightedElement<int>({{8, 0}, {8, 1}, {3, 2}, {2, 3}, {2, 4}, {1, 5}, {1, 6}, {1, 7}})) {
      case 0:
        write(any(), *rc::gen::arbitrary<bool>());
        break;
      case 1: {
        const std::size_t i = any(), j = *rc::gen::inRange<std::size_t>(0, 4);
        // Cut after so many entries of each range.
        if (i != j) sync_once(at(i), at(j), *rc::gen::element<std::size_t>(1, 2, 5, SIZE_MAX));
        break;
      }
      case 2: {
        const std::size_t i = any();
        if (*rc::gen::arbitrary<bool>()) at(i).store.persist(*rc::gen::inRange<std::size_t>(0, 3));
        at(i).crash();
        break;
      }
      case 3:
        at(any()).replica().handle_tick();
        clock.advance_ms(*rc::gen::inRange<std::int64_t>(0, 120'000));
        break;
      case 4:
        join_charlie();
        break;
      case 5:
        (void)at(0).replica().rotate(id, nullptr);
        if (*rc::gen::arbitrary<bool>()) at(0).store.sync();
        break;
      case 6:
        at(any()).store.fail_next(environment_error(kDiskFull));
        break;
      case 7:
        if (*rc::gen::inRange(0, 3) == 0) remove_bravo();
        break;
    }
  }
};

RC_GTEST_PROP(Converge, nothing_acknowledged_is_lost_and_equal_members_are_equal, ()) {
  World world;
  const int steps = *rc::gen::inRange(1, 60);
  for (int i = 0; i < steps; ++i) world.step();
  for (auto& party : world.parties) party->store.sync();  // a fault that still waits
  world.heal();

  std::vector<std::size_t> members{0};
  if (!world.removed) members.push_back(1);
  if (world.joined(2)) members.push_back(2);
  for (const std::size_t i : members) {
    Party& party = world.at(i);
    RC_ASSERT(party.replica().frontier(world.id).digest() == world.at(0).replica().frontier(world.id).digest());
    RC_ASSERT(party.replica().status().fork_proofs == 0u);
    const auto texts = party.text_set(world.id);
    const std::set<std::string> once(texts.begin(), texts.end());
    RC_ASSERT(once.size() == texts.size());  // one history for each log
    for (const auto& [text, epoch] : world.acknowledged) {
      if (epoch >= party.replica().first_epoch(world.id))
        RC_ASSERT(once.contains(text));
      else
        RC_ASSERT(!once.contains(text));
    }
  }
  // Whoever is no member holds nothing of the channel, but what it held before.
  RC_ASSERT(!world.at(3).replica().channel(world.id));
  const auto pseudonym = world.at(0).replica().channel(world.id)->pseudonym;
  const Epoch newest = world.at(0).replica().channel(world.id)->epoch;
  RC_ASSERT(!world.at(3).table().channel_of(pseudonym));
  if (world.removed) RC_ASSERT(!world.at(1).table().epoch_key(pseudonym, newest));
  for (const std::size_t i : members) RC_ASSERT(world.at(i).table().epoch_key(pseudonym, newest).has_value());
}

}  // namespace
}  // namespace tocsin::protocol
