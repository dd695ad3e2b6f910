@0xe4a1c93b70d2f816;
# What a node keeps about itself, its peers and its channels in the tables of its store. Never leaves the node; the store
# seals names and values under the store key (rule 47). Canonical, so that a damaged record is seen as one.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("tocsin::protocol::schema");

struct SelfRecord {
  # Table local, name "replica.self".
  formatVersion @0 :UInt16;        # 1
  orgId @1 :Data;                  # 32 bytes
  nodeId @2 :Data;                 # 32 bytes
  privateChannel @3 :Data;         # 32 bytes, channel id
}

struct PeerRecord {
  # Table peers, name: organisation id.
  formatVersion @0 :UInt16;        # 1
  state @1 :UInt8;                 # PeerState
  byCard @2 :Bool;                 # false: known by a roster or invitation alone
  localName @3 :Text;              # what this node calls it, at most 200 bytes; may be empty
  nodes @4 :List(Node);            # its nodes of which something is known here
  verified @5 :Bool;               # words were compared once; what a blocked peer goes back to

  struct Node {
    nodeId @0 :Data;               # 32 bytes
    addresses @1 :List(Text);      # newest first
    prekeys @2 :Data;              # signed list (section 3), or empty
    cardIssued @3 :Int64;          # of the newest card seen, milliseconds since 1970 UTC, as claimed; 0: none
  }
}

struct ChannelRecord {
  # Table channels, name: channel id. What stands outside `secrets` is the first tier of secrets (rule 48): with it a locked
  # node checks, relays and stores, but reads nothing.
  formatVersion @0 :UInt16;        # 1
  genesis @1 :Data;                # canonical ChannelGenesis
  genesisSignature @2 :Data;       # 64 bytes
  standing @3 :UInt8;              # ChannelStanding
  state @4 :Data;                  # canonical ControlState of the newest epoch that was opened; empty before
  epochs @5 :List(EpochRecord);    # by rising epoch
  invited @6 :List(Invite);        # open invitations as the newest state and the events since tell
  invitation @7 :Data;             # canonical Invitation that this node got, while it is unanswered or not yet joined
  carrier @8 :Data;                # 32 bytes: organisation that brought it; or empty
  acceptance @9 :Data;             # own signed answer (section 4), or empty
  needsNewer @10 :Bool;            # an unknown control entry is held (rule 16)
  keyMissingTold @11 :UInt64;      # newest epoch for which the own feed carries a `key missing`; 0: none
  runFirst @12 :UInt64;            # first entry of an epoch run that is not complete; 0: none
  secrets @13 :Data;               # keys, sealed under the reading tier; layout: channel_record.cc
  carried @14 :List(Data);         # 32 bytes each: what acceptances the own feed carries (carried_key, replica_mail.cc)
  certificateWraps @15 :List(Data); # 32 bytes each: nodes that got the newest epoch by their certificate's key (rule 32); chair only
  epochSeen @16 :Int64;            # when this node took the newest epoch, milliseconds since 1970 UTC
  pins @17 :List(LocalPin);        # in force, by rising feed
  controlHead @18 :UInt64;         # up to where the control log stands in this record
  controlHash @19 :Data;           # 32 bytes
  controlEpoch @20 :UInt64;        # epoch of that entry
  erasedThrough @21 :UInt64;       # bodies of this epoch and before are past retention and erased (rule 25)
  invitationSeen @22 :Int64;       # when `invitation` came, milliseconds since 1970 UTC: the oldest go first (rule 15); 0: not known

  notices @23 :List(Data);         # chair only: signed notices to organisations that are not in the channel any more (section 4)
  noticeSeen @26 :Int64;           # when that notice came, milliseconds since 1970 UTC
  needsVersion @25 :Text;          # which version of Tocsin that entry asks for; empty: it does not say
  noticeNumber @24 :UInt64;        # control entry that the newest notice to this organisation names; 0: there was none
  terms @27 :List(TermRecord);     # by rising term, the newest last; empty: term 1 alone
  decisions @28 :List(Data);       # canonical Proposals that were decided since the newest epoch
  certificate @29 :Data;           # of the newest term, signed ControlCertificate; empty in term 1
  noticeTerm @30 :UInt32;          # of `noticeNumber`

  struct TermRecord {
    term @0 :UInt32;               # from 1
    controlKey @1 :Data;           # 32 bytes
    chairOrg @2 :Data;             # 32 bytes
    chairNode @3 :Data;            # 32 bytes
    lastNumber @4 :UInt64;         # where it ended; of the newest one 0
    lastHash @5 :Data;             # 32 bytes
  }

