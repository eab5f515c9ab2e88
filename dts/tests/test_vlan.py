# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""VLANs and VLANs in VLANs, upon an interface that is the kernel's and upon the tap of an owned port."""

import dataclasses
import itertools

import pytest

from dts.api import rig, vlans
from dts.api.exchange import Exchange

FAST = {"interval_ns": 2_000_000, "tmax_ns": 500_000_000, "timeout_ns": 500_000_000}
KINDS = ("802.1Q", "802.1ad")
SHARED, OWNED = vlans.stacks("eth0"), vlans.stacks("tap0")


def measures(pair):
    """The four modes, v4 and v6; and the kernels talk."""
    for mode in rig.MODES:
        for family in rig.FAMILIES:
            pair.measure(family, 100, mode=mode, **FAST)
    out = pair.near.netns.sh(f"ping -q -c 20 -i 0.01 -W 2 {rig.FAR['v4']}").stdout
    assert " 0% packet loss" in out, out


@pytest.mark.parametrize("stack", SHARED, ids=KINDS)
def test_shared(bed, stack):
    """VLAN interfaces upon a shared port.

    Steps: addresses on a VLAN, or a VLAN in a VLAN; measure in the four modes, v4 and v6; ping.
    Verify: clean reports, counters of both agree, no ping lost; what arrives from the reflector has
    tags of the right kind.
    """
    with bed.inner(stack[-1].name) as cable:
        pair = rig.veth_pair(cable, stack=stack)
        finish = cable.capture(pair.near.netns, "eth0", "tagged")
        measures(pair)
        seen = cable.tshark(finish(), "-Y", "udp", "-T", "fields", "-e", "eth.type")
        kinds = {line.split(",")[0] for line in seen.splitlines()}
        assert kinds == {f"0x{stack[0].tpid:04x}"}, kinds


@pytest.mark.parametrize("stack", OWNED, ids=KINDS)
def test_owned(bed, stack):
    """VLAN interfaces upon the tap of an owned port.

    Steps: as above, over memif.
    Verify: clean reports, counters of both agree, no ping lost.
    """
    with bed.inner(stack[-1].name) as cable:
        measures(rig.memif_pair(cable, stack=stack))


def mac(netns):
    return bytes.fromhex(netns.sh("cat /sys/class/net/eth0/address").stdout.strip().replace(":", ""))


@dataclasses.dataclass
class TaggedLab(rig.Lab):
    """The peer's test packets travel in frames with these tags."""

    tags: tuple = ()

    def socket(self, family="v4", port=0, dscp=0):
        macs = mac(self.there), mac(self.box.netns)
        return vlans.Socket(self.there, "eth0", macs, self.tags, super().socket(family, port, dscp))


@pytest.mark.parametrize("stack,tags", (
    ((), ((vlans.TPID_C, 6 << 13),)),
    (SHARED[0], ((vlans.TPID_C, 5 << 13 | 7),)),
    (SHARED[1], ((vlans.TPID_S, 5 << 13 | 7), (vlans.TPID_C, 3 << 13 | 9))),
), ids=("priority", "802.1Q", "802.1ad"))
def test_tagged_peer(bed, stack, tags):
    """The tags of a request come back as they were, priority included.

    Steps: a peer on the box's VLAN, or with a priority tag on none, sends 20 packets a mode in frames
    of its own, v4 and v6; then one with the number of another VLAN.
    Verify: each reply has the tags of its request, the same kinds, priorities and numbers, and is
    right itself; the last one is not answered.
    """
    with bed.inner("peer-" + (stack[-1].name if stack else "eth0")) as cable:
        plain = rig.kernel_lab(cable, stack=stack)
        lab = TaggedLab(plain.box, plain.there, plain.device, tags)
        for mode, family in itertools.product(rig.MODES, rig.FAMILIES):
            with lab.client(family, mode) as client, Exchange(lab, client, family) as ex:
                assert client.start() == 0
                for n in range(20):
                    reply = ex.ask()
                    assert ex.sock.seen == tags, (mode, family, ex.sock.seen)
                    assert reply.ttl == 255 and reply.fields["sender_seq"] == n, reply
                    assert reply.fields["ttl"] == 255
                ex.sock.tags = (*tags[:-1], (tags[-1][0], tags[-1][1] + 1))
                ex.send()
                assert ex.silent()
                client.stop()
