// A channel with members, made the way people make one.
#pragma once

#include "tests/support/replica_world.h"

namespace tocsin::test {

inline void join(Party& founder, const protocol::ChannelId& id, Party& member,
                 protocol::Role role = protocol::Role::kMember) {
  introduce(founder, member);
  must(founder.replica().invite(id, member.org(), role, nullptr));
  founder.store.sync();
  sync_once(founder, member);
  must(member.replica().accept(id, nullptr));
  member.store.sync();
  sync_once(founder, member);
  sync_once(founder, member);
}

inline protocol::ChannelId make_channel(Party& founder, std::vector<Party*> members,
                                        protocol::NewChannel wanted = {"Early warning", protocol::ChannelClass::kShared,
                                                                       "Purpose: early warning.", 0}) {
  const auto id = must(founder.replica().create_channel(wanted, nullptr));
  founder.store.sync();
  for (Party* member : members) join(founder, id, *member);
  members.push_back(&founder);
  sync_all(members);
  return id;
}

}  // namespace tocsin::test
