#include "protocol/channel_info.h"

#include <array>
#include <utility>

namespace tocsin::protocol {
namespace {

template <class Value, std::size_t N>
std::string_view word_of(const std::array<std::pair<Value, std::string_view>, N>& words, Value value) {
  for (const auto& [known, word] : words) {
    if (known == value) return word;
  }
  return "unknown";
}

template <class Value, std::size_t N>
std::optional<Value> value_of(const std::array<std::pair<Value, std::string_view>, N>& words, std::string_view word) {
  for (const auto& [value, known] : words) {
    if (known == word) return value;
  }
  return std::nullopt;
}

constexpr std::array<std::pair<ChannelClass, std::string_view>, 4> kClasses{{{ChannelClass::kShared, "shared"},
                                                                             {ChannelClass::kAlert, "alert"},
                                                                             {ChannelClass::kPublic, "public"},
                                                                             {ChannelClass::kPrivate, "private"}}};
constexpr std::array<std::pair<Role, std::string_view>, 4> kRoles{{{Role::kSteward, "steward"},
                                                                   {Role::kMember, "member"},
                                                                   {Role::kReader, "reader"},
                                                                   {Role::kContributor, "contributor"}}};
constexpr std::array<std::pair<ChannelStanding, std::string_view>, 5> kStandings{
    {{ChannelStanding::kInvited, "invited"},
     {ChannelStanding::kAccepting, "accepting"},
     {ChannelStanding::kJoined, "joined"},
     {ChannelStanding::kRemoved, "removed"},
     {ChannelStanding::kRefused, "refused"}}};

}  // namespace

std::string_view to_string(ChannelClass value) { return word_of(kClasses, value); }
std::string_view to_string(Role value) { return word_of(kRoles, value); }
std::string_view to_string(ChannelStanding value) { return word_of(kStandings, value); }
std::optional<ChannelClass> parse_channel_class(std::string_view word) { return value_of(kClasses, word); }
std::optional<Role> parse_role(std::string_view word) { return value_of(kRoles, word); }

}  // namespace tocsin::protocol