  grants @31 :List(Grant);         # history grants in force, by rising organisation (rule 34)
  contributorNotices @32 :List(Data); # signed, the newest of each contributor (rule 24)
  claim @35 :Data;                 # of a contributor: ContributorMail of another chair, while nobody has decided; or empty
  leave @34 :Data;                 # own signed Leave, until the channel is known to have heard of it; or empty
  contribution @33 :Contribution;  # of a contributor: stands in the place of genesis, state and control log

  struct Contribution {
    notice @0 :Data;               # signed ContributorNotice, the newest
    profile @1 :Data;              # canonical ContributorProfile
    epochs @2 :List(Epoch);        # that it was told of, rising

    struct Epoch {
      epoch @0 :UInt64;
      half @1 :Data;               # 32 bytes, X25519
      answerKey @2 :Data;          # 32 bytes, Ed25519
    }
  }

  struct Grant {
    orgId @0 :Data;                # 32 bytes
    fromEpoch @1 :UInt64;          # first epoch that is given
    granted @2 :Int64;             # milliseconds since 1970 UTC, as claimed
  }
  struct LocalPin {
    feed @0 :Data;                 # 32 bytes
    lastNumber @1 :UInt64;         # newest entry that counts; 0: none does
    lastHash @2 :Data;             # 32 bytes
    nodeId @3 :Data;               # 32 bytes
  }

  struct EpochRecord {
    epoch @0 :UInt64;              # from 1
    firstNumber @1 :UInt64;        # of its entries in the control log
    lastNumber @2 :UInt64;         # of its entries; the epoch is in force with it
    accessSeed @3 :Data;           # 32 bytes (rule 35); empty when the epoch was not opened
    firstSeen @4 :Int64;           # when this node took it, milliseconds since 1970 UTC: bodies before it are erased no
                                   # sooner than the retention after that (rule 25); 0: not known
    controlKey @5 :Data;           # 32 bytes: control log that its entries stand in; empty: that of term 1
  }
  struct Invite {
    orgId @0 :Data;                # 32 bytes
    role @1 :UInt16;               # Role, as invited
    name @2 :Text;                 # of the organisation, for screens
    kind @3 :UInt16;               # OrgKind, likewise
    country @4 :Text;              # ISO 3166-1 alpha-3, likewise
    entryNumber @5 :UInt64;        # adding entry; 0: not held here
    entryHash @6 :Data;            # 32 bytes
    entryEpoch @7 :UInt64;         # epoch of the adding entry
    logNumber @8 :UInt64;          # head of its organisation log as the chair held it
    logHash @9 :Data;              # 32 bytes
    controlKey @10 :Data;          # 32 bytes: control log of the adding entry; empty: that of term 1
    tag @11 :Data;                 # 32 bytes: of a contributor; else empty
  }
}

struct ProposalRecord {
  # Table mail, name: channel id, "p", hash of the proposal.
  formatVersion @0 :UInt16;        # 1
  proposal @1 :Data;               # canonical Proposal
  answers @2 :List(Data);          # signed Approvals, at most one of each node
  seen @3 :Int64;                  # when it came, milliseconds since 1970 UTC
  decided @4 :UInt64;              # control entry that enacted it; 0: none did
  decidedEpoch @5 :UInt64;         # of that entry
  needed @6 :UInt16;               # of how many stewards the yes, when it came; 0: not known
  approved @7 :UInt16;             # yes that stand in the decision; 0: not decided, or not known
  lapsed @8 :UInt16;               # LapseCause, where it could not take effect once; 0: none
}

struct FeedRecord {
  # Table local, name "replica.feed/" and the log key.
  formatVersion @0 :UInt16;        # 1
  channelId @1 :Data;              # 32 bytes
  orgId @2 :Data;                  # 32 bytes; empty while no certificate could be opened
  nodeId @3 :Data;                 # 32 bytes; likewise
  generation @4 :UInt32;           # which feed of its node in the channel this is, from 0
  firstAbsent @5 :UInt64;          # first number held whose body never came; 0: none
  checkpointNumber @6 :UInt64;     # own feed: newest checkpoint
  checkpointTime @7 :Int64;        # own feed: when it was written, milliseconds since 1970 UTC
  downTo @8 :UInt64;               # epoch that the copy has still to be grown down to (rule 33); 0: it is complete
}

struct ReceiptRecord {
  # Table receipts, name: channel id and node id. What one node said, merged over its receipts.
  formatVersion @0 :UInt16;        # 1
  orgId @1 :Data;                  # 32 bytes
  counter @2 :UInt64;              # of the newest receipt
  created @3 :Int64;               # of that receipt, milliseconds since 1970 UTC, as claimed
  heads @4 :List(Head);            # by rising log key

  struct Head {
    log @0 :Data;                  # 32 bytes
    number @1 :UInt64;             # newest entry that it holds, with its body
    named @2 :UInt64;              # head that it named last; 0: not known
    hash @3 :Data;                 # 32 bytes: of that head; empty: not known
  }
}
