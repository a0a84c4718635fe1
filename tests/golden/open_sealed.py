"""Opens an encrypted state without a line of this crate, and compares it with the same state that is not encrypted.

    python tests/golden/open_sealed.py tests/golden/state/v1/ncm-frozen.sealed tests/golden/state/v1/ncm-frozen.state

Written from the page of src/store/key.rs, RFC 8439 (ChaCha20, Poly1305) and draft-irtf-cfrg-xchacha (HChaCha20); needs Python 3 alone.
The key of the golden file is the bytes 0 to 31.
"""

import hmac
import struct
import sys
import zlib


def rounds(state):
    x = list(state)

    def quarter(a, b, c, d):
        for p, q, r, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            x[p] = (x[p] + x[q]) & 0xFFFFFFFF
            v = x[r] ^ x[p]
            x[r] = ((v << turn) | (v >> (32 - turn))) & 0xFFFFFFFF

    for _ in range(10):
        for a, b, c, d in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)):
            quarter(a, b, c, d)
        for a, b, c, d in ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            quarter(a, b, c, d)
    return x


def start(key, rest):
    return struct.unpack("<4I", b"expand 32-byte k") + struct.unpack("<8I", key) + struct.unpack("<4I", rest)


def hchacha(key, nonce):
    x = rounds(start(key, nonce))
    return struct.pack("<8I", *x[:4], *x[12:])


def block(key, counter, nonce):
    first = start(key, struct.pack("<I", counter) + nonce)
    return struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(rounds(first), first)))


def poly1305(key, message):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for at in range(0, len(message), 16):
        total = (total + int.from_bytes(message[at : at + 16] + b"\x01", "little")) * r % (2**130 - 5)
    return ((total + int.from_bytes(key[16:], "little")) % 2**128).to_bytes(16, "little")


def opened(key, nonce, head, ciphertext, tag):
    key, nonce = hchacha(key, nonce[:16]), bytes(4) + nonce[16:]
    pad = lambda part: part + bytes(-len(part) % 16)
    lengths = struct.pack("<QQ", len(head), len(ciphertext))
    assert hmac.compare_digest(poly1305(block(key, 0, nonce)[:32], pad(head) + pad(ciphertext) + lengths), tag), "altered"
    stream = b"".join(block(key, 1 + i, nonce) for i in range(-(-len(ciphertext) // 64)))
    return bytes(a ^ b for a, b in zip(ciphertext, stream))


def sub(key, purpose):
    return hmac.digest(key, purpose + b"\x01", "sha256")


def parts(record):
    assert record[:4] == b"PRNL" and zlib.crc32(record[:-4]) == int.from_bytes(record[-4:], "little")
    version, length = struct.unpack("<HH", record[4:8])
    return version, record[: 8 + length], record[8 + length : -4]


def main(sealed, bare):
    # Section 2.2.1 of the draft: the subkey of HChaCha20.
    vector = bytes.fromhex("000000090000004a0000000031415927")
    assert hchacha(bytes(range(32)), vector).hex().startswith("82413b4227b27bfed30e42508a877d73")
    key = bytes(range(32))
    version, head, body = parts(open(sealed, "rb").read())
    _, head_of_bare, payload = parts(open(bare, "rb").read())
    assert version >> 15 == 1 and head[8:] == head_of_bare[8:]
    ciphertext, tag, nonce, name = body[:-48], body[-48:-32], body[-32:-8], body[-8:]
    assert name == sub(key, b"perennial state name")[:8]
    assert opened(sub(key, b"perennial state cipher"), nonce, head, ciphertext, tag) == payload
    assert nonce == hmac.digest(sub(key, b"perennial state nonce"), head + payload, "sha256")[:24]
    print(f"{sealed}: {len(payload)} bytes of state, the same as in {bare}")


if __name__ == "__main__":
    main(*sys.argv[1:])
