@0xad8523ab91d6afd7;
# What an organisation's nodes tell each other about its own people, in its private channel and nowhere else (docs/protocol.md,
# section 6). Canonical, single-segment, unpacked (rule 5). The feed proves the organisation and the node; who the person was is
# the organisation's own claim. Fields are only ever added, at the end.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("tocsin::protocol::schema");

struct PeopleRecord {
  # Feed kind 6. Of all records of one id one is in force: a removal before anything else, then the latest `written`, then
  # the greatest bytes.
  formatVersion @0 :UInt16;        # 1
  written @1 :Int64;               # milliseconds since 1970 UTC, as claimed; later than that of the record it replaces
  by @2 :Text;                     # name of the user who did it; "owner": the owner of the node's home
  union {
    user @3 :User;
    token @4 :Token;
  }

  struct User {
    userId @0 :Data;               # 16 random bytes, never used again
    name @1 :Text;                 # a line of at most 200 bytes
    role @2 :UInt16;               # UserRole
    removed @3 :Bool;              # for good
    passwordSalt @4 :Data;         # 16 bytes; empty: no password, tokens alone
    passwordOps @5 :UInt32;        # Argon2id
    passwordMemoryKib @6 :UInt32;
    passwordHash @7 :Data;         # 32 bytes, or empty
    created @8 :Int64;             # as claimed
  }
  struct Token {
    tokenId @0 :Data;              # 16 random bytes, never used again
    userId @1 :Data;               # 16 bytes
    secretHash @2 :Data;           # 32 bytes: H_{tocsin usertoken}(the token's 32 random bytes)
    scope @3 :UInt16;              # TokenScope
    created @4 :Int64;             # as claimed
    expires @5 :Int64;
    removed @6 :Bool;              # revoked, for good
  }
}

struct AuditRecord {
  # Feed kind 7. An act that succeeded. Never what a report says, a secret, or a source.
  formatVersion @0 :UInt16;        # 1
  userId @1 :Data;                 # 16 bytes; empty: the owner of the node's home
  userName @2 :Text;
  at @3 :Int64;                    # milliseconds since 1970 UTC, as claimed
  act @4 :Text;                    # such as "Invite a verified peer"
  names @5 :List(Text);            # what it was done to, as it was called
  outcome @6 :UInt16;              # AuditOutcome
}

struct WaitingRecord {
  # Feed kind 11. What one person wants to share and a second has to release. Of all records of one id one is in force: a decision
  # before anything else, then the latest `written`, then the greatest bytes.
  formatVersion @0 :UInt16;        # 1
  waitingId @1 :Data;              # 16 random bytes
  written @2 :Int64;               # milliseconds since 1970 UTC, as claimed
  state @3 :UInt16;                # WaitingState
  subject @4 :Data;                # 32 bytes: the report that people name
  correction @5 :Data;             # 32 bytes: what is to be shared, where it is a correction of the subject or a note about it; else empty
  channels @6 :List(Data);         # 32 bytes each, at most 256: where it is to go
  askedById @7 :Data;              # 16 bytes: user; empty: the owner of the node's home
  askedBy @8 :Text;                # name of that user
  askedAt @9 :Int64;               # milliseconds since 1970 UTC, as claimed
  decidedById @10 :Data;           # as askedById, once it is decided
  decidedBy @11 :Text;
  earlierAskers @12 :List(Data);   # as askedById, at most 64, each once: who asked for it before, in other words; none of them releases it
  version @13 :Data;               # 32 bytes: the correction of the subject that was in force when this was asked; empty: as first written
  readers @14 :Data;               # 32 bytes: hash of who read in those channels when this was asked (docs/protocol.md); empty: not said
  untilHome @15 :Data;             # 32 bytes: node whose home is in doubt (rule 21); once that is over it sends this by itself; empty: a second person is needed
}
