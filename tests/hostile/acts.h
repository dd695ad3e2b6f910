// What a member that has turned hostile does, one act against one node. Each answers an object for each step: what it
// was, and Talk::outcome.
#pragma once

#include <string>

#include "tests/hostile/talk.h"

namespace tocsin::hostile {

struct Order {
  Target target;
  protocol::ChannelId channel;
  std::string title = "forged";
  std::uint64_t count = 1;
  std::string branch;  // file of entries that are told again
  std::optional<protocol::LogKey> log;
};

// Writes `count` reports behind what the store holds, under numbers that may have been given out elsewhere, and tells
// the node. With a branch file: keeps them there, or tells again what it holds (rule 12).
Json fork(HostileHome& home, const Order& order);
// Goes on behind the branch in the file, pin or no pin (rule 20).
Json past_pin(HostileHome& home, const Order& order);
// Control entries of the channel once more: unasked, under the next number, as an older head (rules 8, 39).
Json replay_control(HostileHome& home, const Order& order);
// The log `log`, whoever has taken anything in it back: announced, and unasked (rules 11, 47).
Json serve_revoked(HostileHome& home, const Order& order);
// `count` feeds of its own; then pings, asks, mail, prekeys, credit, heads, receipts without end, and connections that
// say nothing (rules 15, 45).
Json flood(HostileHome& home, const Order& order);
// Slots, receipts, feeds and control entries made with keys of other epochs and other channels (rules 27, 28, 36).
Json foreign_slots(HostileHome& home, const Order& order);
// As chair: one more epoch, another one at each call (rule 12).
Json equivocate(HostileHome& home, const Order& order);
// Asks for everything that the home knows of, and for the keys of epochs to come (rules 33, 35).
Json take(HostileHome& home, const Order& order);

}  // namespace tocsin::hostile
