# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""Two strongSwan daemons on one cable, and what their keys must be."""

import dataclasses
import select
import socket
import threading

from cryptography.hazmat.primitives import cmac, hashes, hmac
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from dts.api import charon

NEAR, FAR = "10.88.0.1", "10.88.0.2"
NAMES = ("near.lab", "far.lab")
LOG_KEYS = "filelog { lab { ike = 4 } }"  # level 4: the only one that shows key material
# a peer that is gone is noticed within two seconds
IMPATIENT = "retransmit_tries = 3\n retransmit_timeout = 0.5\n retransmit_base = 1\n"


@dataclasses.dataclass
class Duo:
    """`near` initiates in most cases; both have the same connections, mirrored."""

    near: charon.Daemon
    far: charon.Daemon
    plugins: str
    ends: tuple = (NEAR, FAR)

    @property
    def both(self):
        return self.near, self.far

    def clients(self):
        """Subscribed clients of both."""
        return self.near.client().subscribe(), self.far.client().subscribe()

    def configure(self, connections, secrets=None, **more):
        """`connections`: name -> (authentication, settings of near, settings of far)."""
        for daemon, (mine, other), at in ((self.near, NAMES, 1), (self.far, NAMES[::-1], 2)):
            peer = self.ends[2 - at]
            daemon.configure({
                name: charon.connection(mine, other, what[0], **{"remote_addrs": peer, **what[at]})
                for name, what in connections.items()}, secrets, **more)
            if daemon.process is not None:
                daemon.load()


def duo(bed, connections, secrets=None, owner=0, kinds=(), extra="", pair=None, ends=(NEAR, FAR)):
    """Both daemons, started. kinds: of certificates both shall have. pair: two appliances in whose
    namespaces they run, `ends` their addresses; without it a cable of their own."""
    plugins = charon.needs_strongswan(bed)
    if pair is None:
        spaces = bed.netns("near"), bed.netns("far")
        bed.veth(spaces[0], "eth0", spaces[1], "eth0")
        for netns, address in zip(spaces, ends):
            netns.address("eth0", f"{address}/24")
        names = "near", "far"
    else:
        spaces, names = (pair.near.netns, pair.far.netns), ("ike-near", "ike-far")
    daemons = [charon.Daemon(bed, netns, name, plugins, owner, extra)
               for netns, name in zip(spaces, names)]
    made = Duo(*daemons, plugins, ends)
    for kind in kinds:
        certs = charon.certificates(bed, kind, *NAMES)
        for daemon, name in zip(daemons, NAMES):
            daemon.trust(certs, name)
    made.configure(connections, secrets)
    for daemon in daemons:
        daemon.start()
    return made


# --- prf(SK_d, "IPPM") of RFC 7717 5.1, by another hand than the plugin's ---

def _double(block):
    value = int.from_bytes(block, "big") << 1
    return (value & (1 << 128) - 1 ^ (0x87 if value >> 128 else 0)).to_bytes(16, "big")


def _aes(key, block):
    context = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return context.update(block) + context.finalize()


def prf_hmac(algorithm):
    def run(key, data):
        mac = hmac.HMAC(key, algorithm())
        mac.update(data)
        return mac.finalize()
    return run


def prf_cmac(key, data):
    """AES-CMAC-PRF-128 (RFC 4615) with a key of 16 octets."""
    mac = cmac.CMAC(algorithms.AES(key))
    mac.update(data)
    return mac.finalize()


def prf_xcbc(key, data):
    """AES-XCBC-PRF-128 (RFC 4434) with a key of 16 octets and data of less than one block."""
    assert len(key) == 16 and 0 < len(data) < 16
    first, _, third = (_aes(key, bytes([n]) * 16) for n in (1, 2, 3))
    block = data + b"\x80" + bytes(15 - len(data))
    return _aes(first, bytes(a ^ b for a, b in zip(block, third)))


# IKEv2 transform type 2 -> (keyword of strongSwan, function, octets)
PRFS = {
    2: ("sha1-prfsha1", prf_hmac(hashes.SHA1), 20),
    5: ("sha256-prfsha256", prf_hmac(hashes.SHA256), 32),
    6: ("sha256-prfsha384", prf_hmac(hashes.SHA384), 48),
    7: ("sha512-prfsha512", prf_hmac(hashes.SHA512), 64),
    4: ("aesxcbc-prfaesxcbc", prf_xcbc, 16),
    8: ("aescmac-prfaescmac", prf_cmac, 16),
}


def derived(daemon, prf):
    """The key for the SK_d that a daemon wrote last to its log of level 4."""
    return PRFS[prf][1](daemon.dumps("Sk_d secret")[-1], b"IPPM")


class Relay(threading.Thread):
    """A NAT of two addresses: whoever talks to `inside` is relayed to `target` from a port of
    `outside` that is its own. IKE ports only."""

    def __init__(self, netns, inside, outside, target):
        super().__init__(daemon=True)
        self.stopping = socket.socketpair()
        self.target, self.outside, self.netns = target, outside, netns
        with netns.inside():
            self.listeners = [self._socket(inside, port) for port in (500, 4500)]
        self.flows = {}  # (listener, source) -> socket to the target
        self.start()

    @staticmethod
    def _socket(host, port):
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((host, port))
        return made

    def _flow(self, listener, source):
        if (listener, source) not in self.flows:
            with self.netns.inside():
                self.flows[listener, source] = self._socket(self.outside, 0)
        return self.flows[listener, source]

    def run(self):
        while True:
            back = {flow: key for key, flow in self.flows.items()}
            ready = select.select([self.stopping[1], *self.listeners, *back], [], [])[0]
            if self.stopping[1] in ready:
                return
            for sock in ready:
                data, source = sock.recvfrom(65535)
                if sock in back:
                    listener, client = back[sock]
                    listener.sendto(data, client)
                else:
                    self._flow(sock, source).sendto(data, (self.target, sock.getsockname()[1]))

    def stop(self):
        self.stopping[0].send(b"x")
        self.join()
        for sock in (*self.listeners, *self.flows.values(), *self.stopping):
            sock.close()
