"""contributions.json: what a contributor is told, what it seals and nobody else opens, what is refused, an answer (docs/protocol.md, sections 4 "Contributors" and 6 "Contribution")."""
import struct

from nacl import bindings

from basics import Refused, check, check_entry, check_root_signatures, h, message, open_body, open_envelope, parse_entry, parse_header, signed, Struct, u64, x25519


def entry_key(shared, context, ephemeral, half):
    return h("tocsin contr key", context + ephemeral + half, shared)


def open_feed_body(epoch_key, context, associated, body):
    """What a reader of the epoch makes of a body of a feed, a member's or a contributor's."""
    if not body:
        raise Refused("ciphertext_too_short")
    if body[0] not in (1, 2):
        raise Refused("unknown_suite")
    if body[0] == 1:
        return open_body(h("tocsin entry key", context, epoch_key), associated, body)
    if len(body) < 33:
        raise Refused("ciphertext_too_short")
    secret = h("tocsin half", context[:40], epoch_key)
    ephemeral, half = body[1:33], bindings.crypto_scalarmult_base(secret)
    return open_body(entry_key(x25519(secret, ephemeral), context, ephemeral, half), associated, body[33:])


def place(v, epoch, number, log_type=3):
    context = bytes.fromhex(v["channel_id"]) + u64(epoch) + bytes.fromhex(v["feed_key"]) + u64(number)
    return context, context + bytes([1, log_type])


def check_feed_of_contributor(v, key, half):
    channel, log = bytes.fromhex(v["channel_id"]), bytes.fromhex(v["feed_key"])
    check(h("tocsin pseudonym", b"", channel).hex() == v["pseudonym"], "pseudonym")
    certificate = bytes.fromhex(v["feed_certificate"])
    check(signed("tocsin.v1.feed-certificate", bytes.fromhex(v["node_signing_key"]), certificate[64:], certificate[:64]), "feed certificate")
    c = Struct(certificate[64:])
    check(c.bytes(0) == channel and c.bytes(1).hex() == v["org_id"] and c.bytes(2).hex() == v["node_id"] and c.bytes(3) == log and c.number("I", 4) == 1, "fields of the feed certificate")
    previous = bytes(32)
    for n, item in enumerate(v["entries"], 1):
        parsed, header, signature, body, previous = check_entry(item, previous)
        check(parsed["type"] == 3 and parsed["number"] == n and parsed["epoch"] == v["epoch"] and parsed["log"] == log and parsed["channel"].hex() == v["pseudonym"], "feed header")
        check(signed("tocsin.v1.entry", log, header, signature), "signature of an entry")
        context, associated = place(v, v["epoch"], n)
        check(context.hex() == item["context"] and associated.hex() == item["associated_data"], "context and associated data")
        secret = h("tocsin contreph", context, bytes.fromhex(v["own_secret"]))
        ephemeral = bindings.crypto_scalarmult_base(secret)
        check(secret.hex() == item["ephemeral_secret"] and ephemeral.hex() == item["ephemeral_public"], "ephemeral pair of a place")
        check(body[0] == 2 and body[1:33] == ephemeral, "layout of a contribution")
        plaintext = open_feed_body(key, context, associated, body)
        check(plaintext.hex() == item["plaintext"], "plaintext as its readers open it")
        check(open_body(entry_key(x25519(secret, half), context, ephemeral, half), associated, body[33:]) == plaintext, "plaintext as its writer opens it")
        form, flags, kind, size = struct.unpack_from("<BBHH", plaintext)
        check(form == 1 and flags == (1 if n == 1 else 0) and kind == 1 and plaintext[6:6 + size] == (certificate if n == 1 else b""), "feed plaintext")
        if n == 1:
            check(h("tocsin report", plaintext[6 + size:]).hex() == v["answer"]["report"], "report id")


def check_refused(v):
    for item in v["refused"]:
        context, associated = place(v, item["epoch"], item["number"], item["log_type"])
        try:
            open_feed_body(bytes.fromhex(item["epoch_key"]), context, associated, bytes.fromhex(item["body"]))
            code = "nothing"
        except Refused as refused:
            code = str(refused)
        check(code == item["code"], f"{item['why']}: refused with {code}, the vectors say {item['code']}")
    check(len({item["code"] for item in v["refused"]}) >= 6, "kinds of refusal")


