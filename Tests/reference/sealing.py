"""usage: sealing.py seal|open KEY NONCE TEXT CONTEXT   (all but CONTEXT and a text to seal in hex or sealed form)

AES-256-GCM and the sealed text form, written from the standards (FIPS 197, SP 800-38D) and sharing no code with
pgvigil or libcrypto: what one side seals, the other opens.
"""

import base64
import hashlib
import sys


def double(x):
    return (x << 1) ^ (0x11B if x & 0x80 else 0)


def make_sbox():
    box, p, q = [0] * 256, 1, 1
    while True:
        p ^= double(p)
        for shift in (1, 2, 4):
            q ^= q << shift & 0xFF
        if q & 0x80:
            q ^= 0x09
        turned = q
        for n in (1, 2, 3, 4):
            turned ^= (q << n | q >> 8 - n) & 0xFF
        box[p] = turned ^ 0x63
        if p == 1:
            break
    box[0] = 0x63
    return box


SBOX = make_sbox()


def expand(key):
    words = [list(key[i : i + 4]) for i in range(0, 32, 4)]
    rcon = 1
    for i in range(8, 60):
        word = list(words[-1])
        if i % 8 == 0:
            word = [SBOX[b] for b in word[1:] + word[:1]]
            word[0] ^= rcon
            rcon = double(rcon)
        elif i % 8 == 4:
            word = [SBOX[b] for b in word]
        words.append([a ^ b for a, b in zip(words[i - 8], word)])
    return [sum(words[i : i + 4], []) for i in range(0, 60, 4)]


def block(keys, data):
    state = [a ^ b for a, b in zip(data, keys[0])]
    for turn in range(1, 15):
        state = [SBOX[b] for b in state]
        state = [state[(i + 4 * (i % 4)) % 16] for i in range(16)]
        if turn < 14:
            mixed = []
            for c in range(0, 16, 4):
                a = state[c : c + 4]
                whole = a[0] ^ a[1] ^ a[2] ^ a[3]
                mixed += [a[i] ^ whole ^ double(a[i] ^ a[(i + 1) % 4]) for i in range(4)]
            state = mixed
        state = [a ^ b for a, b in zip(state, keys[turn])]
    return bytes(state)


def multiply(x, y):
    product = 0
    for i in range(127, -1, -1):
        if y >> i & 1:
            product ^= x
        x = x >> 1 ^ (0xE1 << 120 if x & 1 else 0)
    return product


def gcm(key, nonce, data, context, decrypting):
    keys = expand(key)
    h = int.from_bytes(block(keys, bytes(16)), "big")
    out = b""
    for i in range(0, len(data), 16):
        stream = block(keys, nonce + (i // 16 + 2).to_bytes(4, "big"))
        out += bytes(a ^ b for a, b in zip(data[i : i + 16], stream))
    sealed = data if decrypting else out
    padded = context + bytes(-len(context) % 16) + sealed + bytes(-len(sealed) % 16)
    padded += (len(context) * 8).to_bytes(8, "big") + (len(sealed) * 8).to_bytes(8, "big")
    tag = 0
    for i in range(0, len(padded), 16):
        tag = multiply(tag ^ int.from_bytes(padded[i : i + 16], "big"), h)
    tag ^= int.from_bytes(block(keys, nonce + (1).to_bytes(4, "big")), "big")
    return out, tag.to_bytes(16, "big")


def main(verb, key, nonce, text, context):
    key, context = bytes.fromhex(key), context.encode()
    name = hashlib.sha256(key).hexdigest()[:8]
    if verb == "seal":
        nonce = bytes.fromhex(nonce)
        out, tag = gcm(key, nonce, text.encode(), context, False)
        print(f"pgvigil:v1:{name}:{base64.b64encode(nonce + out + tag).decode()}")
    else:
        program, version, sealed_by, body = text.split(":")
        assert (program, version, sealed_by) == ("pgvigil", "v1", name)
        body = base64.b64decode(body, validate=True)
        out, tag = gcm(key, body[:12], body[12:-16], context, True)
        assert tag == body[-16:], "not authentic"
        print(out.decode())


main(*sys.argv[1:])
