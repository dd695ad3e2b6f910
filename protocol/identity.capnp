@0xb2f0b4d1c6a5e701;
# Who an organisation is and which nodes speak for it (docs/protocol.md, section 3; rules 17 to 21, 32).
# Every struct here is hashed or signed, so it is only ever accepted as a canonical single segment (rule 5).

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("tocsin::protocol::schema");

struct OrgGenesis {
  # Body of entry 1 of an organisation log. Its hash is the organisation id.
  formatVersion @0 :UInt16;        # 1; another is refused
  random @1 :Data;                 # 16 random bytes: equal names and keys still give different organisations
  name @2 :Text;                   # as the organisation calls itself; 1 to 200 bytes of UTF-8 without control characters
  kind @3 :OrgKind;                # what it is; rule 53 asks for governments
  country @4 :Text;                # ISO 3166-1 alpha-3 of its seat, three capital letters
  rootKeys @5 :List(Data);         # 1 to 16 different Ed25519 keys of 32 bytes; a signature names its key by place here
  threshold @6 :UInt8;             # how many roots sign together; 1 to the number of root keys
  nextRoots @7 :Data;              # 32 bytes: commitment to the root set that may replace this one (rule 17)
  network @8 :Text;                # name of the network that this identity is for: "tocsin", or one for exercises and tests
  created @9 :Int64;               # milliseconds since 1970 UTC, as claimed
}

enum OrgKind {
  unknown @0;
  government @1;
  regional @2;                     # regional body, such as AU or ECOWAS
  un @3;                           # United Nations department, agency or mission
  ngo @4;                          # civil society, religious institution, research
}

struct NodeCertificate {
  # What an organisation says of one of its nodes. Counter-signed by the node (rule 18).
  formatVersion @0 :UInt16;        # 1
  orgId @1 :Data;                  # 32 bytes
  nodeId @2 :Data;                 # 32 bytes; must be the hash that section 3 defines
  nodeRandom @3 :Data;             # 16 random bytes in the node id
  firstSigningKey @4 :Data;        # 32 bytes: the signing key when the node id was made
  signingKey @5 :Data;             # 32 bytes, Ed25519: feed certificates, receipts, cards, acceptances
  transportKey @6 :Data;           # 32 bytes, X25519: static key of Noise
  encryptionKey @7 :Data;          # 32 bytes, X25519: wraps when no prekey is fresh
  serial @8 :UInt32;               # rises with every certificate of this node; the highest counts
  issued @9 :Int64;                # milliseconds since 1970 UTC, as claimed
  expires @10 :Int64;              # milliseconds since 1970 UTC; past it the node is shown as STALE, never refused (rule 18)
  name @11 :Text;                  # what the organisation calls the node, for its peers' screens; at most 200 bytes
}

struct OrgEvent {
  # Body of every later entry of an organisation log.
  formatVersion @0 :UInt16;        # 1
  created @1 :Int64;               # milliseconds since 1970 UTC, as claimed
  union {
    none @2 :Void;                 # nothing: taken like an event of a later version, which has a member that is not here (rule 16)
    certify @3 :Certify;           # a node is certified, or certified anew
    revoke @4 :Revoke;             # a node is revoked, for good
    rotateRoots @5 :RotateRoots;   # the committed next roots take over (rule 19)
  }

  struct Certify {
    certificate @0 :Data;          # canonical NodeCertificate
    counterSignature @1 :Data;     # 64 bytes by the signing key in it
  }
  struct Revoke {
    nodeId @0 :Data;               # 32 bytes
    reason @1 :Text;               # for the peers' screens; at most 200 bytes; may be empty
    pins @2 :List(Data);           # 32 bytes each, padded with random ones to a power of two from 8 to 256 (rule 20)
  }
  struct RotateRoots {
    rootKeys @0 :List(Data);       # as in OrgGenesis; their commitment was made before
    threshold @1 :UInt8;           # as in OrgGenesis
    nextRoots @2 :Data;            # 32 bytes: commitment to the set after this one
    lastGoodNumber @3 :UInt64;     # the entry that this one follows
    lastGoodHash @4 :Data;         # 32 bytes: its hash
  }
}

struct NodeRequest {
  # A further node asks its organisation to certify it. Travels as text; not secret.
  formatVersion @0 :UInt16;        # 1
  certificate @1 :Data;            # canonical NodeCertificate
  counterSignature @2 :Data;       # 64 bytes by the signing key in it
}

struct RootKeys {
  # The public halves of a set of roots, whose hash a genesis or rotation committed to. Travels as text, beside the key files.
  formatVersion @0 :UInt16;        # 1
  rootKeys @1 :List(Data);         # as in OrgGenesis
  threshold @2 :UInt8;             # as in OrgGenesis
}

struct OrgRequest {
  # An entry of an organisation log that waits for its root signatures. Travels as text; not secret.
  formatVersion @0 :UInt16;        # 1
  genesis @1 :Data;                # body of entry 1 of the log: its hash is the organisation id
  rootKeys @2 :List(Data);         # the keys that are asked to sign: the roots in force, of a rotation those that take over
  threshold @3 :UInt8;             # how many of them
  header @4 :Data;                 # 152 bytes: the entry's header, which is what is signed
  body @5 :Data;                   # canonical OrgEvent
}

struct OrgSignature {
  # One root's signature of a request, with the request.
  formatVersion @0 :UInt16;        # 1
  request @1 :Data;                # canonical OrgRequest
  index @2 :UInt8;                 # place of the key in its rootKeys
  signature @3 :Data;              # 64 bytes
}

struct PrekeyList {
  # Signed beside: section 3. Private halves are erased 90 days after their month (rule 32).
  formatVersion @0 :UInt16;        # 1
  nodeId @1 :Data;                 # 32 bytes
  firstMonth @2 :UInt32;           # (year - 1970) * 12 + month - 1, UTC
  keys @3 :List(Data);             # 1 to 12 X25519 keys of 32 bytes, for consecutive months
}

struct Card {
  # What two organisations exchange to become peers.
  formatVersion @0 :UInt16;        # 1
  network @1 :Text;                # must be the reader's own network, and that of the organisation's genesis
  nodeId @2 :Data;                 # 32 bytes: the node that can be dialled at the addresses, and that signed
  addresses @3 :List(Text);        # "host:port", "[v6]:port"; at most 8 of at most 255 bytes; empty: the node only dials out
  orgLog @4 :List(Data);           # the organisation log from entry 1, each as an entry byte string (section 2)
  prekeys @5 :Data;                # 64-byte signature, then the canonical PrekeyList; empty when the node has none
  issued @6 :Int64;                # milliseconds since 1970 UTC, as claimed; the newer card of a node replaces the older
}
