# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""VLAN interfaces upon the cable of a rig: the kernel's own where it has them, else made in user
space.

Without CONFIG_VLAN_8021Q an interface eth0.7 is a tap whose frames a thread here tags and sends on
eth0, and the other way round, so that addresses, routes and neighbours are the kernel's as ever.
Only what rtnetlink says of it is not that of a VLAN: tests/vlan/vlan_links.c, preloaded into the
appliance, adds that. Test packets do not come by here: the appliance sends them with tags on eth0.
"""

import contextlib
import dataclasses
import fcntl
import os
import select
import socket
import struct
import threading

TPID_C, TPID_S = 0x8100, 0x88a8
ETH_P_ALL, PACKET_AUXDATA, PACKET_OUTGOING, SOL_PACKET = 3, 8, 4, 263
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454ca, 2, 0x1000
VLAN_VALID, TPID_VALID = 0x10, 0x40  # tp_status of packet(7)
AUXDATA = struct.Struct("=IIIHHHH")


@dataclasses.dataclass
class Vlan:
    """An interface `name` upon `parent`, with one tag."""

    name: str
    parent: str
    tpid: int
    vid: int


def packet_socket(netns, device):
    """Whole frames of a device; their tags come beside them."""
    with netns.inside():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    sock.bind((device, ETH_P_ALL))
    return sock


def receive(sock):
    """One frame: (octets without the outer tag, its TPID or 0, its TCI). Of one that goes out: None
    for the octets."""
    frame, ancillary, _, where = sock.recvmsg(65536, 64)
    for level, kind, data in ancillary if where[2] != PACKET_OUTGOING else ():
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, *_, tci, tpid = AUXDATA.unpack(data[:AUXDATA.size])
            if status & VLAN_VALID:
                return frame, tpid if status & TPID_VALID else TPID_C, tci
    return frame if where[2] != PACKET_OUTGOING else None, 0, 0


def tagged(frame, tpid, tci):
    return frame[:12] + struct.pack("!HH", tpid, tci) + frame[12:]


class Tap(threading.Thread):
    """One VLAN interface in user space, there until it is stopped."""

    def __init__(self, netns, vlan):
        super().__init__(daemon=True)
        self.vlan = vlan
        with netns.inside():
            self.tap = os.open("/dev/net/tun", os.O_RDWR)
            fcntl.ioctl(self.tap, TUNSETIFF,
                        struct.pack("16sH14x", vlan.name.encode(), IFF_TAP | IFF_NO_PI))
        address = netns.sh(f"cat /sys/class/net/{vlan.parent}/address").stdout.strip()
        netns.sh(f"ip link set {vlan.name} address {address} up")
        self.wire = packet_socket(netns, vlan.parent)
        self.stopping = socket.socketpair()
        self.start()

    def run(self):
        while True:
            ready = select.select([self.stopping[1], self.tap, self.wire], [], [])[0]
            if self.stopping[1] in ready:
                return
            with contextlib.suppress(OSError):  # a link is down: frames are lost, as they would be
                if self.tap in ready:  # from the kernel to the cable
                    self.wire.send(tagged(os.read(self.tap, 65536), self.vlan.tpid, self.vlan.vid))
                if self.wire in ready:
                    self.up()

    def up(self):
        """From the cable to the kernel."""
        frame, tpid, tci = receive(self.wire)
        if (tpid, tci & 0xfff) == (self.vlan.tpid, self.vlan.vid):
            os.write(self.tap, frame)

    def stop(self):
        self.stopping[0].send(b"x")
        self.join()
        os.close(self.tap)
        for sock in (self.wire, *self.stopping):
            sock.close()


class Socket:
    """A UDP socket for peer.receive whose datagrams travel in frames with tags, made by hand: the
    kernel would choose the priority. `under` is a kernel's socket that holds the port."""

    def __init__(self, netns, device, macs, tags, under):
        self.wire, self.macs, self.under = packet_socket(netns, device), macs, under
        self.tags = tags  # ((TPID, TCI), ...) of what is sent, outer first
        self.seen = None  # of the last datagram that came
        self.settimeout = self.wire.settimeout
        self.getsockname = under.getsockname

    def close(self):
        self.wire.close()
        self.under.close()

    def sendto(self, octets, where):
        frame = self.macs[1] + self.macs[0] + packet(self.getsockname(), where, octets)
        for tpid, tci in reversed(self.tags):
            frame = tagged(frame, tpid, tci)
        self.wire.send(frame)

    def recvmsg(self, *_):
        """The next datagram for the port, as of a kernel's socket."""
        while True:
            frame, tpid, tci = receive(self.wire)
            if frame is None:
                continue
            tags = [(tpid, tci)] if tpid else []
            at = 12
            while frame[at:at + 2] in (b"\x81\x00", b"\x88\xa8"):
                tags.append(struct.unpack_from("!HH", frame, at))
                at += 4
            got = datagram(frame[at:])
            if got is not None and got[1] == self.getsockname()[1]:
                self.seen = tuple(tags)
                return got[0]