def check_told(v, half, answer_key):
    channel, org, chair = (bytes.fromhex(v[k]) for k in ("channel_id", "org_id", "chair_signing_key"))
    p = v["profile"]
    profile = message(struct.pack("<HHI", 1, p["class"], p["retention_days"]), channel, p["network"], p["name"], p["terms"])
    check(profile.hex() == p["message"] and h("tocsin contprof", profile).hex() == p["digest"], "profile and its digest")
    for n in v["notices"]:
        in_it = n["standing"] == 2
        check((n["half"], n["answer_key"]) == ((half.hex(), answer_key.hex()) if in_it else ("00" * 32, "00" * 32)), "keys of a notice")
        check(n["term"] == (n["epoch"] >> 32) + 1 and (0 < n["since"] <= n["epoch"] if in_it else n["since"] == 0), "term and epochs of a notice")
        check(n["profile"] == p["digest"] and (n["adding_entry"] != "00" * 32) == (n["standing"] == 1), "profile and adding entry of a notice")
        data = struct.pack("<HHIIIQqQ", 1, n["standing"], n["term"], n["counter"], n["governments"], n["epoch"], n["created"], n["since"])
        fields = [bytes.fromhex(n[k]) for k in ("half", "answer_key", "tag", "profile", "adding_entry", "chair_org", "chair_node")]
        raw = bytes.fromhex(n["signed"])
        check(raw[64:] == message(data, channel, org, *fields), f"message of the notice of standing {n['standing']}")
        check(signed("tocsin.v1.contributor-notice", chair, raw[64:], raw[:64]), f"signature of the notice of standing {n['standing']}")
    check([n["standing"] for n in v["notices"]] == [1, 2, 3] and v["notices"][1]["epoch"] == v["epoch"], "notices of each standing")
    order = [(n["epoch"], n["counter"]) for n in v["notices"]]
    check(order == sorted(set(order)), "order of the notices")
    a = v["answer"]
    raw = bytes.fromhex(a["signed"])
    check(raw[64:] == message(struct.pack("<HHIQq", 1, 0, 0, v["epoch"], a["created"]), channel, org, bytes.fromhex(a["report"]), a["text"]), "message of an answer")
    check(signed("tocsin.v1.answer", answer_key, raw[64:], raw[:64]), "signature of an answer")


def check_chair(v):
    """The notices' node and key, by the organisation log that comes with them."""
    roots, threshold, previous = [], 0, bytes(32)
    for n, raw in enumerate(v["chair_org_log"], 1):
        header, field, body = parse_entry(bytes.fromhex(raw))
        parsed = parse_header(header)
        check((parsed["type"], parsed["number"], parsed["epoch"], parsed["channel"]) == (1, n, 0, bytes(32)), "header of the chair's organisation log")
        check(parsed["previous"] == previous and parsed["size"] == len(body) and parsed["body_hash"] == h("tocsin body", body), "entry of the chair's organisation log")
        previous = h("tocsin entry", header)
        if n == 1:
            org, roots, threshold = h("tocsin org", body), Struct(body).byte_lists(3), Struct(body).number("B", 4)
        check(parsed["log"] == org, "the chair's organisation log")
        check_root_signatures(header, field, roots, threshold)
    certificate = Struct(Struct(body).child(0).bytes(0))
    check(certificate.bytes(0) == org and certificate.bytes(4).hex() == v["chair_signing_key"], "certificate of the chair's node")
    for n in v["notices"]:
        check((n["chair_org"], n["chair_node"]) == (org.hex(), certificate.bytes(1).hex()), "chair of a notice")


def check_mail(v):
    m = v["mail"]
    secret = bytes.fromhex(m["recipient_secret"])
    check(bindings.crypto_scalarmult_base(secret).hex() == m["recipient_public"], "key of a node of the contributor")
    notice = Struct(open_envelope(secret, "tocsin.v1.contributor-mail", bytes.fromhex(v["node_id"]), bytes.fromhex(m["notice"])))
    check(notice.number("H", 0) == 1 and notice.bytes(0).hex() == v["notices"][1]["signed"] and notice.bytes(1).hex() == v["profile"]["message"] and [e.hex() for e in notice.byte_lists(2)] == v["chair_org_log"], "a notice on its way")
    answer = open_envelope(secret, "tocsin.v1.answer-mail", bytes.fromhex(v["node_id"]), bytes.fromhex(m["answer"]))
    check(answer.hex() == v["answer"]["signed"], "an answer on its way")


def check_contributions(v):
    key, at = bytes.fromhex(v["epoch_key"]), bytes.fromhex(v["channel_id"]) + u64(v["epoch"])
    secret = h("tocsin half", at, key)
    half = bindings.crypto_scalarmult_base(secret)
    check(secret.hex() == v["half_secret"] and half.hex() == v["half_public"], "pair of the epoch")
    answer_key = bindings.crypto_sign_seed_keypair(h("tocsin answerkey", at, key))[0]
    check(answer_key.hex() == v["answer_key"], "answer key")
    check_feed_of_contributor(v, key, half)
    check_refused(v)
    check_told(v, half, answer_key)
    check_chair(v)
    check_mail(v)


def derived(v):
    """Hexadecimal of what the examples show and the file leaves out: X25519 result, entry key, body keys of each entry."""
    out, half = "", bytes.fromhex(v["half_public"])
    for item in v["entries"]:
        ephemeral = bytes.fromhex(item["ephemeral_public"])
        shared = x25519(bytes.fromhex(v["half_secret"]), ephemeral)
        key = entry_key(shared, bytes.fromhex(item["context"]), ephemeral, half)
        out += f" {shared.hex()} {key.hex()} {h('tocsin body keys', b'', key, 64).hex()}"
    return out
