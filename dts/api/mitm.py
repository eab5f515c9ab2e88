# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""Somebody between a TWAMP client and a server: a TCP proxy that hands the three messages of each
set-up (Greeting, Set-Up-Response, Server-Start) to functions which may alter them, and everything
after them on as it comes. It notes what it saw."""

import contextlib
import dataclasses
import select
import socket
import struct
import threading

GREETING, RESPONSE, SERVER_START = 64, 164, 48
PATIENCE = 30


def mode_of(response):
    return struct.unpack_from("!I", response)[0]


def unaltered(octets):
    return octets


@dataclasses.dataclass
class Seen:
    """One connection, as its ends said it; None where one of them said nothing."""

    greeting: bytes = None
    response: bytes = None
    server_start: bytes = None


class Mitm:
    """Listens at `listen`, connects on to `server` from the address `source`; call it where both
    belong to the namespace of the thread. `greeting`, `response` and `server_start` are functions
    octets -> octets, to be set before a client comes; `server` may be changed, too."""

    def __init__(self, listen, server, source):
        self.server, self.source = server, source
        self.listener = socket.create_server(listen)
        self.listener.settimeout(PATIENCE)
        self.wake = socket.socketpair()
        self.clear()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def clear(self):
        self.greeting = self.response = self.server_start = unaltered
        self.seen = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wake[1].close()
        self.thread.join(PATIENCE)
        self.listener.close()
        self.wake[0].close()

    def _run(self):
        while True:
            ready = select.select([self.listener, self.wake[0]], [], [])[0]
            if self.wake[0] in ready:
                return
            client, _ = self.listener.accept()
            with client, contextlib.suppress(OSError):
                client.settimeout(PATIENCE)
                with socket.create_connection(self.server, PATIENCE, (self.source, 0)) as server:
                    self._serve(client, server)

    def _serve(self, client, server):
        seen = Seen()
        self.seen.append(seen)
        steps = (("greeting", GREETING, server, client), ("response", RESPONSE, client, server),
                 ("server_start", SERVER_START, server, client))
        for name, size, source, sink in steps:
            octets = self._read(source, size)
            if octets is None:
                return
            setattr(seen, name, octets)
            sink.sendall(getattr(self, name)(octets))
        self._join(client, server)

    @staticmethod
    def _read(sock, size):
        octets = b""
        while len(octets) < size:
            more = sock.recv(size - len(octets))
            if not more:
                return None
            octets += more
        return octets

    def _join(self, client, server):
        other = {client: server, server: client}
        while True:
            ready = select.select([client, server, self.wake[0]], [], [])[0]
            for sock in ready:
                if sock is self.wake[0]:
                    return
                octets = sock.recv(4096)
                if not octets:
                    return
                other[sock].sendall(octets)
