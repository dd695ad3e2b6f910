@0xc3f0a86d51e72b94;
# Bodies that their author's organisation takes back, and what each node says of having erased them (docs/protocol.md, section 6;
# rules 8, 25, 47). Canonical, single-segment, unpacked (rule 5). Fields are only ever added, at the end.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("tocsin::protocol::schema");

struct ErasureOrder {
  # Feed kind 8, and beside an entry whose body was erased for it: signature (64 bytes, tocsin.v1.erasure, by the signing key of
  # nodeId) ‖ this message. Of one entry.
  formatVersion @0 :UInt16;        # 1
  channelId @1 :Data;              # 32 bytes
  orgId @2 :Data;                  # 32 bytes: the organisation that the feed belongs to
  nodeId @3 :Data;                 # 32 bytes: a node of that organisation, which signs
  feed @4 :Data;                   # 32 bytes, log key of the feed
  number @5 :UInt64;               # of the entry
  entryHash @6 :Data;              # 32 bytes, of the entry
  reportId @7 :Data;               # 32 bytes: what stands in the entry
  subject @8 :Data;                # 32 bytes: the report that is taken back; of a correction the one that it corrects
  cause @9 :UInt16;                # ErasureCause
  created @10 :Int64;              # milliseconds since 1970 UTC, as claimed
  certificate @11 :Data;           # the signed feed certificate, where the entry carried one and `feedSignature` is given; else empty
  feedSignature @12 :Data;         # 64 bytes, tocsin.v1.erased-owner, by the feed's key over `certificate` ‖ `entryHash`; empty: none
}

struct ErasureConfirmations {
  # Feed kind 9. What the node whose feed it is has done for these orders; of several statements about one order the latest counts.
  formatVersion @0 :UInt16;        # 1
  created @1 :Int64;               # milliseconds since 1970 UTC, as claimed
  items @2 :List(Item);            # 1 to 256

  struct Item {
    order @0 :Data;                # 32 bytes: H_{tocsin erasure}(signature ‖ message of the order)
    outcome @1 :UInt16;            # ErasureOutcome
  }
}

struct HoldRecord {
  # Feed kind 10, in the private channel alone. Of all records of one report the one with the latest `written` is in force, then the
  # one with the greatest bytes.
  formatVersion @0 :UInt16;        # 1
  reportId @1 :Data;               # 32 bytes
  removed @2 :Bool;                # kept no more
  written @3 :Int64;               # milliseconds since 1970 UTC, as claimed; later than that of the record it replaces
  by @4 :Text;                     # name of the user who did it; "owner": the owner of the node's home
  reason @5 :Text;                 # a line of at most 500 bytes
  entries @6 :List(Entry);         # what is kept, at most 256: the report's copies and its author's corrections

  struct Entry {
    channelId @0 :Data;            # 32 bytes
    feed @1 :Data;                 # 32 bytes
    number @2 :UInt64;
  }
}
