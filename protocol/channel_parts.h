// Pieces that several messages of a channel hold. For .cc files of protocol/ alone: it pulls in Cap'n Proto.
#pragma once

#include "protocol/channel.capnp.h"
#include "protocol/channel_messages.h"

namespace tocsin::protocol {

void write_member(schema::Member::Builder out, const RosterMember& member);
// Error (peer): bad_control_state.
Result<RosterMember> read_member(schema::Member::Reader in);

void write_pin(schema::Pin::Builder out, const FeedPin& pin);
// Error (peer): bad_control_state.
Result<FeedPin> read_pin(schema::Pin::Reader in);

void write_decision(schema::ControlEvent::Decision::Builder out, const DecisionEvent& decision);
// Error (peer): bad_control_body.
Result<DecisionEvent> read_decision(schema::ControlEvent::Decision::Reader in);

// signature ‖ message, of everything that a node signs beside the logs.
Bytes signed_bytes(ByteView message, const crypto::Label& label, const crypto::SigningKey& key);
bool verify_signed(ByteView signed_message, const crypto::Label& label, const crypto::VerifyKey& key,
                   crypto::Verifier& verifier);

}  // namespace tocsin::protocol
