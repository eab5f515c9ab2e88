# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""What our two ends put on the wire, as tshark reads it."""

import collections

import pytest

from dts.api import rig

COUNT = 50
FAST = {"count": COUNT, "interval_ns": 2_000_000, "tmax_ns": 500_000_000,
        "timeout_ns": 1_000_000_000}
WARNING = 0x600000  # tshark's severities: chat, note, warning, error
CONTROL = ("twamp.control.command", "twamp.control.modes", "twamp.control.mode",
           "twamp.control.accept", "twamp.control.numsessions", "twamp.control.padding_length",
           "twamp.control.ipvn", "twamp.control.type-p", "twamp.control.timeout",
           "twamp.control.sender_port", "twamp.control.receiver_port", "twamp.control.count")
TEST = ("ip.src", "ipv6.src", "udp.length", "ip.ttl", "ipv6.hlim", "ip.dsfield.dscp",
        "ipv6.tclass.dscp", "twamp.test.seq_number", "twamp.test.error_estimate.multiplier",
        "twamp.test.error_estimate.z", "twamp.test.sender_seq_number", "twamp.test.sender_ttl",
        "twamp.test.mbz1", "twamp.test.mbz2", "udp.checksum.status", "ip.checksum.status")


@pytest.fixture(scope="module")
def middle(bed):
    return bed.netns("middle")


@pytest.fixture(scope="module")
def pair(bed, middle):
    return rig.veth_pair(bed, middle=middle)


class Capture:
    """A capture of one measurement and what tshark says of it."""

    def __init__(self, bed, middle, pair, name, family, **how):
        finish = bed.capture(middle, "near", name)
        self.report = pair.near.measure(rig.FAR[family], **{**FAST, **how})
        self.path = finish()
        self.bed = bed
        session = self.report.only
        session.clean(COUNT)
        self.ports = session.fields["sender_port"], session.fields["receiver_port"]
        self.decode = [f"-dudp.port=={port},twamp.test" for port in sorted(set(self.ports))]

    def rows(self, expression, *fields):
        """Fields of each packet that fits, as dicts of text."""
        shown = self.bed.tshark(self.path, *self.decode, "-Y", expression, "-T", "fields",
                                *(word for field in fields for word in ("-e", field)))
        return [dict(zip(fields, line.split("\t"))) for line in shown.splitlines()]

    def complaints(self):
        return self.bed.tshark(self.path, *self.decode, "-Y", "_ws.malformed || "
                               f"_ws.expert.severity >= {WARNING}").splitlines()


@pytest.fixture(scope="module", params=rig.FAMILIES)
def clear(request, bed, middle, pair):
    """Open mode, with a DSCP and some padding."""
    return Capture(bed, middle, pair, f"open-{request.param}", request.param, mode="open", dscp=34, size=100)


def test_no_complaint(clear):
    """tshark finds nothing malformed and no reason to warn, checksums included.

    Steps: read the capture with the dissectors of TWAMP-Control and TWAMP-Test.
    Verify: no malformed packet, no expert warning or error.
    """
    assert not clear.complaints()


def number(text):
    """A field as tshark prints it: decimal, hexadecimal or with a fraction."""
    return int(text, 16) if text.startswith("0x") else int(float(text))


def test_control_fields(clear):
    """The control conversation has the messages and fields of RFC 5357.

    Steps: list the fields of all TWAMP-Control messages.
    Verify: offer, selection, one request with our ports, DSCP and timeout, its acceptance, start
        and stop of one session; each once.
    """
    rows = clear.rows("twamp.control", *CONTROL)
    values = collections.defaultdict(list)
    for row in rows:
        for field, value in row.items():
            if value:
                values[field.rpartition(".")[2]].append(number(value))
    assert values["modes"] == [15]
    assert values["mode"] == [1]
    assert values["command"] == [5, 2, 3]
    assert values["padding_length"] == [100 - 14]
    assert values["type-p"] == [34 << 24]
    assert values["timeout"] == [1]
    assert values["sender_port"] == [clear.ports[0]]
    assert clear.ports[1] in values["receiver_port"]
    assert values["numsessions"] == [1]
    assert set(values["accept"]) == {0}
    assert values["count"] == [1024]


