@0x9d7c2a41e8f35b02;
# Channels: genesis, control log, invitation, acceptance, feed certificate, receipt (docs/protocol.md, sections 4, 6, 7; rules
# 13, 22 to 35). Everything here is signed, hashed or sealed: canonical single segments only (rule 5).

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("tocsin::protocol::schema");

enum ChannelClass {
  unknown @0;
  shared @1;                       # the ordinary channel
  alert @2;                        # the mass-atrocities alert channel: synced first, its readers' inboxes on top
  public @3;                       # what is meant for publication
  private @4;                      # an organisation's own nodes
}

enum Role {
  unknown @0;
  steward @1;                      # member that approves changes
  member @2;                       # reads and writes
  reader @3;                       # reads
  contributor @4;                  # writes, sees nobody (rule 24)
}

struct ChannelGenesis {
  # Its hash is the channel id, which is secret.
  formatVersion @0 :UInt16;        # 1
  random @1 :Data;                 # 32 random bytes: they make the id unguessable
  network @2 :Text;                # as in OrgGenesis
  name @3 :Text;                   # 1 to 200 bytes; known to members and invited only
  class @4 :ChannelClass;          # how it behaves; never changes
  terms @5 :Text;                  # purpose, handling, contact; what an accepting organisation signs; at most 8,192 bytes
  termsDigest @6 :Data;            # 32 bytes: hash of `terms` (rule 25)
  retentionDays @7 :UInt32;        # bodies older than this are erased; 0: kept
  stewards @8 :List(Data);         # organisation ids in order; the chair of term t is number t mod n (rule 22)
  quorum @9 :UInt8;                # k of n stewards; 1 of 1, or n >= 3 and n/2 < k <= n-1
  chairOrg @10 :Data;              # 32 bytes: organisation of the first chair
  chairNode @11 :Data;             # 32 bytes: its node, whose signature stands beside the genesis
  controlKey @12 :Data;            # 32 bytes, Ed25519: writes the control log of term 1
  created @13 :Int64;              # milliseconds since 1970 UTC, as claimed
}

struct ControlCertificate {
  # In the first entry of the control log of every term after the first (rule 22).
  formatVersion @0 :UInt16;        # 1
  channelId @1 :Data;              # 32 bytes
  term @2 :UInt32;                 # 2 and up
  controlKey @3 :Data;             # 32 bytes
  chairOrg @4 :Data;               # 32 bytes
  chairNode @5 :Data;              # 32 bytes
  lastKey @6 :Data;                # 32 bytes: control log of the term before
  lastNumber @7 :UInt64;           # its last entry that counts
  lastHash @8 :Data;               # 32 bytes
  approvals @9 :List(Data);        # k steward approvals, each a 64-byte signature and a canonical Approval
  proposal @10 :Data;              # canonical Proposal of this term, which they approve
}

struct StewardSet {
  # Who decides, in order (rule 22). Its hash, with the epoch it is in force from, is what proposals and approvals name.
  stewards @0 :List(Data);         # organisation ids; the chair of term t is number t mod n
  quorum @1 :UInt8;                # k of n, as in ChannelGenesis
}

struct Proposal {
  # What a steward asks the others to decide (rule 22). It travels in that steward's feed; its hash names it.
  formatVersion @0 :UInt16;        # 1
  channelId @1 :Data;              # 32 bytes
  stewardSet @2 :Data;             # 32 bytes: hash of the set that decides; another set lapses it
  orgId @3 :Data;                  # 32 bytes: the steward that proposes
  nodeId @4 :Data;                 # 32 bytes: its node
  created @5 :Int64;               # milliseconds since 1970 UTC, as claimed
  reason @6 :Text;                 # for those who decide, at most 500 bytes
  union {
    none @7 :Void;                 # also what a change of a later version reads as
    invite @8 :Member;             # whom, and as what
    remove @9 :Data;               # organisation id
    stewards @10 :StewardSet;      # the set from the next epoch on; all of them members by then
    chair @11 :Chair;              # who leads the next term
    historyGrant @12 :ControlEvent.HistoryGrant; # rule 34
    pin @13 :Pin;                  # which branch of a forked feed counts, and up to where (rule 12)
  }