def checksum(octets):
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


def packet(source, target, octets):
    """EtherType, IP, UDP and payload; TTL 255."""
    family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
    ends = b"".join(socket.inet_pton(family, end[0]) for end in (source, target))
    udp = struct.pack("!HHHH", source[1], target[1], 8 + len(octets), 0) + octets
    pseudo = ends + struct.pack("!II", len(udp), socket.IPPROTO_UDP) + udp
    found = checksum(pseudo + bytes(len(pseudo) % 2)) or 0xffff
    udp = udp[:6] + struct.pack("!H", found) + udp[8:]
    if family == socket.AF_INET6:
        return struct.pack("!HIHBB", 0x86dd, 6 << 28, len(udp), socket.IPPROTO_UDP, 255) + ends + udp
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0x4000, 255, socket.IPPROTO_UDP, 0)
    head = head[:10] + struct.pack("!H", checksum(head + ends)) + ends
    return struct.pack("!H", 0x0800) + head + udp


def datagram(octets):
    """((payload, ancillary data, flags, sender), port) of what packet() makes; None: something else."""
    kind, = struct.unpack_from("!H", octets)
    if kind == 0x0800 and octets[11] == socket.IPPROTO_UDP:
        ends, udp = (octets[14:18], octets[18:22]), octets[22:]
        told = ((socket.IPPROTO_IP, socket.IP_TTL, octets[10:11]),
                (socket.IPPROTO_IP, socket.IP_TOS, octets[3:4]))
    elif kind == 0x86dd and octets[8] == socket.IPPROTO_UDP:
        ends, udp = (octets[10:26], octets[26:42]), octets[42:]
        told = ((socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT, octets[9:10]),)
    else:
        return None
    family = socket.AF_INET if kind == 0x0800 else socket.AF_INET6
    source, port, size = struct.unpack_from("!HHH", udp)
    return (udp[8:size], told, 0, (socket.inet_ntop(family, ends[0]), source)), port


def has_kernel_vlans(netns):
    """Whether the kernel makes VLAN interfaces."""
    netns.sh("ip link add probe type veth peer name probe-end")
    try:
        return netns.sh("ip link add link probe name probe.7 type vlan id 7",
                        check=False).returncode == 0
    finally:
        netns.sh("ip link del probe")


def environment(bed, netns, stack):
    """Words of the environment for an appliance in a namespace with these VLANs, outer first."""
    if not stack or has_kernel_vlans(netns):
        return ()
    words = ",".join(f"{v.name}:{v.parent}:{v.tpid:x}:{v.vid}" for v in stack)
    return f"LD_PRELOAD={bed.build}/tests/vlan/vlan_links.so", f"TW_VLANS={words}"


def make(bed, netns, device, stack):
    """Make the interfaces, outer first, upon a device; the name of the last, of the device if there
    is none."""
    is_kernel = stack and has_kernel_vlans(netns)
    for vlan in stack:
        if is_kernel:
            protocol = "802.1ad" if vlan.tpid == TPID_S else "802.1Q"
            netns.sh(f"ip link add link {vlan.parent} name {vlan.name} type vlan id {vlan.vid} "
                     f"protocol {protocol}")
            netns.sh(f"ip link set {vlan.name} up")
        else:
            bed.stack.callback(Tap(netns, vlan).stop)
    return stack[-1].name if stack else device


def stacks(device):
    """One VLAN, and a VLAN in a provider's, upon a device."""
    outer = f"{device}.7"
    return ((Vlan(outer, device, TPID_C, 7),),
            (Vlan(outer, device, TPID_S, 7), Vlan(f"{outer}.9", outer, TPID_C, 9)))
