// Messages that travel beside the control log: invitations, acceptances, notices, and what a member that misses its
// slot says.
#include "protocol/canonical.h"
#include "protocol/channel_parts.h"
#include "protocol/limits.h"
#include "protocol/names.h"

namespace tocsin::protocol {

// ---- Invitation and acceptance

namespace {

using canonical::take;

Result<std::vector<Bytes>> read_entries(capnp::List<capnp::Data>::Reader in) {
  if (in.size() > kOrgLogEntriesMax) return peer_error(kBadEvent, "an organisation log has at most 4096 entries");
  std::vector<Bytes> out;
  for (const auto entry : in) out.push_back(to_bytes(canonical::view(entry)));
  return out;
}

Result<Invitation> read_invitation(schema::Invitation::Reader in) {
  if (in.getFormatVersion() != kFormatVersion) return peer_error(kBadInvitation, "a version unknown here");
  Invitation out;
  out.genesis = to_bytes(canonical::view(in.getGenesis()));
  out.adding_entry = to_bytes(canonical::view(in.getAddingEntry()));
  out.adding_entry_key = to_bytes(canonical::view(in.getAddingEntryKey()));
  out.epoch_entry = to_bytes(canonical::view(in.getEpochEntry()));
  if (!take(out.genesis_signature, in.getGenesisSignature()) ||
      out.adding_entry_key.size() != crypto::EntryKey::kSize) {
    return peer_error(kBadInvitation, "a field of the invitation has a wrong size");
  }
  TOCSIN_ASSIGN(log, read_entries(in.getChairOrgLog()));
  out.chair_org_log = std::move(log);
  out.certificate = to_bytes(canonical::view(in.getCertificate()));
  return out;
}

Result<Introduction> read_introduction(schema::Introduction::Reader in) {
  if (in.getFormatVersion() != kFormatVersion) return peer_error(kBadInvitation, "a version unknown here");
  Introduction out;
  out.genesis = to_bytes(canonical::view(in.getGenesis()));
  out.epoch_entry = to_bytes(canonical::view(in.getEpochEntry()));
  if (!take(out.genesis_signature, in.getGenesisSignature())) return peer_error(kBadInvitation, "a signature is cut");
  TOCSIN_ASSIGN(log, read_entries(in.getChairOrgLog()));
  out.chair_org_log = std::move(log);
  out.certificate = to_bytes(canonical::view(in.getCertificate()));
  return out;
}

Result<Acceptance> read_acceptance(schema::Acceptance::Reader in) {
  if (in.getFormatVersion() != kFormatVersion) return peer_error(kBadAcceptance, "a version unknown here");
  Acceptance out;
  if (!take(out.channel, in.getChannelId()) || !take(out.org, in.getOrgId()) || !take(out.node, in.getNodeId()) ||
      !take(out.adding_entry, in.getAddingEntry()) || !take(out.terms_digest, in.getTermsDigest())) {
    return peer_error(kBadAcceptance, "a field of the acceptance has a wrong size");
  }
  out.accepted = in.getAccepted();
  out.created = {in.getCreated()};
  TOCSIN_ASSIGN(log, read_entries(in.getOrgLog()));
  out.org_log = std::move(log);
  out.prekeys = to_bytes(canonical::view(in.getPrekeys()));
  return out;
}

void write_entries(capnp::List<capnp::Data>::Builder out, const std::vector<Bytes>& entries) {
  for (unsigned i = 0; i < out.size(); ++i) out.set(i, canonical::data(entries[i]));
}

}  // namespace

Bytes signed_bytes(ByteView message, const crypto::Label& label, const crypto::SigningKey& key) {
  Bytes out;
  out.reserve(crypto::Signature::kSize + message.size());
  append(out, key.sign(label, {message}).view());
  append(out, message);
  return out;
}

bool verify_signed(ByteView bytes, const crypto::Label& label, const crypto::VerifyKey& key,
                   crypto::Verifier& verifier) {
  if (bytes.size() < crypto::Signature::kSize) return false;
  return verifier.verify(key, label, {bytes.subspan(crypto::Signature::kSize)},
                         *crypto::Signature::from(bytes.first(crypto::Signature::kSize)));
}

Bytes encode_invitation(const Invitation& invitation) {
  return canonical::encode<schema::Invitation>([&](schema::Invitation::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setGenesis(canonical::data(invitation.genesis));
    out.setGenesisSignature(canonical::data(invitation.genesis_signature));
    out.setAddingEntry(canonical::data(invitation.adding_entry));
    out.setAddingEntryKey(canonical::data(invitation.adding_entry_key));
    out.setEpochEntry(canonical::data(invitation.epoch_entry));
    write_entries(out.initChairOrgLog(static_cast<unsigned>(invitation.chair_org_log.size())),
                  invitation.chair_org_log);
    if (!invitation.certificate.empty()) out.setCertificate(canonical::data(invitation.certificate));
  });
}

Result<Invitation> decode_invitation(ByteView message) {
  return canonical::decode<schema::Invitation>(message, kInvitationBytesMax, read_invitation);
}

Bytes encode_introduction(const Introduction& introduction) {
  return canonical::encode<schema::Introduction>([&](schema::Introduction::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setGenesis(canonical::data(introduction.genesis));
    out.setGenesisSignature(canonical::data(introduction.genesis_signature));
    out.setEpochEntry(canonical::data(introduction.epoch_entry));
    write_entries(out.initChairOrgLog(static_cast<unsigned>(introduction.chair_org_log.size())),
                  introduction.chair_org_log);
    if (!introduction.certificate.empty()) out.setCertificate(canonical::data(introduction.certificate));
  });
}

Result<Introduction> decode_introduction(ByteView message) {
  return canonical::decode<schema::Introduction>(message, kInvitationBytesMax, read_introduction);
}

Bytes sign_acceptance(const Acceptance& acceptance, const crypto::SigningKey& node_key) {
  const Bytes message = canonical::encode<schema::Acceptance>([&](schema::Acceptance::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setChannelId(canonical::data(acceptance.channel));
    out.setOrgId(canonical::data(acceptance.org));
    out.setNodeId(canonical::data(acceptance.node));
    out.setAddingEntry(canonical::data(acceptance.adding_entry));
    out.setTermsDigest(canonical::data(acceptance.terms_digest));
    out.setAccepted(acceptance.accepted);
    out.setCreated(acceptance.created.ms);
    write_entries(out.initOrgLog(static_cast<unsigned>(acceptance.org_log.size())), acceptance.org_log);
    out.setPrekeys(canonical::data(acceptance.prekeys));
  });
  return signed_bytes(message, crypto::kLabelAcceptance, node_key);
}

Result<Acceptance> decode_acceptance(ByteView signed_acceptance) {
  if (signed_acceptance.size() < crypto::Signature::kSize) return peer_error(kBadAcceptance, "the signature is cut");
  return canonical::decode<schema::Acceptance>(signed_acceptance.subspan(crypto::Signature::kSize), kAcceptanceBytesMax,
                                               read_acceptance);
}

bool verify_acceptance(ByteView signed_acceptance, const crypto::VerifyKey& node_key, crypto::Verifier& verifier) {
  return verify_signed(signed_acceptance, crypto::kLabelAcceptance, node_key, verifier);
}

// ---- Leaving

Bytes sign_leave(const Leave& leave, const crypto::SigningKey& node_key) {
  const Bytes message = canonical::encode<schema::Leave>([&](schema::Leave::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setChannelId(canonical::data(leave.channel));
    out.setOrgId(canonical::data(leave.org));
    out.setNodeId(canonical::data(leave.node));
    out.setEpoch(leave.epoch.value);
    out.setCreated(leave.created.ms);
  });
  return signed_bytes(message, crypto::kLabelLeave, node_key);
}

Result<Leave> decode_leave(ByteView signed_leave) {
  if (signed_leave.size() < crypto::Signature::kSize) return peer_error(kBadLeaveMessage, "the signature is cut");
  return canonical::decode<schema::Leave>(
      signed_leave.subspan(crypto::Signature::kSize), kLeaveBytesMax, [](schema::Leave::Reader in) -> Result<Leave> {
        Leave out;
        out.epoch = {in.getEpoch()};
        out.created = {in.getCreated()};
        if (in.getFormatVersion() != kFormatVersion || !take(out.channel, in.getChannelId()) ||
            !take(out.org, in.getOrgId()) || !take(out.node, in.getNodeId())) {
          return peer_error(kBadLeaveMessage, "a version or size that is not known here");
        }
        return out;
      });
}

bool verify_leave(ByteView signed_leave, const crypto::VerifyKey& node_key, crypto::Verifier& verifier) {
  return verify_signed(signed_leave, crypto::kLabelLeave, node_key, verifier);
}

// ---- Notice

Bytes sign_notice(const Notice& notice, const crypto::SigningKey& chair_node_key) {
  const Bytes message = canonical::encode<schema::Notice>([&](schema::Notice::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setChannelId(canonical::data(notice.channel));
    out.setOrgId(canonical::data(notice.org));
    out.setRole(static_cast<schema::Role>(notice.role));
    out.setEpoch(notice.epoch.value);
    out.setEntryNumber(notice.entry.value);
    out.setEntryHash(canonical::data(notice.entry_hash));
    out.setCreated(notice.created.ms);
    if (notice.decision) write_decision(out.initDecision(), *notice.decision);
  });
  return signed_bytes(message, crypto::kLabelNotice, chair_node_key);
}

Result<Notice> decode_notice(ByteView signed_notice) {
  if (signed_notice.size() < crypto::Signature::kSize) return peer_error(kBadNotice, "the signature is cut");
  return canonical::decode<schema::Notice>(
      signed_notice.subspan(crypto::Signature::kSize), kNoticeBytesMax,
      [](schema::Notice::Reader in) -> Result<Notice> {
        Notice out;
        if (in.getFormatVersion() != kFormatVersion || !take(out.channel, in.getChannelId()) ||
            !take(out.org, in.getOrgId()) || !take(out.entry_hash, in.getEntryHash())) {
          return peer_error(kBadNotice, "a version or size that is not known here");
        }
        out.role = static_cast<Role>(in.getRole());
        out.epoch = {in.getEpoch()};
        out.entry = {in.getEntryNumber()};
        out.created = {in.getCreated()};
        if (in.hasDecision()) {
          TOCSIN_ASSIGN(decision, read_decision(in.getDecision()));
          out.decision = std::move(decision);
        }
        return out;
      });
}

bool verify_notice(ByteView signed_notice, const crypto::VerifyKey& chair_node_key, crypto::Verifier& verifier) {
  return verify_signed(signed_notice, crypto::kLabelNotice, chair_node_key, verifier);
}

// ---- Feed kind 5

Bytes encode_key_missing(const KeyMissing& missing) {
  return canonical::encode<schema::KeyMissing>([&](schema::KeyMissing::Builder out) {
    out.setFormatVersion(kFormatVersion);
    out.setEpoch(missing.epoch.value);
    out.setEpochEntry(canonical::data(missing.epoch_entry));
    out.setNodeId(canonical::data(missing.node));
  });
}

Result<KeyMissing> decode_key_missing(ByteView message) {
  return canonical::decode<schema::KeyMissing>(
      message, kBodyBytesMax, [](schema::KeyMissing::Reader in) -> Result<KeyMissing> {
        KeyMissing out;
        out.epoch = {in.getEpoch()};
        if (in.getFormatVersion() != kFormatVersion || !take(out.epoch_entry, in.getEpochEntry()) ||
            !take(out.node, in.getNodeId())) {
          return peer_error(kBadKeyMissing, "a version or size that is not known here");
        }
        return out;
      });
}

}  // namespace tocsin::protocol
