"""bundle.json: one bundle, from its clear start to the entries in its frames, and what is refused (docs/protocol.md, sections 11 and, for the messages, 9)."""
import struct

from nacl import bindings

from basics import Refused, check, check_entry, check_root_signatures, decrypt, h, padme, parse_entry, signed, Struct, u16, u32, u64, unwrap

CHUNK = 1 + 1 + 24 + 4096 + 16


def find_content_key(secret, ephemeral, slots):
    """The key in the first slot that opens, or None: then the bundle is for others."""
    for slot in slots:
        try:
            return unwrap(secret, bindings.crypto_scalarmult_base(secret), ephemeral, b"tocsin.v1.bundle-key".ljust(32, b"\0"), slot)
        except Refused:
            pass
    return None


def read_start(file, first):
    if not file.startswith(b"tocsinBB"):
        raise Refused("not_a_bundle" if first else "bundle_damaged")
    if len(file) < 44:
        raise Refused("bundle_cut")
    version, suite, count = struct.unpack_from("<BBH", file, 8)
    if (version, suite) != (1, 1):
        raise Refused("bundle_too_new")
    if count not in (8, 16, 32, 64, 128, 256, 512, 1024):
        raise Refused("bad_bundle")
    size = 44 + 104 * count
    if len(file) < size:
        raise Refused("bundle_cut")
    return file[12:44], [file[at:at + 104] for at in range(44, size, 104)], h("tocsin bundle", file[:size]), size


def chunk_key(content_key):
    return h("tocsin seal key", b"tocsin.v1.bundle-chunk".ljust(32, b"\0"), content_key)


def open_chunk(key, bundle_id, number, raw):
    place = bundle_id + u64(number) + raw[:1]
    try:
        if raw[1] != 1:
            raise Refused("unknown_suite")
        return decrypt(chunk_key(key), raw[2:26], raw[26:], place)
    except Refused:
        raise Refused("bundle_damaged") from None