def test_test_fields(clear):
    """Test packets have the fields of RFC 5357 4.1.2 and 4.2.1.

    Steps: list the fields of all TWAMP-Test packets.
    Verify: 50 each way, numbers from 0, equal sizes, TTL 255, the DSCP, copied numbers, Sender TTL
        255, MBZ zero, multiplier not zero, Z zero, and every checksum is there and right.
    """
    rows = clear.rows("twamp.test", *TEST)
    near = [r for r in rows if (r["ip.src"] or r["ipv6.src"]) in rig.NEAR.values()]
    far = [r for r in rows if (r["ip.src"] or r["ipv6.src"]) in rig.FAR.values()]
    assert len(near) == len(far) == COUNT and len(rows) == 2 * COUNT
    for side in (near, far):
        assert [int(r["twamp.test.seq_number"]) for r in side] == list(range(COUNT))
    for row in rows:
        assert row["udp.length"] == "108"
        assert (row["ip.ttl"] or row["ipv6.hlim"]) == "255"
        assert (row["ip.dsfield.dscp"] or row["ipv6.tclass.dscp"]) == "34"
        # tshark takes the padding of a request for fields of a reply: the first value counts
        assert number(row["twamp.test.error_estimate.multiplier"].split(",")[0]) > 0
        assert row["twamp.test.error_estimate.z"].split(",")[0] in ("0", "False")
        assert row["udp.checksum.status"] == "1", "wrong, absent or unverified"
        assert row["ip.checksum.status"] in ("1", ""), row
    for order, row in enumerate(far):
        assert int(row["twamp.test.sender_seq_number"]) == order
        # tshark 4.0 shows the octet behind it, too
        assert row["twamp.test.sender_ttl"].split(",")[0] == "255"
        assert int(row["twamp.test.mbz1"], 0) == int(row["twamp.test.mbz2"], 0) == 0


@pytest.mark.parametrize("family", rig.FAMILIES)
@pytest.mark.parametrize("mode", ("authenticated", "encrypted", "mixed"))
def test_secure(bed, middle, pair, mode, family):
    """Modes that tshark cannot read inside are sound outside.

    Steps: capture a session in the mode.
    Verify: no malformed header, every checksum right; control messages of the lengths of the
        RFCs; no packet of the test is in clear where it must not be.
    """
    cap = Capture(bed, middle, pair, f"{mode}-{family}", family, mode=mode)
    ports = " || ".join(f"udp.port == {port}" for port in set(cap.ports))
    rows = cap.rows(ports, "udp.length", "udp.checksum.status", "ip.checksum.status", "data.data",
                    "udp.payload")
    assert len(rows) == 2 * COUNT
    for row in rows:
        assert row["udp.length"] == ("49" if mode == "mixed" else "120")
        assert row["udp.checksum.status"] == "1" and row["ip.checksum.status"] in ("1", "")
    first = {row["udp.payload"].replace(":", "")[:32] for row in rows}
    if mode == "mixed":
        assert len(first) == 2 * COUNT
    else:  # one block per number, the same both ways; in clear zeros would follow the number
        assert len(first) == COUNT
        assert not [block for block in first if block[8:] == "0" * 24]
    sizes = cap.rows("tcp.port == 862 && tcp.len > 0", "ip.src", "ipv6.src", "tcp.len")
    octets = collections.Counter()
    for row in sizes:
        octets[row["ip.src"] or row["ipv6.src"]] += int(row["tcp.len"])
    assert octets[rig.NEAR[family]] == 164 + 112 + 32 + 32
    assert octets[rig.FAR[family]] == 64 + 48 + 48 + 32


def test_padding_random(bed, middle, pair):
    """Padding is pseudo-random by default and zero on request.

    Steps: capture sessions of 400 octets with either.
    Verify: no two paddings alike; all zero.
    """
    for zero in (False, True):
        cap = Capture(bed, middle, pair, f"padding-{'zero' if zero else 'random'}", "v4", mode="open",
                      size=400, zero_padding=zero)
        rows = cap.rows(f"ip.src == {rig.NEAR['v4']} && udp.srcport == {cap.ports[0]}",
                        "udp.payload")
        paddings = [row["udp.payload"].replace(":", "")[28:] for row in rows]
        assert len(paddings) == COUNT
        if zero:
            assert set(paddings) == {"0" * (2 * (400 - 14))}
        else:
            assert len(set(paddings)) == COUNT


def test_nothing_else(clear):
    """The session is all there is on the wire, besides what kernels say.

    Steps: list packets that are neither the control connection, the test, ARP, ICMPv6 nor IGMP.
    Verify: none.
    """
    ports = " || ".join(f"udp.port == {port}" for port in set(clear.ports))
    rest = f"!(tcp.port == 862 || {ports} || arp || icmpv6 || igmp)"
    assert not clear.bed.tshark(clear.path, "-Y", rest)