  struct Chair {
    term @0 :UInt32;               # rises
    orgId @1 :Data;                # 32 bytes: steward (term mod n)
    nodeId @2 :Data;               # 32 bytes: its node, which makes the key of that term's control log
  }
}

struct Approval {
  # One steward's yes or no to one proposal (rule 22).
  formatVersion @0 :UInt16;        # 1
  channelId @1 :Data;              # 32 bytes
  proposal @2 :Data;               # 32 bytes: hash of the canonical Proposal
  stewardSet @3 :Data;             # 32 bytes: hash of the set in force; another set lapses it
  orgId @4 :Data;                  # 32 bytes: the steward
  nodeId @5 :Data;                 # 32 bytes: its node that signs
  approve @6 :Bool;                # true: yes
  reason @7 :Text;                 # at most 500 bytes
  headNumber @8 :UInt64;           # highest control entry that the steward holds
  headHash @9 :Data;               # 32 bytes
  headLog @10 :Data;               # 32 bytes: the control log that it stands in
}

struct ControlBody {
  # Body of a control log entry: what a relay may see, and the sealed rest.
  formatVersion @0 :UInt16;        # 1
  kind @1 :UInt16;                 # 1 epoch, 2 event; unknown kinds stop writing in the channel (rule 16)
  epoch @2 :EpochPublic;           # for kind 1
  sealed @3 :Data;                 # sealed body (section 6): ControlState for kind 1, ControlEvent for kind 2
  certificate @4 :Data;            # first entry of a later term: 64-byte signature and canonical ControlCertificate, sealed for who
                                   # knows the channel id (section 4, Terms)
  needs @5 :Text;                  # of a kind that came after format version 1: the first version of Tocsin that knows it, for
                                   # those that do not (rule 16); a line of at most 32 bytes
}

struct EpochPublic {
  accessKey @0 :Data;              # 32 bytes, Ed25519: who can sign with it knows the epoch key (rule 35)
  commitment @1 :Data;             # 32 bytes: commitment to the epoch key (rule 29)
  ephemeralKey @2 :Data;           # 32 bytes, X25519: serves all slots of this entry (rule 31)
  slots @3 :Data;                  # n * 104 bytes: shuffled wraps and random ones, n a power of two from 8 to 1,024
  part @4 :UInt16;                 # 1 to parts (rule 31)
  parts @5 :UInt16;                # 1 for an epoch that fits one entry
}

struct Member {
  orgId @0 :Data;                  # 32 bytes
  role @1 :Role;                   # what it may do
  logNumber @2 :UInt64;            # head of its organisation log as the chair holds it
  logHash @3 :Data;                # 32 bytes
  name @4 :Text;                   # from its genesis: for screens before its log has arrived
  kind @5 :UInt16;                 # OrgKind of its genesis, likewise
  country @6 :Text;                # likewise
  since @7 :UInt64;                # epoch that it stands in the roster from, without a break; 0: not known (rule 33)
  historyFrom @8 :UInt64;          # first older epoch that it was granted (rule 34); 0: none
  historyGranted @9 :Int64;        # when that was, milliseconds since 1970 UTC, as claimed by the chair
  tag @10 :Data;                   # 32 random bytes, of a contributor alone: what its sessions find the channel by (rule 24)
}

struct Pin {
  # Where a feed ends for good (rule 20).
  feed @0 :Data;                   # 32 bytes
  lastNumber @1 :UInt64;           # newest entry that counts; 0: none does
  lastHash @2 :Data;               # 32 bytes; zero with number 0
  nodeId @3 :Data;                 # 32 bytes: whose feed it was
}

