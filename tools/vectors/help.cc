#include "tools/vectors/outcome.h"

namespace tocsin::vectors {

const char* const kHelp =
    R"(tocsin-vectors - run third-party test vectors through Tocsin's crypto layer

usage: tocsin-vectors PATH...
       tocsin-vectors --help

Each PATH is a file, or a folder whose JSON files are run (its other files, such as licences, are passed over). What a file
is, its content says. For each file one line of JSON goes to standard output:

  {"file","kind","run","accepted","rejected","skipped","mismatches"}

run = accepted + rejected. skipped counts vectors of things that Tocsin does not have. mismatches counts vectors whose outcome
is not the one that the file states, or that are malformed; the first ten of each file are explained on standard error.

kind                          accepted                              rejected
noise                         every message, payload and handshake  something differed (always a mismatch)
                              hash is the one stated
                              skipped: other than 25519, ChaChaPoly, BLAKE2b; modifiers other than psk
wycheproof-ed25519            the signature verifies (strictly)     it does not
wycheproof-x25519             X25519 gives the shared secret that   X25519 gives all zero
                              is stated
                              also "non_canonical": public keys that are not in canonical form, and "refused": what the
                              library refuses in all, which is both of these (each checked by the runner's own arithmetic)
wycheproof-xchacha20-poly1305 decrypts to the plaintext stated, and wrong tag, or a size of key, nonce or tag that the
wycheproof-chacha20-poly1305  encrypts to the ciphertext stated     cipher does not have
blake2b-kat                   the hash is the one stated            it differs (always a mismatch)
                              skipped: other hashes than blake2b
cctv-ed25519                  the signature verifies strictly       it does not; stated are the flags: a vector with any
                                                                    flag must be rejected, one with none accepted
speccheck                     the signature verifies strictly       it does not; the file states no verdicts, so that only
                                                                    malformed cases are mismatches

exit: 0 all as stated, 2 unknown file or wrong usage, 6 a mismatch
)";

}  // namespace tocsin::vectors
