// What a channel is, for those who only look. Values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "protocol/identity.h"
#include "protocol/ids.h"

namespace tocsin::protocol {

enum class ChannelClass : std::uint16_t { kUnknown = 0, kShared = 1, kAlert = 2, kPublic = 3, kPrivate = 4 };
enum class Role : std::uint16_t { kUnknown = 0, kSteward = 1, kMember = 2, kReader = 3, kContributor = 4 };
// "shared", "alert", ...; "steward", "member", ...; "unknown" for what a later version added too. parse: nothing for
// another word, "unknown" among them: nobody asks for it.
std::string_view to_string(ChannelClass value);
std::string_view to_string(Role value);
std::optional<ChannelClass> parse_channel_class(std::string_view word);
std::optional<Role> parse_role(std::string_view word);
inline bool may_be_invited_as(Role role) {
  return role == Role::kMember || role == Role::kReader || role == Role::kContributor;
}
inline bool may_read(Role role) { return role == Role::kSteward || role == Role::kMember || role == Role::kReader; }
inline bool may_report(Role role) {
  return role == Role::kSteward || role == Role::kMember || role == Role::kContributor;
}
inline bool may_write(Role role) { return role == Role::kSteward || role == Role::kMember; }

// Where this node stands in a channel.
enum class ChannelStanding : std::uint8_t {
  kInvited = 1,    // an invitation is here, unanswered
  kAccepting = 2,  // accepted; no epoch wrapped to this node yet
  kJoined = 3,     // this node holds the newest epoch's key
  kRemoved = 4,    // the newest epoch does not name this organisation
  kRefused = 5,
};
std::string_view to_string(ChannelStanding value);  // "invited", "accepting", ...

struct MemberInfo {
  OrgId org;
  Role role = Role::kUnknown;
  std::string name;
  OrgKind kind = OrgKind::kUnknown;
  std::string country;
  std::vector<NodeId> nodes;  // certified now, as known here
};

// Older epochs that a member was granted (rule 34).
struct GrantInfo {
  OrgId org;
  std::string name;
  Epoch from;
  Epoch joined;  // it reads the epochs from this one on anyway; 0: not known
  Time granted;  // as claimed
};

struct ChannelInfo {
  ChannelId id;
  ChannelPseudonym pseudonym;
  std::string name;
  ChannelClass channel_class = ChannelClass::kUnknown;
  ChannelStanding standing = ChannelStanding::kInvited;
  Role own_role = Role::kUnknown;
  std::string terms;
  std::uint32_t retention_days = 0;
  Epoch erased_through;  // bodies up to this epoch are past retention and erased here
  Epoch epoch;           // newest held; 0 before the first
  Time epoch_created;    // as claimed by its entry
  Number height;         // head of the newest term's control log
  std::uint32_t term = 1;
  LogKey control_log;           // of that term
  std::vector<OrgId> stewards;  // in order
  std::uint8_t quorum = 1;
  std::optional<ChannelId> successor_of;  // rule 23
  OrgId chair_org;
  NodeId chair_node;
  bool is_chair = false;               // this node writes the control log
  bool hides_governments = false;      // to this organisation, a contributor: governments read it (rules 24, 53)
  std::optional<OrgId> claimed_chair;  // likewise: who says that it leads it now, and waits for a yes
  bool key_missing = false;            // the newest epoch has no slot for this node (rule 29)
  bool needs_newer = false;            // an unknown control entry stopped writing (rule 16)
  std::string needs_version;           // which version of Tocsin it asks for; empty: it does not say
  std::vector<MemberInfo> members;
  std::vector<MemberInfo> invited;
  std::vector<GrantInfo> grants;
};

}  // namespace tocsin::protocol