struct ControlState {
  # The whole state of a channel at the start of an epoch: a joiner starts here (rule 29).
  formatVersion @0 :UInt16;        # 1
  genesis @1 :Data;                # canonical ChannelGenesis
  genesisSignature @2 :Data;       # 64 bytes by the first chair's node
  epoch @3 :UInt64;                # of this entry, from 1
  term @4 :UInt32;                 # of the chair, from 1
  roster @5 :List(Member);         # members, readers and contributors; ordered by organisation id
  stewards @6 :List(Data);         # in order
  quorum @7 :UInt8;                # k of n stewards, as in ChannelGenesis
  invited @8 :List(Member);        # invited and not yet accepted
  pins @9 :List(Pin);              # in force, in full
  reason @10 :EpochReason;         # why the key is new (rule 27)
  created @11 :Int64;              # milliseconds since 1970 UTC, as claimed
  successorOf @12 :Data;           # channel id that this one follows (rule 23), or empty
  stewardsSince @13 :UInt64;       # epoch from which the stewards are in force; 0: from the genesis
  decided @14 :List(Data);         # 32 bytes each, rising: proposals that this set has decided; each takes effect once
  terms @15 :List(Term);           # those before this one, from 1; a joiner learns here where each ended
  left @16 :List(Data);            # signed Leave of each organisation that is out of the roster by its own will since the epoch before
}

struct Term {
  # A term that is over (rule 22).
  controlKey @0 :Data;             # 32 bytes: its control log
  chairOrg @1 :Data;               # 32 bytes
  chairNode @2 :Data;              # 32 bytes
  lastNumber @3 :UInt64;           # its last entry that counts
  lastHash @4 :Data;               # 32 bytes
  term @5 :UInt32;                 # from 1; some may have been passed over
}

enum EpochReason {
  unknown @0;
  genesis @1;
  joined @2;
  nodeAdded @3;
  removed @4;
  revoked @5;
  stewards @6;
  age @7;                          # 30 days
  missingSlot @8;                  # a member could not open its slot (rule 29)
  branch @9;                       # a pin chose the branch of a feed that forked (rule 12)
}

struct ControlEvent {
  formatVersion @0 :UInt16;        # 1
  created @1 :Int64;               # milliseconds since 1970 UTC, as claimed
  union {
    none @2 :Void;                 # also what an event of a later version reads as
    invite @3 :Member;             # the adding entry (rule 26)
    cancelInvite @4 :Data;         # organisation id
    decision @5 :Decision;         # what k stewards approved, and takes effect with this entry, or the next epoch (rule 22)
    unused @6 :Void;               # never written
    historyGrant @7 :HistoryGrant; # rule 34
    contributors @9 :List(Data);   # signed ContributorNotices, at most 64 of one event (rule 24)
  }
  needs @8 :Text;                  # as in ControlBody, of an event

  struct Decision {
    proposal @0 :Data;             # canonical Proposal
    approvals @1 :List(Data);      # k, as in ControlCertificate
  }
  struct HistoryGrant {
    orgId @0 :Data;                # 32 bytes: who is given old epochs
    fromEpoch @1 :UInt64;          # first epoch that is given, from 1
    approvals @2 :List(Data);      # k steward approvals, as in ControlCertificate
  }
}

struct Invitation {
  # What an invited node needs to decide and to check (rule 26). Sealed to it.
  formatVersion @0 :UInt16;        # 1
  genesis @1 :Data;                # canonical ChannelGenesis
  genesisSignature @2 :Data;       # 64 bytes
  addingEntry @3 :Data;            # entry byte string of the `invite` event
  addingEntryKey @4 :Data;         # 32 bytes: opens that entry alone
  epochEntry @5 :Data;             # entry byte string of the newest epoch entry
  chairOrgLog @6 :List(Data);      # organisation log of the chair's organisation, entry byte strings
  certificate @7 :Data;            # of a later term: 64-byte signature and canonical ControlCertificate
}

