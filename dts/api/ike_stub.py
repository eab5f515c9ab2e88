# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""A daemon that serves keys of IKE SAs which no IKE ever made, over the socket of
app/ikeshim/SOCKET.md. For what a real one cannot be made to do: an SA that comes late, a wrong key,
half a record, another version, a flood. One thread; the suite calls it from its own.
"""

import contextlib
import os
import select
import socket
import struct
import threading
import time

from dts.api import ippm

CONNECTING, UP, REKEYED, MOVED, CHILD, DOWN, FAILED = range(128, 135)
OK, ALREADY, NOT_FOUND, NO_CONNECTION, SET_UP_FAILED, TIMED_OUT, BUSY = range(7)
S_CONNECTING, S_ESTABLISHED, S_SUPERSEDED, S_GONE = range(1, 5)
R_DELETED, R_REKEYED, R_DEAD = 1, 2, 3
KNOWN_PEER, ANY_PEER, SETTING_UP = ippm.PEER_FLAGS
PATIENCE = 20


class Sa:
    """One IKE SA. `key` is what both ends have; `serial` and times come from the stub."""

    def __init__(self, remote, local=None, remote_id="far.lab", local_id="near.lab", key=None,
                 spis=None, vips=(), selectors=()):
        self.remote, self.local = remote, local
        self.remote_id, self.local_id = remote_id, local_id
        self.key = os.urandom(32) if key is None else key
        self.spis = os.urandom(16) if spis is None else spis
        self.vips, self.selectors = vips, selectors
        self.old = self.new = bytes(16)
        self.serial = 0
        self.state = S_ESTABLISHED
        self.reason = 0

    @property
    def name(self):
        return f"{self.spis[:8].hex()}_{self.spis[8:].hex()}"

    def record(self, kind, seq=0):
        has_key = self.state in (S_ESTABLISHED, S_SUPERSEDED)
        key = self.key if has_key else b""
        body = struct.pack("!Q16s16s16sQBBBxI", self.serial, self.spis, self.old, self.new,
                           int(time.time()), self.state, 1, self.reason, 0)
        body += ippm.packed_address(self.local, 500)
        body += ippm.packed_address(self.remote, 500)
        body += struct.pack("!HH4x64s", 5, len(key), key)
        body += ippm.packed_id(self.local_id) + ippm.packed_id(self.remote_id)
        body += struct.pack("!64sHH4x", b"stub", len(self.vips), len(self.selectors))
        body += b"".join(ippm.packed_address(a) for a in self.vips).ljust(80, b"\0")
        body += b"".join(self.selector(*s) for s in self.selectors).ljust(640, b"\0")
        return ippm.request(kind, body, seq)

    @staticmethod
    def selector(low, high):
        low, high = ippm.packed_address(low), ippm.packed_address(high)
        return struct.pack("!BBHHH16s16s", low[0], 0, 0, 65535, 0, low[4:], high[4:])


class Stub:
    """`on_initiate(stub, peer)` returns (status, Sa or None), or None to never answer; `flags` what
    is known of a peer by address; `hello` may change the octets of the first record."""

    def __init__(self, path, uid=0):
        self.path, self.uid = str(path), uid
        self.hello = lambda octets: octets
        self.on_initiate = lambda stub, peer: (NO_CONNECTION, None)
        self.flags = {}
        self.sas = {}
        self.serial = 0
        self.asked = []      # (request type, peer or None) of every request
        self.connects = 0
        self.lock = threading.RLock()
        self.heard = threading.Condition(self.lock)
        self.clients = []
        self.subscribers = set()
        self.boot_id = os.urandom(16)
        self.listener = None
        self.thread = None
        self.wake = os.pipe()

    # ---- life ----

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
        for fd in self.wake:
            os.close(fd)

    def open(self):
        """Serve; again after close(). Nothing if it does."""
        if self.thread is not None:
            return
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self.listener.bind(self.path)
        os.chown(self.path, self.uid, -1)
        os.chmod(self.path, 0o600)
        self.listener.listen(8)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def close(self):
        """Gone, as a daemon that is killed; SAs are kept for the next open()."""
        if self.thread is None:
            return
        os.write(self.wake[1], b"x")
        self.thread.join(10)
        self.thread = None

    def restart(self):
        """Another run of the daemon: nothing is left of the SAs."""
        self.close()
        self.boot_id = os.urandom(16)
        self.sas = {}
        self.open()

    def _run(self):
        while True:
            ready = select.select([self.wake[0], self.listener, *self.clients], [], [])[0]
            if self.wake[0] in ready:
                os.read(self.wake[0], 1)
                break
            for sock in ready:
                if sock is self.listener:
                    self._accept()
                else:
                    self._serve(sock)
        with self.lock:
            for sock in self.clients:
                sock.close()
            self.clients, self.subscribers = [], set()
            self.listener.close()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)

    def _accept(self):
        sock, _ = self.listener.accept()
        body = struct.pack("!HHI16sQ32s32s8x", ippm.VERSION, ippm.VERSION, len(self.sas),
                           self.boot_id, int(time.time()), b"stub", b"1.0")
        with self.heard:
            self.clients.append(sock)
            self.connects += 1
            self.heard.notify_all()
        self._put(sock, self.hello(ippm.request(ippm.HELLO, body)))

    def _drop(self, sock):
        with self.lock:
            if sock in self.clients:
                self.clients.remove(sock)
            self.subscribers.discard(sock)
        sock.close()

    def _put(self, sock, octets):
        try:
            sock.send(octets)
        except OSError:
            self._drop(sock)

    # ---- requests ----

    def _serve(self, sock):
        try:
            raw = sock.recv(4096)
        except OSError:
            raw = b""
        if not raw:
            self._drop(sock)
            return
        _, kind, _, seq = ippm.HEADER.unpack_from(raw)
        peer = ippm.address(raw[16:36])[0] if kind in (ippm.LOOKUP_PEER, ippm.INITIATE) else None
        with self.heard:
            self.asked.append((kind, peer))
            self.heard.notify_all()
            answer = {ippm.SUBSCRIBE: self._subscribe, ippm.LIST: self._list,
                      ippm.LOOKUP_PEER: self._lookup_peer, ippm.INITIATE: self._initiate}
            answer[kind](sock, seq, raw, peer)

    def _result(self, sock, seq, kind, status=OK, cursor=0, flags=0, cnt=0, text=b""):
        body = struct.pack("!HHIQI4x96s", status, kind, flags, cursor, cnt, text)
        self._put(sock, ippm.request(ippm.RESULT, body, seq))

    def _subscribe(self, sock, seq, _raw, _peer):
        self.subscribers.add(sock)
        self._result(sock, seq, ippm.SUBSCRIBE)

    def _list(self, sock, seq, raw, _peer):
        cursor, = struct.unpack_from("!Q", raw, 16)
        rest = [self.sas[n] for n in sorted(self.sas) if n >= cursor]
        for sa in rest[:ippm.PAGE]:
            self._put(sock, sa.record(ippm.SA, seq))
        cursor = rest[ippm.PAGE].serial if len(rest) > ippm.PAGE else 0
        self._result(sock, seq, ippm.LIST, cursor=cursor, cnt=min(ippm.PAGE, len(rest)))

    def _lookup_peer(self, sock, seq, _raw, peer):
        found = [sa for sa in self.sas.values() if sa.remote == peer and sa.state == S_ESTABLISHED]
        flags = self.flags.get(peer, 0)
        if found:
            self._put(sock, max(found, key=lambda sa: sa.serial).record(ippm.SA, seq))
        self._result(sock, seq, ippm.LOOKUP_PEER, OK if found else NOT_FOUND, flags=flags)

    def _initiate(self, sock, seq, _raw, peer):
        answer = self.on_initiate(self, peer)
        if answer is None:
            return
        status, sa = answer
        if sa is not None:
            self._put(sock, sa.record(ippm.SA, seq))
        self._result(sock, seq, ippm.INITIATE, status, cnt=int(sa is not None),
                     text=b"says the stub")

    # ---- what the suite has happen ----

    def wait(self, what, patience=PATIENCE):
        """Until `what(self)` holds."""
        with self.heard:
            assert self.heard.wait_for(lambda: what(self), patience), (self.connects, self.asked)

    def send(self, octets):
        """Octets as they are, to all that subscribed."""
        with self.lock:
            for sock in list(self.subscribers):
                self._put(sock, octets)

    def _number(self, sa):
        self.serial += 1
        sa.serial = self.serial
        self.sas[sa.serial] = sa
        return sa

    def add(self, sa):
        """Known without an event."""
        with self.lock:
            return self._number(sa)

    def up(self, sa):
        """Established; the SA."""
        with self.lock:
            self._number(sa)
            self.send(sa.record(UP))
        return sa

    def connecting(self, sa):
        """Being set up; up() may follow."""
        with self.lock:
            sa.state = S_CONNECTING
            self._number(sa)
            self.send(sa.record(CONNECTING))
            del self.sas[sa.serial]
            sa.state = S_ESTABLISHED
        return sa

    def rekey(self, old, new):
        """`new` takes over, and the daemon destroys `old`."""
        with self.lock:
            self._number(new)
            new.old, old.new = old.spis, new.spis
            self.send(new.record(REKEYED))
            self.down(old, R_REKEYED)
        return new

    def forget(self):
        """No SAs, no special answers."""
        with self.lock:
            for sa in list(self.sas.values()):
                self.down(sa)
            self.flags, self.asked = {}, []
            self.on_initiate = lambda stub, peer: (NO_CONNECTION, None)

    def down(self, sa, reason=R_DELETED):
        with self.lock:
            self.sas.pop(sa.serial, None)
            sa.state, sa.reason = S_GONE, reason
            self.send(sa.record(DOWN))