def split_frames(plain):
    """(signature, bytes) of each frame; what follows the end is zeros."""
    frames, at = [], 0
    while True:
        size = struct.unpack_from("<I", plain, at)[0]
        if size == 0:
            break
        if size > 65519:
            raise Refused("bad_bundle")
        frames.append((plain[at + 4:at + 68], plain[at + 68:at + 68 + size]))
        at += 68 + size
    if any(plain[at:]):
        raise Refused("bad_bundle")
    return frames, -(-(at + 4) // 4096)


def read_bundle(secret, file):
    """Content key, bundle id, frames, chunks that hold something, chunks in all, of a file with one bundle."""
    ephemeral, slots, bundle_id, at = read_start(file, True)
    key = find_content_key(secret, ephemeral, slots)
    plain, number, last = b"", 0, False
    while not last:
        if len(file) > at and file[at] > 1:
            raise Refused("bundle_damaged")
        raw = file[at:at + CHUNK]
        if len(raw) < CHUNK:
            raise Refused("bundle_cut" if key else "bundle_for_others")
        if key:
            plain += open_chunk(key, bundle_id, number, raw)
        number, at, last = number + 1, at + CHUNK, raw[0] == 1
    if at != len(file):
        read_start(file[at:], False)
    if not key:
        raise Refused("bundle_for_others")
    return (key, bundle_id, *split_frames(plain), number)


def code_of(secret, file):
    try:
        read_bundle(secret, file)
        return "ok"
    except Refused as refused:
        return str(refused)


def check_opening(v, frame):
    log_end = [bytes.fromhex(e["entry"]) for e in v["org_log"]]
    own = [bytes([1, 1]), bytes.fromhex(v["org_id"]), bytes.fromhex(v["node_id"]), u64(v["made"]), bytes.fromhex(v["recipient"])]
    own += [u16(1), bytes.fromhex(v["channel_id"]), bytes([len(log_end)])] + [u32(len(e)) + e for e in log_end]
    check(frame == b"".join(own), "opening of a bundle")


def messages_of(frames):
    for frame in frames:
        kind, size = frame[0], int.from_bytes(frame[1:4], "little")
        check(len(frame) == 4 + size, "one message in each frame")
        yield kind, frame[4:]


class Range:
    """The entries of one log as `entries` messages bring them, with the headers that the receiver rebuilds."""

    def __init__(self, want, pseudonyms):
        self.slot, self.log, self.first, self.last, self.from_epoch = struct.unpack("<H32sQQQ", want)
        self.pseudonym = pseudonyms[self.slot]
        self.next, self.previous, self.epoch, self.ended, self.entries = self.first, bytes(32), 0, False, []

    def take(self, payload):
        slot, log, kind, flags, first, epoch = struct.unpack_from("<H32sBBQQ", payload)
        check((slot, log, first) == (self.slot, self.log, self.next) and not self.ended and flags in (0, 1), "place of an entries message")
        check((kind == 1) == (epoch == 0) and epoch >= self.epoch, "epoch of an entries message")
        self.epoch, self.ended = epoch, flags == 1
        count, at = struct.unpack_from("<H", payload, 52)[0], 54
        for _ in range(count):
            at = self.take_entry(payload, at, kind)
        check(at == len(payload), "size of an entries message")

    def take_entry(self, payload, at, kind):
        flags, size = struct.unpack_from("<BH", payload, at)
        at, field = at + 3, 64
        if kind == 1:
            field, at = struct.unpack_from("<H", payload, at)[0], at + 2
        signature, at = payload[at:at + field], at + field
        if flags & 1:
            rises, at = struct.unpack_from("<Q", payload, at)[0], at + 8
            check(rises > self.epoch, "an epoch that rises")
            self.epoch = rises
        length = 32 if flags & 2 else size
        given, at = payload[at:at + length], at + length
        check(flags < 4, "flags of an entry")
        body_hash = given if flags & 2 else h("tocsin body", given)
        header = struct.pack("<BBHIQQ", 1, kind, 0, size, self.next, self.epoch) + self.log + self.pseudonym + self.previous + body_hash
        self.previous = h("tocsin entry", header if kind == 1 else header + signature)
        self.next += 1
        self.entries.append((header, signature, None if flags & 2 else given, self.previous))
        return at


def check_ranges(v, ranges):
    check(len(ranges) == 2 and all(r.ended and r.from_epoch == 0 and r.last == r.next - 1 for r in ranges), "ranges of a bundle")
    own, feed = ranges
    roots, threshold, previous = [], 0, bytes(32)
    check(own.slot == 0xffff and own.log.hex() == v["org_id"] and len(own.entries) == len(v["org_log"]), "range of the author's organisation log")
    for item, (header, field, body, hashed) in zip(v["org_log"], own.entries):
        _, _, _, _, previous = check_entry(item, previous)
        check((header, field, body) == parse_entry(bytes.fromhex(item["entry"])) and hashed == previous, "entry of the organisation log")
        if not roots:
            roots, threshold = Struct(body).byte_lists(3), Struct(body).number("B", 4)
            check(h("tocsin org", body) == own.log, "organisation id")
        check_root_signatures(header, field, roots, threshold)
    certificate = Struct(Struct(own.entries[-1][2]).child(0).bytes(0))
    check(certificate.bytes(1).hex() == v["node_id"] and certificate.bytes(4).hex() == v["node_signing_key"], "certificate of the author")
    check(feed.slot == 0 and feed.log.hex() == v["feed_key"] and len(feed.entries) == len(v["entries"]), "range of a feed")
    for item, (header, signature, body, hashed) in zip(v["entries"], feed.entries):
        check(header.hex() == item["header"] and hashed.hex() == item["entry_hash"] and len(body or b"") == item["body_bytes"], "rebuilt entry of a feed")
        check(signed("tocsin.v1.entry", feed.log, header, signature), "signature of an entry of a feed")


def check_bundle(v):
    file, secret = bytes.fromhex(v["file"]), bytes.fromhex(v["readers"][0]["secret"])
    for reader in v["readers"]:
        own = bytes.fromhex(reader["secret"])
        check(bindings.crypto_scalarmult_base(own).hex() == reader["public"], "key of a reader")
        key, bundle_id, frames, used, chunks = read_bundle(own, file)
        check(key.hex() == v["content_key"] and bundle_id.hex() == v["bundle_id"], "content key and id of a bundle")
    check(chunks == padme(used) and chunks > used, "number of chunks")
    check(code_of(bytes.fromhex(v["stranger_secret"]), file) == "bundle_for_others", "a bundle for others")
    author = bytes.fromhex(v["node_signing_key"])
    digests = [h("tocsin bundle", bundle_id + u64(n) + frame) for n, (_, frame) in enumerate(frames)]
    check([digest.hex() for digest in digests] == v["frame_digests"], "frames of a bundle")
    for n, (signature, _) in enumerate(frames):
        check(signed("tocsin.v1.bundle", author, digests[n], signature), f"signature of frame {n}")
    check_opening(v, frames[0][1])
    pseudonyms = {0: h("tocsin pseudonym", b"", bytes.fromhex(v["channel_id"])), 0xffff: bytes(32)}
    check(pseudonyms[0].hex() == v["pseudonym"], "pseudonym")
    ranges, kinds = [], []
    for kind, payload in messages_of([frame for _, frame in frames[1:]]):
        kinds.append(kind)
        if kind == 5:
            ranges.append(Range(payload, pseudonyms))
        elif kind == 6:
            ranges[-1].take(payload)
        elif kind == 12:
            prekeys = Struct(payload[64:])
            check(payload.hex() == v["signed_prekeys"] and signed("tocsin.v1.prekeys", author, payload[64:], payload[:64]) and prekeys.bytes(0).hex() == v["node_id"], "prekeys in a bundle")
        elif kind == 15:
            check(payload == u16(0), "end of a bundle")
    check(kinds == [12, 5, 6, 5, 6, 6, 15], "messages of a bundle")
    check_ranges(v, ranges)
    for damage in v["damaged"]:
        at = damage["at"]
        code = code_of(secret, file[:at] + bytes.fromhex(damage["put_in"]) + file[at + damage["take_out"]:])
        check(code == damage["code"], f"{damage['why']}: refused with {code}, the vectors say {damage['code']}")


def derived(v):
    """Hexadecimal of what the examples show and the file leaves out: the key of the chunks."""
    return chunk_key(bytes.fromhex(v["content_key"])).hex()
