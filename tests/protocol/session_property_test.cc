// Whatever is cut, lost, repeated or restarted on the way: in the end all hold the same, and nothing that was durable
// is lost.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <random>

#include "protocol/session.h"
#include "tests/support/pair.h"

namespace tocsin::protocol {
namespace {

using test::make_channel;
using test::must;
using test::Pair;
using test::Party;

struct Act {
  std::uint8_t kind = 0;
  std::uint8_t who = 0;
  std::uint16_t amount = 0;
};
void showValue(const Act& act, std::ostream& os) {
  os << "{" << int(act.kind) << ", " << int(act.who) << ", " << act.amount << "}";
}
std::ostream& operator<<(std::ostream& os, const Act& act) {
  showValue(act, os);
  return os;
}

rc::Gen<Act> arbitrary_act() {
  return rc::gen::build<Act>(rc::gen::set(&Act::kind, rc::gen::inRange<std::uint8_t>(0, 7)),
                             rc::gen::set(&Act::who, rc::gen::inRange<std::uint8_t>(0, 3)),
                             rc::gen::set(&Act::amount, rc::gen::inRange<std::uint16_t>(1, 400)));
}

class History {
 public:
  History() {
    for (const char* name : {"Alpha", "Bravo", "Charlie"}) parties_.push_back(&net_.add(name));
    channel_ = make_channel(net_, *parties_[0], {parties_[1], parties_[2]});
    introduce(*parties_[1], *parties_[2]);
    meet();  // all in the newest epoch: what is written from now on everybody may read
  }

  void act(const Act& act) {
    Party& one = *parties_[act.who];
    Party& other = *parties_[(act.who + 1) % 3];
    switch (act.kind) {
      case 0:
        for (int i = 0; i < act.amount; ++i) {
          std::string text = one.name() + " " + std::to_string(written_.size()) + std::string(act.amount, '.');
          one.write(channel_, text);
          written_.insert(std::move(text));
        }
        one.store.sync();
        return;
      case 1:
        cut_between(one, other);
        links_.push_back(&net_.connect(one, other, {act.amount % 50, act.amount * 10u}));
        return;
      case 2:
        net_.run_for(act.amount);
        return;
      case 3:
        cut_between(one, other);
        return;
      case 4:
        net_.crash(one);
        return;
      case 5:
        (void)one.replica().rotate(channel_, nullptr);  // refused unless it is the chair
        one.store.sync();
        return;
      default:
        damage(act);
    }
  }

  // From now on one side of some link drops, doubles, swaps or flips packets.
  void damage(const Act& act) {
    if (links_.empty() || !links_[act.who % links_.size()]->open) return;
    Pair::End& end = links_[act.who % links_.size()]->a;
    end.tamper = [kind = act.amount % 4, every = act.amount % 7 + 1, count = 0,
                  kept = std::vector<Bytes>()](Bytes packet) mutable {
      std::vector<Bytes> out;
      const bool now = ++count % every == 0;
      if (now && kind == 0) return out;
      if (now && kind == 1) out.push_back(packet);
      if (now && kind == 2) packet[packet.size() / 2] ^= 1;
      if (now && kind == 3 && kept.empty()) {
        kept.push_back(std::move(packet));
        return out;
      }
      out.push_back(std::move(packet));
      for (Bytes& late : kept) out.push_back(std::move(late));
      kept.clear();
      return out;
    };
  }

  void heal() {
    for (std::size_t i = 0; i < 3; ++i) cut_between(*parties_[i], *parties_[(i + 1) % 3]);
    meet();
    for (Party* party : parties_) {
      RC_ASSERT(party->replica().frontier(channel_).digest() == parties_[0]->replica().frontier(channel_).digest());
      RC_ASSERT(party->text_set(channel_) == written_);
    }
  }

 private:
  void meet() {
    net_.connect(*parties_[0], *parties_[1]);
    net_.connect(*parties_[1], *parties_[2]);
    RC_ASSERT(net_.run());
    for (std::size_t i = 0; i < 3; ++i) cut_between(*parties_[i], *parties_[(i + 1) % 3]);
  }
  void cut_between(Party& one, Party& other) { net_.cut_between(one, other); }

  Pair net_;
  std::vector<Party*> parties_;
  std::vector<Pair::Connection*> links_;
  ChannelId channel_;
  std::multiset<std::string> written_;
};

TEST(SessionProperty, ReplicasConvergeUnderCutsCrashesAndDamage) {
  const auto property = [] {
    const auto acts = *rc::gen::container<std::vector<Act>>(arbitrary_act());
    History run;
    for (const Act& act : acts) run.act(act);
    run.heal();
  };
  rc::detail::TestParams params;
  params.seed = std::random_device()();
  if (const char* seed = std::getenv("TOCSIN_SEED")) params.seed = std::strtoull(seed, nullptr, 10);
  params.maxSuccess = 20;
  params.maxSize = 30;
  RecordProperty("seed", std::to_string(params.seed));
  const auto result = rc::detail::checkTestable(property, rc::detail::TestMetadata(), params);
  std::ostringstream text;
  rc::detail::printResultMessage(result, text);
  EXPECT_TRUE(result.is<rc::detail::SuccessResult>()) << "TOCSIN_SEED=" << params.seed << "\n" << text.str();
}

}  // namespace
}  // namespace tocsin::protocol
