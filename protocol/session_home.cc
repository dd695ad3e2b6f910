// A home that was copied, moved or set back meets a peer (rule 21): what the peer shows of this node's own logs.
#include <algorithm>

#include "protocol/session_impl.h"

namespace tocsin::protocol {

// The peer said that it holds more of an own log. It is fetched like any other; until it is here, nothing that this
// node writes may stand under the same numbers.
void Session::Impl::note_own_head(const Leaf& leaf) {
  if (replica.is_own_log(leaf.log)) replica.note_higher(leaf.log, leaf.head, config.peer_node);
}

// Once nothing is left to be compared or fetched. Where something of this node's own came, it is compared anew: what is
// confirmed is that the peer holds no more than this home does.
void Session::Impl::confirm_home() {
  for (const auto& [id, channel] : channels) {
    if (channel.peer_slot && channel.compared && replica.awaits_comparison(id) && nothing_to_fetch() && !over) {
      replica.note_compared(id);
    }
  }
  if (!replica.home_in_doubt() || over || done_sent || done_received || !nothing_to_fetch()) return;
  const bool compared =
      std::ranges::any_of(channels, [](const auto& each) { return each.second.peer_slot && each.second.compared; });
  if (!compared) return;
  const bool higher = std::ranges::any_of(targets, [this](const auto& each) {
    return replica.is_own_log(each.first) && each.second.leaf.head > replica.accepted_head(each.first);
  });
  if (higher) return;
  if (own_taken_before != replica.own_entries_taken()) return new_round();
  replica.home_confirmed_by(config.peer_node);
}

}  // namespace tocsin::protocol
