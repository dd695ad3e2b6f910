#include "tests/hostile/acts.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "crypto/wrap.h"
#include "protocol/entry_peek.h"
#include "protocol/receipt.h"
#include "tests/hostile/forge.h"
#include "tools/founding/must.h"

namespace tocsin::hostile {

using namespace protocol;
using tools::must;
using wire::FrameWriter;
using wire::MessageType;

namespace {

constexpr std::uint16_t kSlot = 0;  // of the channel that an act is about
constexpr int kClosedMs = 2'000;    // a connection over the cap is closed at once; the others live for 20 seconds

// One session of its own, in which `act` speaks once it is open.
Json session(HostileHome& home, const Order& order, const char* step, const std::function<void(Talk&)>& act,
             const std::vector<ChannelId>& more = {}) {
  Talk talk(home, order.target);
  std::vector<ChannelId> channels{order.channel};
  channels.insert(channels.end(), more.begin(), more.end());
  talk.open(channels);
  act(talk);
  talk.settle();
  Json out{{"step", step}};
  out.update(talk.outcome());
  return out;
}

std::vector<Entry> held_entries(HostileHome& home, const LogKey& log) {
  std::vector<Entry> out;
  const auto record = home.replica().log_record(log);
  if (!record) tools::fail("the home holds no such log");
  for (Number number = record->low; number <= record->head; number = number.next())
    if (auto entry = home.replica().read_entry(log, number)) out.push_back(std::move(*entry));
  if (out.empty()) tools::fail("the home holds no entry of that log");
  return out;
}

// The bytes of an entry in the place of another one, as somebody would send it who hopes that nobody looks.
Entry moved_to(const Entry& entry, Number number, const EntryHash& previous, Epoch epoch) {
  auto header = must(EntryHeader::decode(entry.view().header), "header");
  header.number = number;
  header.previous = previous;
  header.epoch = epoch;
  const auto bytes = header.encode();
  return Entry(bytes, entry.view().signature, entry.view().body);
}

// `put` as often as it fits into one frame, at most `times`.
std::function<void(Talk&)> repeat(std::size_t times, std::function<bool(FrameWriter&)> put, int frames = 1) {
  return [=](Talk& talk) {
    for (int frame = 0; frame < frames && talk.is_open(); ++frame)
      talk.say([&](FrameWriter& out) {
        for (std::size_t i = 0; i < times && put(out); ++i) {
        }
      });
  };
}

// Connections that never speak: how many of them the node has closed by itself.
Json silent_connections(const Order& order, std::size_t count) {
  std::vector<pollfd> open;
  for (std::size_t i = 0; i < count; ++i)
    if (auto fd = tools::RawLink::dial(order.target.address)) open.push_back({*fd, POLLIN, 0});
  std::size_t closed = 0;
  // The last came when the others were dealt with: it waits for all.
  for (auto each = open.rbegin(); each != open.rend(); ++each) {
    char byte;
    if (::poll(&*each, 1, closed == 0 ? kClosedMs : 0) > 0 && ::recv(each->fd, &byte, 1, 0) <= 0) ++closed;
  }
  for (const auto& each : open) ::close(each.fd);
  return {{"step", "silent_connections"}, {"opened", open.size()}, {"closed", closed}};
}

}  // namespace

Json fork(HostileHome& home, const Order& order) {
  auto entries = order.branch.empty() ? std::vector<Entry>{} : load(order.branch);
  Forge forge(home, order.channel);
  if (entries.empty()) {
    Chain chain = forge.own_feed();
    for (std::uint64_t i = 0; i < order.count; ++i) {
      const std::string behind = i == 0 ? "" : " " + std::to_string(i + 1);
      entries.push_back(forge.report(chain, order.title + behind, forge.epoch()));
    }
    if (!order.branch.empty()) save(order.branch, entries);
  }
  Json out = session(home, order, "told", [&](Talk& talk) { talk.offer(kSlot, entries); });
  const EntryView last = entries.back().view();
  out["log"] = to_hex(peek_log(last.header));
  out["number"] = peek_number(last.header).value;
  out["hash"] = to_hex(hash_entry(last.header, last.signature).view());
  return Json::array({out});
}

Json past_pin(HostileHome& home, const Order& order) {
  auto entries = load(order.branch);
  if (entries.empty()) tools::fail("--branch names the entries to go on from");
  Forge forge(home, order.channel);
  Chain chain = forge.own_feed();
  Forge::follow(chain, entries.back());
  const Entry more = forge.report(chain, order.title, forge.epoch());
  Json out = Json::array();
  out.push_back(session(home, order, "announced", [&](Talk& talk) {
    auto all = entries;
    all.push_back(more);
    talk.offer(kSlot, all);
  }));
  out.push_back(session(home, order, "unasked", [&](Talk& talk) { talk.push(kSlot, {more}); }));
  return out;
}

Json replay_control(HostileHome& home, const Order& order) {
  const Forge forge(home, order.channel);
  const auto log = forge.state().control_log();
  const auto held = held_entries(home, log);
  const EntryView last = held.back().view();
  const Number next = peek_number(last.header).next();
  Json out = Json::array();
  out.push_back(session(home, order, "unasked", [&](Talk& talk) { talk.push(kSlot, held); }));
  out.push_back(session(home, order, "renumbered", [&](Talk& talk) {
    // Far above what the node holds, whatever it holds: it asks for what lies between.
    std::vector<Entry> again;
    const auto hash = hash_entry(last.header, last.signature);
    for (std::uint64_t i = 0; i < 8; ++i)
      again.push_back(moved_to(held.front(), {next.value + i}, hash, forge.state().head_epoch));
    talk.offer(kSlot, again);
  }));
  out.push_back(session(home, order, "older_head", [&](Talk& talk) { talk.offer(kSlot, {held.front()}); }));
  return out;
}

Json serve_revoked(HostileHome& home, const Order& order) {
  if (!order.log) tools::fail("--log names the log");
  const auto held = held_entries(home, *order.log);
  Json out = Json::array();
  out.push_back(session(home, order, "announced", [&](Talk& talk) { talk.offer_held(kSlot, *order.log); }));
  out.push_back(session(home, order, "unasked", [&](Talk& talk) { talk.push(kSlot, held); }));
  return out;
}

Json flood(HostileHome& home, const Order& order) {
  Json out = Json::array();
  Forge forge(home, order.channel);
  std::vector<Entry> feeds;
  for (std::uint64_t i = 0; i < order.count; ++i) {
    Chain chain = forge.new_feed();
    feeds.push_back(forge.report(chain, order.title + " " + std::to_string(i), forge.epoch()));
  }
  if (!feeds.empty())
    out.push_back(session(home, order, "feeds", [&](Talk& talk) {
      for (const Entry& entry : feeds) talk.offer(kSlot, {entry});
    }));
  const Bytes sealed(100, 1);
  const NodeId own = home.replica().own_node();
  const auto one = [&](const char* step, const std::function<void(Talk&)>& act) {
    out.push_back(session(home, order, step, act));
  };
  one("pings", repeat(1000, [](FrameWriter& w) { return wire::put_number(w, MessageType::kPing, 1); }));
  one("asks", repeat(1500, [](FrameWriter& w) { return wire::put(w, wire::Ask{7, {Prefix{}}}); }));
  one("mail", repeat(
                  100,
                  [&](FrameWriter& w) {
                    return wire::put(w, wire::Mail{1, 0, sealed});
                  },
                  20));
  one("prekeys", repeat(10, [&](FrameWriter& w) { return wire::put_prekeys(w, sealed); }));
  one("credit", repeat(100, [](FrameWriter& w) { return wire::put_credit(w, 0xffffffff); }));
  one("receipts", repeat(100, [&](FrameWriter& w) { return wire::put(w, wire::Receipt{0, {1}, own, 1, sealed}); }));
  one("slots", [&](Talk& talk) {
    for (std::uint32_t round = 1; round < 5000 && talk.is_open(); ++round)
      talk.say([&](FrameWriter& w) {
        wire::put(w, talk.slots({}, round));
        wire::put(w, talk.slots({}, round + 1));
      });
  });
  // Logs of which there is nothing: no want is put again, and nothing of them is kept.
  one("heads", [&](Talk& talk) {
    for (int i = 0; i < 20; ++i)
      talk.say([&](FrameWriter& w) {
        wire::Heads heads{kSlot, {}};
        for (std::size_t n = 0; n < wire::kHeadsLeavesMax; ++n)
          heads.leaves.push_back({crypto::random_fixed<LogKey>(home.random()), LogType::kFeed, {1}, {}});
        wire::put(w, heads);
      });
  });
  out.push_back(silent_connections(order, 20));
  return out;
}

Json foreign_slots(HostileHome& home, const Order& order) {
  Forge forge(home, order.channel);
  const auto& state = forge.state();
  const Epoch epoch = forge.epoch();
  const auto elsewhere = home.replica().private_channel();
  Json out = Json::array();
  // Channels in which the node is not, asked for as if it were: its answers are those to a channel that does not exist.
  out.push_back(
      session(home, order, "other_channels",
              [&](Talk& talk) {
                for (const std::uint16_t slot : {1, 2, 7})
                  for (const LogRecord& record : home.replica().channel_logs(order.channel))
                    talk.say([&](FrameWriter& w) { wire::put(w, wire::Want{slot, record.log, {1}, {0}, {0}}); });
              },
              {elsewhere, crypto::random_fixed<ChannelId>(home.random())}));
  out.push_back(session(home, order, "wrong_round", [&](Talk& talk) {
    talk.say([&](FrameWriter& w) { wire::put(w, talk.slots({order.channel}, 0xffffffff)); });
  }));
  out.push_back(session(home, order, "receipt_of_old_epoch", [&](Talk& talk) {
    Receipt claim;
    claim.channel = order.channel;
    claim.node = home.replica().own_node();
    claim.counter = std::uint64_t{1} << 40;
    claim.control_log = state.control_log();
    claim.control_head = state.head;
    claim.control_hash = state.head_hash;
    claim.created = home.now();
    const auto old = forge.epoch_key(state.first_epoch());
    const Bytes sealed = seal_receipt(claim, state.first_epoch(), old, home.secrets().tier2->signing, home.random());
    talk.say([&](FrameWriter& w) { wire::put(w, wire::Receipt{kSlot, epoch, claim.node, claim.counter, sealed}); });
  }));
  const auto feed = [&](const char* step, const std::function<std::vector<Entry>()>& make) {
    const auto entries = make();
    out.push_back(session(home, order, step, [&](Talk& talk) { talk.offer(kSlot, entries); }));
  };
  feed("epoch_falls", [&] {
    Chain chain = forge.new_feed();
    std::vector<Entry> made{forge.report(chain, "before it falls", epoch)};
    made.push_back(forge.report(chain, "under the old key", state.first_epoch()));
    return made;
  });
  feed("key_of_old_epoch", [&] {
    Chain chain = forge.new_feed();
    const auto old = forge.epoch_key(state.first_epoch());
    return std::vector<Entry>{forge.report(chain, "under the old key, called new", epoch, &old)};
  });
  feed("key_of_other_channel", [&] {
    Chain chain = forge.new_feed();
    const auto other = Forge(home, elsewhere);
    const auto key = Forge(home, elsewhere).epoch_key(other.epoch());
    return std::vector<Entry>{forge.report(chain, "under the key of another channel", epoch, &key)};
  });
  feed("epoch_to_come", [&] {
    Chain chain = forge.new_feed();
    const auto now = forge.epoch_key(epoch);
    return std::vector<Entry>{forge.report(chain, "from the future", {epoch.value + 1000}, &now)};
  });
  // A term of its own: slots for everybody, and nobody's approval.
  feed("term_of_its_own", [&] {
    const auto key = crypto::SigningKey::generate(home.random());
    return forge.control_epoch(key, LogKey{key.verify_key().bytes()}, {1}, {},
                               {(std::uint64_t{9} << 32) | ((epoch.value & 0xffffffff) + 1)});
  });
  return out;
}

Json equivocate(HostileHome& home, const Order& order) {
  Forge forge(home, order.channel);
  const auto& state = forge.state();
  if (!state.is_chair()) tools::fail("the node is not the chair of that channel");
  auto entries = order.branch.empty() ? std::vector<Entry>{} : load(order.branch);
  if (entries.empty())
    entries = forge.control_epoch(*state.control_key, state.control_log(), state.head.next(), state.head_hash,
                                  state.head_epoch.next());
  if (!order.branch.empty()) save(order.branch, entries);
  Json out = session(home, order, "told", [&](Talk& talk) { talk.offer(kSlot, entries); });
  const EntryView last = entries.back().view();
  out["log"] = to_hex(peek_log(last.header));
  out["number"] = peek_number(last.header).value;
  out["hash"] = to_hex(hash_entry(last.header, last.signature).view());
  return Json::array({out});
}

Json take(HostileHome& home, const Order& order) {
  const auto org = home.org_of(order.target.node);
  return Json::array({session(home, order, "asked_for_all", [&](Talk& talk) {
    std::vector<LogKey> logs;
    for (const LogRecord& record : home.replica().channel_logs(order.channel)) logs.push_back(record.log);
    const auto state = home.channel(order.channel);
    for (const auto& member : state.newest->roster) logs.push_back(LogKey{member.org.bytes()});
    if (order.log) logs.push_back(*order.log);
    for (const std::uint16_t slot : {kSlot, wire::kNoChannel}) {
      for (const LogKey& log : logs) {
        // Each side shows the other its own organisation's log, whoever that is: it is on its card.
        if (log == LogKey{home.replica().own_org().id().bytes()} || log == LogKey{org.bytes()}) continue;
        talk.say([&](FrameWriter& w) { wire::put(w, wire::Want{slot, log, {1}, {0}, {0}}); });
      }
      talk.settle();
    }
    talk.say([&](FrameWriter& w) { wire::put(w, wire::Ask{kSlot, {Prefix{}}}); });
    // Keys of the epochs to come, asked for as a member would that had been away (rule 33).
    const auto& nodes = home.replica().org_log(org)->nodes();
    const auto target = wrap_target(nodes.at(order.target.node).certificate, nullptr, 0);
    Bytes request{1, 1};
    const auto append = [&](ByteView bytes) { request.insert(request.end(), bytes.begin(), bytes.end()); };
    append(order.channel.view());
    append(home.replica().own_node().view());
    std::array<std::uint8_t, 20> range{};
    const auto newest = state.newest_epoch();
    store_le64(&range[0], newest.value + 1);
    store_le64(&range[8], newest.value + 30);
    append(range);
    const Bytes envelope =
        must(crypto::seal_to(target.key, crypto::kLabelKeyRequest, order.target.node.view(), request, home.random()),
             "request");
    talk.say([&](FrameWriter& w) {
      wire::put(w, wire::Mail{static_cast<std::uint8_t>(MailKind::kKeyRequest), target.month, envelope});
    });
  })});
}

}  // namespace tocsin::hostile
