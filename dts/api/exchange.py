# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""One test session of the independent peer, packet by packet, over a kernel socket."""

import dataclasses
import time

from dts.api import peer, rig

SILENCE = 0.25  # how long nothing must come, where nothing may


@dataclasses.dataclass
class Reply:
    """A verified reply and what its headers said."""

    fields: dict
    size: int
    raw: bytes
    ttl: int
    tos: int
    t4: int


class Exchange:
    """A session accepted by the appliance, and the socket it was asked for."""

    def __init__(self, lab, client, family="v4", dscp=0, receiver_port=None, **request):
        self.family = family
        self.box = lab.box
        self.before = lab.box.counters()
        self.sock = lab.socket(family, dscp=dscp)
        self.port = self.sock.getsockname()[1]
        wanted = self.port if receiver_port is None else receiver_port
        accept, self.far_port, self.session = client.request(self.port, wanted, dscp=dscp, **request)
        assert accept == 0, f"session refused with Accept {accept}"
        self.seq = 0
        self.sent = {}  # sequence number: packet

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def put(self, octets):
        self.sock.sendto(octets, (rig.FAR[self.family], self.far_port))

    def send(self, **how):
        """The next packet; its octets."""
        raw = self.session.request(self.seq, **how)
        self.sent[self.seq] = raw
        self.seq += 1
        self.put(raw)
        return raw

    def reply(self, patience=5.0):
        """The next reply, verified, or None."""
        got = peer.receive(self.sock, patience)
        if got is None:
            return None
        raw, _, ttl, tos = got
        return Reply(self.session.read_reply(raw), len(raw), raw, ttl, tos, peer.ntp_now())

    def silent(self):
        """Nothing comes for a while."""
        return peer.receive(self.sock, SILENCE) is None

    def ask(self, **how):
        """A packet and its reply."""
        self.send(**how)
        reply = self.reply()
        assert reply is not None, (f"no reply to packet {self.seq - 1}",
                                   rig.moved(self.before, self.box.counters()))
        return reply

    def until_silent(self, deadline):
        """Send until nothing is answered any more; the last time something was."""
        last = None
        while time.monotonic() < deadline:
            self.send()
            if peer.receive(self.sock, 0.1) is not None:
                last = time.monotonic()
            elif last is not None:
                return last
        return last


def seconds(ntp_difference):
    return ntp_difference / 2**32
