// A control log written by hand with the chair's keys, so that tests can write what no honest chair would.
#pragma once

#include <functional>

#include "protocol/channel.h"
#include "protocol/entry_sign.h"
#include "tests/support/replica_world.h"

namespace tocsin::test {

inline protocol::ChannelState stored_channel(Party& party, const protocol::ChannelId& channel) {
  const Bytes record = must(party.replica().get_record(protocol::Table::kChannels, channel.view()));
  return must(protocol::decode_channel_record(record, party.secrets())).state;
}

// One more epoch on top of what the chair's store holds; `alter` changes the state that it tells, and each of `targets`
// gets the key by its nodes' certificates.
inline std::vector<protocol::Entry> forge_epoch(Party& chair, const protocol::ChannelId& channel,
                                                const std::vector<Party*>& targets,
                                                const std::function<void(protocol::ControlState&)>& alter) {
  using namespace protocol;
  const ChannelState held = stored_channel(chair, channel);
  ControlState state = *held.newest;
  state.epoch = held.head_epoch.next();
  alter(state);
  std::vector<WrapTarget> wraps;
  for (Party* target : targets) {
    for (const auto& [node, certified] : target->log().nodes()) {
      wraps.push_back(wrap_target(certified.certificate, nullptr, 0));
    }
  }
  EntryHeader header;
  header.type = LogType::kControl;
  header.number = held.head.next();
  header.epoch = state.epoch;
  header.log = held.control_log();
  header.channel = held.genesis->pseudonym;
  header.previous = held.head_hash;
  const EpochPlace place{channel, state.epoch, header.log, header.number, header.previous};
  const auto key = crypto::EpochKey::random(chair.random());
  std::vector<Entry> out;
  for (const Bytes& body : must(make_epoch_bodies(place, key, encode_control_state(state), wraps, chair.random()))) {
    out.push_back(sign_entry(header, body, *held.control_key));
    header.number = header.number.next();
    header.previous = hash_entry(out.back().view().header, out.back().view().signature);
  }
  return out;
}

// One more event of its newest epoch.
inline protocol::Entry forge_event(Party& chair, const protocol::ChannelId& channel,
                                   const protocol::ControlEvent& event) {
  using namespace protocol;
  const ChannelState held = stored_channel(chair, channel);
  EntryHeader header;
  header.type = LogType::kControl;
  header.number = held.head.next();
  header.epoch = held.newest_epoch();
  header.log = held.control_log();
  header.channel = held.genesis->pseudonym;
  header.previous = held.head_hash;
  ControlBody body;
  body.kind = ControlBody::kEvent;
  body.sealed = seal_control(*held.epochs.at(header.epoch).key, channel, header.epoch, header.log, header.number,
                             encode_control_event(event, {}), chair.random());
  return sign_entry(header, encode_control_body(body), *held.control_key);
}

inline Result<void> give_control(Party& to, const protocol::ChannelId& channel,
                                 const std::vector<protocol::Entry>& entries) {
  using namespace protocol;
  const EntryView first = entries.front().view();
  TOCSIN_ASSIGN(receiver, to.replica().receive(channel, *LogKey::from(peek_log(first.header)), LogType::kControl,
                                               peek_number(first.header), std::nullopt));
  for (const Entry& entry : entries) {
    const EntryView view = entry.view();
    TOCSIN_TRY(receiver.add(view.signature, {load_le64(&view.header[16])}, view.body));
  }
  TOCSIN_TRY(receiver.commit(nullptr));
  to.store.sync();
  return kOk;
}

}  // namespace tocsin::test
