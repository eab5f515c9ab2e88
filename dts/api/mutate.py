# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""A load of mutated TWAMP-Control streams against a server.

  MUTATE_KEY_ID=ID MUTATE_SECRET=TEXT mutate.py HOST STREAMS SEED SOURCE...

Each stream is one connection: a sound conversation, damaged at random, written at once, its
sending end closed, then read to the end. One in SECURE_SHARE first answers the greeting with a
sound Set-Up-Response in a secure mode and damages what follows under the right keys, so that what
lies behind the authentication is reached too. Prints one line of JSON: streams, answered, octets
read, and the number of streams that had no end within the deadline.
"""

import collections
import json
import os
import pathlib
import random
import socket
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from dts.api import peer  # noqa: E402  (the path comes first)

IN_FLIGHT = 32
SECURE_SHARE = 50
PATIENCE = 20.0
IP_BIND_ADDRESS_NO_PORT = 24


def request(rng):
    """A Request-TW-Session that an open-mode server would accept."""
    return struct.pack("!BBBBIIHH16s16s16xIQQI8x", 5, 4, 0, 0, 0, 0, rng.randrange(1024, 65536),
                       rng.randrange(49152, 65536), bytes(16), bytes(16), rng.choice((0, 27, 64)),
                       0, rng.choice((0, 1 << 28, 1 << 30)), 0) + bytes(16)


def conversation(rng):
    """Messages of a sound open-mode conversation, of random length."""
    messages = [struct.pack("!I", 1) + bytes(160)]
    sessions = rng.randrange(0, 4)
    messages += [request(rng) for _ in range(sessions)]
    if rng.random() < 0.7:
        messages.append(struct.pack("!B31x", 2))
        if rng.random() < 0.7:
            messages.append(struct.pack("!BBxxI24x", 3, 0, sessions))
    return messages


def flip(rng, octets):
    at = rng.randrange(len(octets) * 8)
    octets[at // 8] ^= 1 << at % 8


def overwrite(rng, octets):
    at = rng.randrange(len(octets))
    value = rng.choice((b"\0", b"\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\xff\xff\xff\xff",
                        rng.randbytes(rng.randrange(1, 17))))
    octets[at:at + len(value)] = value


def cut(rng, octets):
    del octets[rng.randrange(len(octets)):]


def remove(rng, octets):
    at = rng.randrange(len(octets))
    del octets[at:at + rng.randrange(1, 40)]


def insert(rng, octets):
    at = rng.randrange(len(octets))
    octets[at:at] = rng.randbytes(rng.randrange(1, 40))


def repeat(rng, octets):
    at = rng.randrange(len(octets))
    octets[at:at] = octets[at:at + rng.randrange(1, 128)]


def command(rng, octets):
    """Another command number where one of the messages begins."""
    at = rng.randrange(164, max(165, len(octets)), 16)
    if at < len(octets):
        octets[at] = rng.randrange(256)


MUTATIONS = (flip, flip, flip, overwrite, cut, remove, insert, repeat, command, command)


def damage(rng, octets):
    octets = bytearray(octets)
    for _ in range(rng.randrange(1, 6)):
        if octets:
            rng.choice(MUTATIONS)(rng, octets)
    return bytes(octets)


def connect(host, source):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    sock.bind((source, 0))
    sock.settimeout(PATIENCE)
    sock.connect((host, 862))
    return sock


def secure_text(rng, sock, key_id, secret):
    """A sound secure set-up; then damaged messages under the keys agreed, some of them with a
    right HMAC over wrong octets."""
    stream = peer.Stream(sock, PATIENCE)
    greeting = stream.recv(64)
    challenge, salt, count = greeting[16:32], greeting[32:48], int.from_bytes(greeting[48:52], "big")
    aes_key, hmac_key, iv = rng.randbytes(16), rng.randbytes(32), rng.randbytes(16)
    token = peer.cbc(peer.token_key(secret, salt, count), bytes(16), challenge + aes_key + hmac_key)
    setup = struct.pack("!I80s", rng.choice((2, 4, 8)), key_id) + token + iv
    if rng.random() < 0.3:
        return damage(rng, setup)
    clear = b""
    for message in conversation(rng)[1:]:
        body = damage(rng, message[:-16]).ljust(16, b"\0")
        body = body[:len(body) // 16 * 16]
        clear += body + peer.mac(hmac_key, body)
    return setup + (peer.cbc(aes_key, iv, clear) if clear else b"")


class Load:
    def __init__(self, host, seed, sources, key_id, secret):
        self.host, self.sources, self.key_id, self.secret = host, sources, key_id, secret
        self.rng = random.Random(seed)
        self.open = collections.deque()
        self.result = {"streams": 0, "answered": 0, "octets": 0, "stuck": 0}

    def one(self, number):
        sock = connect(self.host, self.sources[number % len(self.sources)])
        try:
            if self.secret and number % SECURE_SHARE == 0:
                text = secure_text(self.rng, sock, self.key_id, self.secret)
            else:
                text = damage(self.rng, b"".join(conversation(self.rng)))
            sock.sendall(text)
            sock.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError, OSError):
            pass  # the server may have closed already
        self.open.append(sock)
        self.result["streams"] += 1

    def finish(self):
        sock = self.open.popleft()
        got = 0
        try:
            while more := sock.recv(65536):
                got += len(more)
        except ConnectionResetError:
            pass
        except (socket.timeout, OSError):
            self.result["stuck"] += 1
        sock.close()
        self.result["octets"] += got
        self.result["answered"] += got > 64

    def run(self, streams):
        for number in range(streams):
            self.one(number)
            if len(self.open) >= IN_FLIGHT:
                self.finish()
        while self.open:
            self.finish()
        return self.result


def main(argv):
    host, streams, seed, *sources = argv
    key_id = os.environ.get("MUTATE_KEY_ID", "").encode()
    secret = os.environ.get("MUTATE_SECRET", "").encode()
    print(json.dumps(Load(host, int(seed), sources, key_id, secret).run(int(streams))))


if __name__ == "__main__":
    main(sys.argv[1:])