struct Introduction {
  # What a node tells a further node of its own organisation about a channel that both belong to (rules 27, 33). Sealed to it.
  formatVersion @0 :UInt16;        # 1
  genesis @1 :Data;                # canonical ChannelGenesis
  genesisSignature @2 :Data;       # 64 bytes
  epochEntry @3 :Data;             # entry byte string, without its body, of the first entry of the newest epoch
  chairOrgLog @4 :List(Data);      # as in Invitation
  certificate @5 :Data;            # as in Invitation
}

struct Acceptance {
  # Signed answer to an invitation (rules 25, 26).
  formatVersion @0 :UInt16;        # 1
  channelId @1 :Data;              # 32 bytes
  orgId @2 :Data;                  # 32 bytes: who answers
  nodeId @3 :Data;                 # 32 bytes: its node, which signs
  addingEntry @4 :Data;            # 32 bytes: hash of the entry that is answered
  termsDigest @5 :Data;            # 32 bytes: the terms agreed to
  accepted @6 :Bool;               # false: declined
  created @7 :Int64;               # milliseconds since 1970 UTC, as claimed
  orgLog @8 :List(Data);           # the own organisation log, entry byte strings, so that the chair knows every node
  prekeys @9 :Data;                # 64-byte signature and canonical PrekeyList of the signing node; may be empty
}

struct Leave {
  # What an organisation signs that leaves a channel of its own will (rule 23).
  formatVersion @0 :UInt16;        # 1
  channelId @1 :Data;              # 32 bytes
  orgId @2 :Data;                  # 32 bytes: who leaves
  nodeId @3 :Data;                 # 32 bytes: its node, which signs
  epoch @4 :UInt64;                # newest epoch that it knows of: who joins again later has not left by it
  created @5 :Int64;               # milliseconds since 1970 UTC, as claimed
}

struct Notice {
  # What the chair tells an organisation about its own standing, beside the control log: who was dropped cannot open the entry
  # that drops it. Signed by the chair's node, sealed to each node of whom it is about.
  formatVersion @0 :UInt16;        # 1
  channelId @1 :Data;              # 32 bytes
  orgId @2 :Data;                  # 32 bytes: whom it is about
  role @3 :Role;                   # its role from then on; unknown: none, it was removed or its invitation taken back
  epoch @4 :UInt64;                # of that control entry
  entryNumber @5 :UInt64;          # last control entry of the change; an older notice never overrides what is newer
  entryHash @6 :Data;              # 32 bytes: hash of that entry
  created @7 :Int64;               # milliseconds since 1970 UTC, as claimed
  decision @8 :ControlEvent.Decision; # where several stewards decide: that they removed it
}

struct ContributorProfile {
  # What every contributor of a channel is told of it (rule 24). Its hash stands in the notices.
  formatVersion @0 :UInt16;        # 1
  channelId @1 :Data;              # 32 bytes
  network @2 :Text;                # as in OrgGenesis
  name @3 :Text;                   # 1 to 200 bytes
  class @4 :ChannelClass;          # as in the genesis
  terms @5 :Text;                  # what an accepting organisation signs; at most 8,192 bytes
  retentionDays @6 :UInt32;        # bodies older than this are erased; 0: kept
}

enum ContributorStanding {
  unknown @0;
  invited @1;
  contributor @2;
  none @3;                         # it was removed, or its invitation taken back
}

