# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""Secrets in all the forms in which they could show, and the search for them in texts and cores."""

import base64
import importlib.util
import pathlib
import struct

from dts.api import peer

TOP = pathlib.Path(__file__).resolve().parents[2]


def _core_check():
    """The forms of keys that the test of lib/crypto looks for: expanded keys, HMAC states."""
    spec = importlib.util.spec_from_file_location("core_check",
                                                  TOP / "tests" / "crypto" / "core_check.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.SBOX = module.make_sbox()
    return module


core_check = _core_check()


class Secrets:
    """Named octets that must not show anywhere."""

    def __init__(self):
        self.octets = {}

    def passphrase(self, name, text):
        self.octets[name] = text.encode()

    def stream(self, name, stream):
        """Session keys of a control connection, as a peer knows them."""
        self.octets[f"{name} AESK"] = stream.aes_key
        self.octets[f"{name} HMACK"] = stream.hmac_key

    def session(self, name, session):
        if session.secure:
            self.octets[f"{name} test AESK"] = session.aes_key
            self.octets[f"{name} test HMACK"] = session.hmac_key

    def token_key(self, name, secret, greeting):
        salt, count = greeting[32:48], int.from_bytes(greeting[48:52], "big")
        octets = secret.encode() if isinstance(secret, str) else secret
        self.octets[f"{name} TK"] = peer.token_key(octets, salt, count)

    def in_text(self, text):
        """Names of secrets that a text shows, plain, in hexadecimal or base64."""
        low = text.lower()
        return [name for name, octets in self.octets.items()
                if octets.decode("latin-1") in text or octets.hex() in low
                or base64.b64encode(octets).decode().rstrip("=") in text]

    def needles(self):
        """(name, octets) of every form a core might hold."""
        for name, octets in self.octets.items():
            yield name, octets
            yield f"{name} in hexadecimal", octets.hex().encode()
            yield f"{name} in hexadecimal, capitals", octets.hex().upper().encode()
            if len(octets) == 16:
                for n, key in enumerate(core_check.expand(octets)):
                    yield f"{name} round key {n}", key
                    yield f"{name} inverse round key {n}", core_check.inverse_mix(key)
            if name.endswith("HMACK"):
                for form, needle in core_check.hmac_needles(name, octets):
                    yield form, needle

    def in_memory(self, memory):
        """Names of forms found in what `dumped` made of a core."""
        return [name for name, needle in self.needles() if needle in memory]


PT_LOAD, PT_NOTE = 1, 4


def segments(core, wanted):
    """The core file stands at each segment of a kind in turn; its size is given."""
    head = core.read(64)
    assert head[:5] == b"\x7fELF\x02", "no core file"
    phoff, phentsize, phnum = struct.unpack_from("<32xQ14xHH", head)
    for n in range(phnum):
        core.seek(phoff + n * phentsize)
        kind, offset, size = struct.unpack_from("<I4xQ16xQ", core.read(phentsize))
        if kind == wanted:
            core.seek(offset)
            yield size


def registers(path):
    """The notes of a core: the registers of every thread, vector registers too."""
    with open(path, "rb") as core:
        return b"".join(core.read(size) for size in segments(core, PT_NOTE))


def dumped(path):
    """The memory in a core: its PT_LOAD segments, runs of zero pages shortened.

    Notes, which hold registers, are apart: a key in the register of a thread at work cannot be
    hidden.
    """
    made = []
    with open(path, "rb") as core:
        for size in segments(core, PT_LOAD):
            while size > 0:
                page = core.read(min(size, 4096))
                size -= len(page)
                if not page:
                    break
                if page.count(0) != len(page):
                    made.append(page)
                elif made and made[-1]:
                    made.append(b"")  # a gap: nothing may match across it
    return b"".join(page or bytes(64) for page in made)
