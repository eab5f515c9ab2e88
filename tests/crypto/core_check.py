#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""No secret leaves in a core.

Starts core_probe with random secrets, takes a core with gcore as an operator would, and looks in it
for every eight consecutive octets of the passphrase, of each key, of each expanded key and of each
HMAC state. Two controls keep the search honest: what should be alive is found in the process's own
memory, and an octet string in plain memory is found in the core. Output: TAP.
"""

import hashlib
import os
import random
import resource
import shutil
import struct
import subprocess
import sys
import tempfile

SBOX = None
COUNT = 1024
# name, what the probe does, environment
RUNS = (
    ("objects at rest", "idle", {}),
    # other code in OpenSSL, other remnants: plain C and SSE2 instead of SHA-NI and AES-NI
    ("objects at rest, oldest CPU", "idle", {"OPENSSL_ia32cap": "0:0"}),
    ("at work", "busy", {}),
)


def gf_mul(a, b):
    out = 0
    while b:
        out ^= a if b & 1 else 0
        a = (a << 1) ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return out


def make_sbox():
    """FIPS 197 5.1.1: inverse, then the affine map."""
    box = []
    for value in range(256):
        inverse = next((x for x in range(256) if gf_mul(value, x) == 1), 0)
        out = 0x63
        for shift in range(5):
            out ^= (inverse << shift | inverse >> (8 - shift)) & 0xFF
        box.append(out)
    return box


def expand(key):
    """FIPS 197 5.2: eleven round keys."""
    words = [key[i:i + 4] for i in range(0, 16, 4)]
    rcon = 1
    for i in range(4, 44):
        word = words[-1]
        if i % 4 == 0:
            word = bytes(SBOX[b] for b in word[1:] + word[:1])
            word = bytes([word[0] ^ rcon]) + word[1:]
            rcon = gf_mul(rcon, 2)
        words.append(bytes(a ^ b for a, b in zip(words[-4], word)))
    return [b"".join(words[i:i + 4]) for i in range(0, 44, 4)]


def encrypt_block(key, block):
    """FIPS 197 5.1."""
    keys = expand(key)
    state = bytes(a ^ b for a, b in zip(block, keys[0]))
    for turn in range(1, 11):
        state = bytes(SBOX[b] for b in state)
        state = bytes(state[(i + 4 * (i % 4)) % 16] for i in range(16))
        if turn < 10:
            state = b"".join(mix(state[i:i + 4], (2, 3, 1, 1)) for i in range(0, 16, 4))
        state = bytes(a ^ b for a, b in zip(state, keys[turn]))
    return state


def mix(column, row):
    return bytes(
        gf_mul(column[0], row[-i % 4]) ^ gf_mul(column[1], row[(1 - i) % 4])
        ^ gf_mul(column[2], row[(2 - i) % 4]) ^ gf_mul(column[3], row[(3 - i) % 4])
        for i in range(4))


def inverse_mix(key):
    """Round key of the equivalent inverse cipher, FIPS 197 5.3.5."""
    return b"".join(mix(key[i:i + 4], (14, 11, 13, 9)) for i in range(0, 16, 4))


def sha1_block(block):
    """SHA-1 state after one block, FIPS 180-4 6.1.2."""
    rol = lambda v, n: (v << n | v >> (32 - n)) & 0xFFFFFFFF
    w = [int.from_bytes(block[i:i + 4], "big") for i in range(0, 64, 4)]
    for t in range(16, 80):
        w.append(rol(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1))
    start = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)
    a, b, c, d, e = start
    for t in range(80):
        if t < 20:
            f, k = (b & c) | (~b & d), 0x5A827999
        elif t < 40:
            f, k = b ^ c ^ d, 0x6ED9EBA1
        elif t < 60:
            f, k = (b & c) | (b & d) | (c & d), 0x8F1BBCDC
        else:
            f, k = b ^ c ^ d, 0xCA62C1D6
        a, b, c, d, e = (rol(a, 5) + (f & 0xFFFFFFFF) + e + k + w[t]) & 0xFFFFFFFF, a, rol(b, 30), c, d
    return [(x + y) & 0xFFFFFFFF for x, y in zip(start, (a, b, c, d, e))]


def swapped(octets):
    """Each 32-bit word reversed, as hash code loads it."""
    return b"".join(octets[i:i + 4][::-1] for i in range(0, len(octets) // 4 * 4, 4))


def hmac_needles(name, key):
    """Padded keys and the two states, in both byte orders."""
    for pad_name, pad in (("ipad", 0x36), ("opad", 0x5C)):
        masked = bytes(b ^ pad for b in key)
        state = sha1_block(masked.ljust(64, bytes([pad])))
        yield f"{name} xor {pad_name}", masked
        yield f"{name} xor {pad_name}, swapped", swapped(masked)
        for order in ("big", "little"):
            yield f"{name} {pad_name} state, {order}", b"".join(w.to_bytes(4, order) for w in state)


class Secrets:
    """Random inputs, the octets core_probe reads, and all that must stay hidden."""

    def __init__(self, seed):
        rnd = random.Random(seed)
        octets = rnd.randbytes
        self.canary = octets(16)
        self.passphrase = "".join(rnd.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJ", k=24)).encode()
        self.aes, self.hmac = octets(16), octets(32)
        salt, challenge, iv, sid = (octets(16) for _ in range(4))
        self.input = (self.canary + bytes([24]) + self.passphrase.ljust(64, b"\0") + self.aes
                      + self.hmac + salt + challenge + iv + sid)
        self.tk = hashlib.pbkdf2_hmac("sha1", self.passphrase, salt, COUNT, 16)
        self.test_aes = encrypt_block(sid, self.aes)
        first = encrypt_block(sid, self.hmac[:16])
        self.test_hmac = first + encrypt_block(sid, bytes(a ^ b for a, b in zip(first, self.hmac[16:])))

    def alive(self):
        """What the probe keeps, as proof that the values are the right ones."""
        yield "passphrase", self.passphrase
        yield "token key", self.tk
        yield "AES Session-key", self.aes
        yield "HMAC Session-key", self.hmac
        yield "test AES key, expanded", b"".join(expand(self.test_aes))
        yield "test HMAC key", self.test_hmac
        state = sha1_block(bytes(b ^ 0x36 for b in self.test_hmac).ljust(64, b"\x36"))
        yield "test HMAC ipad state", b"".join(w.to_bytes(4, "little") for w in state)

    def hidden(self):
        yield from self.alive()
        for name, key in (("TK", self.tk), ("AESK", self.aes), ("TAESK", self.test_aes)):
            for i, round_key in enumerate(expand(key)):
                yield f"{name} round key {i}", round_key
                yield f"{name} inverse round key {i}", inverse_mix(round_key)
        for name, key in (("passphrase", self.passphrase), ("HMACK", self.hmac),
                          ("THMACK", self.test_hmac)):
            yield from hmac_needles(name, key)


def windows(octets):
    return {octets[i:i + 8] for i in range(len(octets) - 7)}


def dumped_memory(path):
    """(offset, octets) of what a core says of memory, all-zero pages left out.

    The notes of a core hold registers; a key in a register of a thread that is at work on it
    cannot be hidden, so only PT_LOAD counts.
    """
    with open(path, "rb") as core:
        head = core.read(64)
        assert head[:5] == b"\x7fELF\x02"
        phoff, phentsize, phnum = struct.unpack_from("<32xQ14xHH", head)
        for n in range(phnum):
            core.seek(phoff + n * phentsize)
            kind, offset, size = struct.unpack_from("<I4xQ16xQ", core.read(phentsize))
            if kind != 1:
                continue
            core.seek(offset)
            data = core.read(size)
            for at in range(0, len(data), 1 << 16):
                chunk = data[max(at - 7, 0):at + (1 << 16)]
                if chunk.strip(b"\0"):
                    yield offset + max(at - 7, 0), chunk


def search(path, secrets):
    """Names of secrets that a core shows eight octets of, with the place."""
    chunks = list(dumped_memory(path))
    needles = [(name, window) for name, octets in secrets.hidden() for window in windows(octets)]
    found = {}
    if not any(secrets.canary in chunk for _, chunk in chunks):
        found["the canary is missing: this core shows nothing"] = 0
    for offset, chunk in chunks:
        for name, window in needles:
            if window in chunk:
                found[name] = offset + chunk.index(window)
    return [f"{name} at offset {at:#x}" for name, at in found.items()]


def missing(pid, secrets):
    """Names of secrets that are not in the live process."""
    left = dict(secrets.alive())
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            lo, hi = (int(x, 16) for x in line.split()[0].split("-"))
            if " rw" not in line:
                continue
            try:
                mem.seek(lo)
                chunk = mem.read(hi - lo)
            except (OSError, ValueError):
                continue
            left = {n: o for n, o in left.items() if o not in chunk}
    return list(left)


def unlimit():
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)
    except (ValueError, OSError):
        pass  # gcore does not ask for it


def check(probe, mode, env, folder):
    """One probe, one core. @return (is_ok or None for a core that cannot be had, lines)"""
    seed = random.SystemRandom().getrandbits(32)
    secrets = Secrets(seed)
    with subprocess.Popen([probe, mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          env=os.environ | env, preexec_fn=unlimit) as child:
        try:
            child.stdin.write(secrets.input)
            child.stdin.flush()
            ready = child.stdout.readline().decode()
            if not ready.startswith("ready"):
                return False, ["the probe did not start"]
            lines = [f"{mode}: seed {seed}, heap in use {ready.split()[1]} octets"]
            gone = missing(child.pid, secrets) if mode == "idle" else []
            gcore = subprocess.run(["gcore", "-o", f"{folder}/{mode}", str(child.pid)],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            core = f"{folder}/{mode}.{child.pid}"
            if not os.path.exists(core):
                return None, lines + gcore.stdout.splitlines()[-3:]
            child.kill()
            shown = search(core, secrets)
            lines += [f"not in the process, so not searched for: {n}" for n in gone]
            lines += [f"in the core: {n}" for n in shown]
            return not gone and not shown, lines
        finally:
            child.kill()


def main():
    global SBOX
    probe = sys.argv[1]
    if not shutil.which("gcore"):
        print("1..0 # SKIP gcore is missing (package gdb)")
        return 0
    SBOX = make_sbox()
    # FIPS 197 appendix B, so that a fault here cannot pass as a clean core
    block = encrypt_block(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"),
                          bytes.fromhex("3243f6a8885a308d313198a2e0370734"))
    assert block.hex() == "3925841d02dc09fbdc118597196a0b32"
    print(f"1..{len(RUNS)}")
    with tempfile.TemporaryDirectory(prefix="tw-core-") as folder:
        for n, (name, mode, env) in enumerate(RUNS, 1):
            is_ok, lines = check(probe, mode, env, folder)
            for line in lines:
                print(f"# {line}")
            if is_ok is None:
                print(f"ok {n} - {name} # SKIP gcore may not attach here")
            else:
                print(f"{'ok' if is_ok else 'not ok'} {n} - {name}: no secret in the core")
    return 0


if __name__ == "__main__":
    sys.exit(main())