struct ContributorNotice {
  # What the chair tells a contributor, in the place of control log and roster (rule 24). Signed by the chair's node;
  # stands in the control log, sealed, so that any member can carry it.
  formatVersion @0 :UInt16;        # 1
  channelId @1 :Data;              # 32 bytes
  orgId @2 :Data;                  # 32 bytes: whom it is about
  standing @3 :ContributorStanding;
  term @4 :UInt32;                 # of the chair, from 1
  counter @5 :UInt32;              # rises with each notice to this organisation in an epoch; (epoch, counter) orders notices
  epoch @6 :UInt64;                # newest epoch
  half @7 :Data;                   # 32 bytes, X25519: what it seals to; zero for who is no contributor
  answerKey @8 :Data;              # 32 bytes, Ed25519: signs answers in this epoch; likewise
  tag @9 :Data;                    # 32 bytes, as in Member
  profile @10 :Data;               # 32 bytes: hash of the ContributorProfile
  addingEntry @11 :Data;           # 32 bytes: hash of the entry that invited it; zero once it has joined
  chairOrg @12 :Data;              # 32 bytes: of the node that signs
  chairNode @13 :Data;             # 32 bytes
  governments @14 :Bool;           # at least one government is among the readers (rule 53)
  created @15 :Int64;              # milliseconds since 1970 UTC, as claimed
  since @16 :UInt64;               # epoch that it contributes from, without a break; 0 unless it does
}

struct ContributorMail {
  # A notice on its way (mail kind 7). Sealed to a node of the organisation that it is about.
  formatVersion @0 :UInt16;        # 1
  notice @1 :Data;                 # 64-byte signature and canonical ContributorNotice
  profile @2 :Data;                # canonical ContributorProfile
  chairOrgLog @3 :List(Data);      # end of the organisation log of the chair's organisation, entry byte strings
}

struct Answer {
  # What a channel says to a contributor about a report of its (feed kind 14; mail kind 8). Signed by the epoch's answer key:
  # by somebody who reads the channel, without saying who.
  formatVersion @0 :UInt16;        # 1
  channelId @1 :Data;              # 32 bytes
  toOrg @2 :Data;                  # 32 bytes: the contributor
  report @3 :Data;                 # 32 bytes: report id
  epoch @4 :UInt64;                # whose answer key signs
  text @5 :Text;                   # 1 to 4,096 bytes
  created @6 :Int64;               # milliseconds since 1970 UTC, as claimed
}

struct FeedCertificate {
  # Whose feed this is. Sealed in the first entry of each epoch (rule 28).
  formatVersion @0 :UInt16;        # 1
  channelId @1 :Data;              # 32 bytes
  orgId @2 :Data;                  # 32 bytes
  nodeId @3 :Data;                 # 32 bytes
  feedKey @4 :Data;                # 32 bytes: the log key
  generation @5 :UInt32;           # rises when a node must start another feed in the channel (rule 21); the highest is live
  created @6 :Int64;               # milliseconds since 1970 UTC, as claimed
}

struct Receipt {
  # "I hold these logs up to here" (rule 13).
  formatVersion @0 :UInt16;        # 1
  channelId @1 :Data;              # 32 bytes
  nodeId @2 :Data;                 # 32 bytes
  counter @3 :UInt64;              # rises by one with each receipt of this node in this channel
  controlKey @4 :Data;             # 32 bytes: control log of the newest term held
  controlNumber @5 :UInt64;        # its newest entry held
  controlHash @6 :Data;            # 32 bytes
  frontier @7 :Data;               # 32 bytes: digest of all heads (section 8)
  heads @8 :List(Head);            # those that changed since the last receipt; at most 512, the rest with the next
  created @9 :Int64;               # milliseconds since 1970 UTC, as claimed

  struct Head {
    log @0 :Data;                  # 32 bytes
    headNumber @1 :UInt64;         # newest header held
    headHash @2 :Data;             # 32 bytes
    bodyNumber @3 :UInt64;         # bodies are held without a gap from the start of the copy up to here
  }
}

struct KeyMissing {
  # A member that found no slot, or one that does not match, tells the chair (rule 29).
  formatVersion @0 :UInt16;        # 1
  epoch @1 :UInt64;                # whose slot is missing
  epochEntry @2 :Data;             # 32 bytes: hash of the epoch entry
  nodeId @3 :Data;                 # 32 bytes
}
