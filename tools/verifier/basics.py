"""What the checks share: hashes, strict signatures, X25519, bodies and wraps, the bytes of entries and messages (docs/protocol.md, sections 1, 2, 5, 6)."""
import hashlib
import hmac
import struct

from nacl import bindings

checks = failures = 0


def check(condition, what):
    global checks, failures
    checks += 1
    if not condition:
        failures += 1
        print(f"wrong: {what}")


def h(personal, data, key=b"", size=32):
    return hashlib.blake2b(data, digest_size=size, key=key, person=personal.encode().ljust(16, b"\0")).digest()


def u16(n): return struct.pack("<H", n)
def u32(n): return struct.pack("<I", n)
def u64(n): return struct.pack("<Q", n)


P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493


def decode_point(raw):
    """Affine coordinates of a canonical encoding, or None (RFC 8032, 5.1.3)."""
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        return None
    d = -121665 * pow(121666, P - 2, P) % P
    u, v = (y * y - 1) % P, (d * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if v * x * x % P != u:
        if v * x * x % P != (-u) % P:
            return None
        x = x * pow(2, (P - 1) // 4, P) % P
    if x == 0 and sign:
        return None
    return (P - x if x & 1 != sign else x, y)


def good_point(raw):
    """Canonical, and of the prime-order subgroup other than the neutral element (rule 1)."""
    return decode_point(raw) is not None and bool(bindings.crypto_core_ed25519_is_valid_point(raw))


def signed(label, key, data, signature):
    message = label.encode().ljust(32, b"\0") + data
    if len(signature) != 64 or int.from_bytes(signature[32:], "little") >= L or not good_point(key) or not good_point(signature[:32]):
        return False
    try:
        bindings.crypto_sign_open(signature + message, key)
        return True
    except Exception:
        return False


class Struct:
    """One Cap'n Proto struct of a canonical single segment without table: enough of the encoding to read our messages."""

    def __init__(self, segment, at=0, pointer=None):
        self.segment = segment
        word = struct.unpack_from("<Q", segment, 0 if pointer is None else pointer)[0]
        where = 0 if pointer is None else pointer
        check(word & 3 == 0, "a struct pointer")
        offset = struct.unpack("<i", struct.pack("<I", word & 0xffffffff))[0] >> 2
        self.data = where + 8 + 8 * offset
        self.data_words, self.pointers = (word >> 32) & 0xffff, word >> 48

    def number(self, form, byte):
        size = struct.calcsize("<" + form)
        return struct.unpack_from("<" + form, self.segment, self.data + byte)[0] if byte + size <= 8 * self.data_words else 0

    def _list(self, index):
        if index >= self.pointers:
            return None
        where = self.data + 8 * self.data_words + 8 * index
        word = struct.unpack_from("<Q", self.segment, where)[0]
        if word == 0:
            return None
        check(word & 3 == 1, "a list pointer")
        offset = struct.unpack("<i", struct.pack("<I", word & 0xffffffff))[0] >> 2
        return where + 8 + 8 * offset, (word >> 32) & 7, word >> 35

    def bytes(self, index):
        found = self._list(index)
        if not found:
            return b""
        start, size, count = found
        check(size == 2, "a list of bytes")
        return self.segment[start:start + count]

    def text(self, index):
        return self.bytes(index)[:-1].decode()

    def byte_lists(self, index):
        found = self._list(index)
        if not found:
            return []
        start, size, count = found
        check(size == 6, "a list of pointers")
        out = []
        for i in range(count):
            inner = struct.unpack_from("<Q", self.segment, start + 8 * i)[0]
            at = start + 8 * i + 8 + 8 * (struct.unpack("<i", struct.pack("<I", inner & 0xffffffff))[0] >> 2)
            out.append(self.segment[at:at + (inner >> 35)])
        return out

    def child(self, index):
        return Struct(self.segment, pointer=self.data + 8 * self.data_words + 8 * index)


def parse_header(raw):
    version, kind, reserved, size, number, epoch = struct.unpack_from("<BBHIQQ", raw)
    check(len(raw) == 152 and version == 1 and reserved == 0, "header layout")
    return {"type": kind, "size": size, "number": number, "epoch": epoch, "log": raw[24:56], "channel": raw[56:88], "previous": raw[88:120], "body_hash": raw[120:152]}


def parse_entry(raw):
    size = struct.unpack_from("<H", raw)[0]
    return raw[2:154], raw[154:154 + size], raw[154 + size:]


def check_entry(item, previous):
    header, signature, body = parse_entry(bytes.fromhex(item["entry"]))
    parsed = parse_header(header)
    check(header.hex() == item["header"] and signature.hex() == item["signature"] and body.hex() == item["body"], "entry as a byte string")
    check(parsed["size"] == len(body) and parsed["body_hash"] == h("tocsin body", body) and parsed["body_hash"].hex() == item["body_hash"], "body hash and size")
    check(parsed["previous"] == previous, "previous hash")
    own = h("tocsin entry", header if parsed["type"] == 1 else header + signature)
    check(own.hex() == item["entry_hash"], "entry hash")
    return parsed, header, signature, body, own


def check_root_signatures(header, field, roots, threshold):
    check(len(field) == 65 * threshold, "threshold-many root signatures")
    last = -1
    for n in range(threshold):
        index, signature = field[65 * n], field[65 * n + 1:65 * n + 65]
        check(last < index < len(roots) and signed("tocsin.v1.entry", roots[index], header, signature), "root signature")
        last = index


def padme(n):
    if n < 2:
        return n
    e = n.bit_length() - 1
    last = e - e.bit_length()
    return -(-n >> last) << last if last > 0 else n


class Refused(Exception):
    """What a reader does not take, by the code of section 6."""


def x25519(secret, public):
    if len(public) != 32 or int.from_bytes(public, "little") >= P:
        raise Refused("non_canonical_key")
    try:
        return bindings.crypto_scalarmult(secret, public)
    except Exception:
        raise Refused("all_zero_result") from None


def decrypt(key, nonce, ciphertext, associated):
    try:
        return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(ciphertext, associated, nonce, key)
    except Exception:
        raise Refused("decryption_failed") from None


def open_body(key, associated, body):
    """A body of suite 1 under its entry key."""
    if not body:
        raise Refused("ciphertext_too_short")
    if body[0] != 1:
        raise Refused("unknown_suite")
    if len(body) > 49152:
        raise Refused("too_long")
    if len(body) < 1 + 32 + 24 + 4 + 16:
        raise Refused("ciphertext_too_short")
    keys = h("tocsin body keys", b"", key, 64)
    if not hmac.compare_digest(body[1:33], keys[32:]):
        raise Refused("commitment_mismatch")
    return unpad(decrypt(keys[:32], body[33:57], body[57:], associated))


def unpad(padded):
    size = struct.unpack_from("<I", padded)[0] if len(padded) >= 4 else len(padded)
    if len(padded) != padme(4 + size) or any(padded[4 + size:]):
        raise Refused("bad_padding")
    return padded[4:4 + size]


def unwrap(secret, public, ephemeral, context, slot):
    keys = h("tocsin wrap keys", context + ephemeral + public, x25519(secret, ephemeral), 64)
    if slot[:32] != keys[32:]:
        raise Refused("commitment_mismatch")
    return decrypt(keys[:32], slot[32:56], slot[56:], b"")


def open_envelope(secret, label, node, raw):
    if raw[0] != 1:
        raise Refused("unknown_suite")
    public = bindings.crypto_scalarmult_base(secret)
    return unpad(unwrap(secret, public, raw[1:33], label.encode().ljust(32, b"\0") + node, raw[33:]))


def message(data, *pointers):
    """The canonical bytes of a struct whose pointers are texts and byte strings: the message that we would have signed."""
    data = data.ljust(-(-len(data) // 8) * 8, b"\0")
    while data.endswith(bytes(8)):
        data = data[:-8]
    blobs = [p.encode() + b"\0" if isinstance(p, str) else p for p in pointers]
    head, tail = u64(len(data) // 8 << 32 | len(blobs) << 48) + data, b""
    for place, blob in enumerate(blobs):
        offset = len(blobs) - 1 - place + len(tail) // 8
        head += u64(1 | offset << 2 | 2 << 32 | len(blob) << 35)
        tail += blob.ljust(-(-len(blob) // 8) * 8, b"\0")
    return head + tail
