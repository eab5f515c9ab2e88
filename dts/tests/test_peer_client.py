# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""Our server and reflector against an independent client over kernel sockets, shared attach."""

import socket
import struct
import time

import pytest

from dts.api import peer, rig
from dts.api.exchange import Exchange, seconds

SECURE = ("authenticated", "encrypted")
SLACK = 0.002  # s: kernel time and the appliance's clock model may differ by less


@pytest.fixture(scope="module")
def lab(bed):
    return rig.kernel_lab(bed)


@pytest.mark.parametrize("family", rig.FAMILIES)
@pytest.mark.parametrize("mode", rig.MODES)
def test_replies(lab, mode, family):
    """Every field of the replies is what RFC 5357 4.2.1 says.

    Steps: set up in the mode, run one session, send 20 packets one by one.
    Verify: each is answered once with the reflector's own count, exact copies, the TTL that
        arrived, TTL 255, times in order, a non-zero multiplier; both sides count the same.
    """
    before = lab.box.counters()
    with lab.client(family, mode) as client, Exchange(lab, client, family) as ex:
        assert client.start() == 0
        for n in range(20):
            t1 = peer.ntp_now()
            got = ex.ask(t1=t1, error=0x8a05)
            f = got.fields
            assert (f["seq"], f["sender_seq"], f["t1"], f["sender_error"]) == (n, n, t1, 0x8a05)
            assert f["ttl"] == 255 and got.ttl == 255
            assert f["error"] & 0xff, "multiplier 0"
            assert not f["error"] & 0x4000, "Z bit without PTPv2"
            assert seconds(f["t2"] - t1) > -SLACK and seconds(got.t4 - f["t3"]) > -SLACK
            assert 0 <= seconds(f["t3"] - f["t2"]) < 0.05
            assert got.tos == 0
        assert ex.silent()
        client.stop()
    moved = rig.moved(before, lab.box.counters())
    assert moved.get("out.reflected") == 20
    assert not [name for name in moved if name.startswith("drop.")], moved


@pytest.mark.parametrize("family", rig.FAMILIES)
def test_offload(bed, family):
    """A cable as the kernel makes it: what its end sends has a UDP checksum that is not complete.

    Steps: kernel sockets at a veth with checksum offload; in each mode a client of theirs measures
        us, and we a server of theirs.
    Verify: every packet is answered, nothing is lost or dropped; the partial checksums are counted.
    """
    with bed.inner("offload") as part:
        lab = rig.kernel_lab(part, offload=True)
        for mode in rig.MODES:
            with lab.client(family, mode) as client, Exchange(lab, client, family) as ex:
                assert client.start() == 0
                for _ in range(20):
                    ex.ask()
                client.stop()
            with lab.server(family):
                lab.box.measure(rig.NEAR[family], mode=mode, count=20, interval_ns=5_000_000,
                                tmax_ns=500_000_000, timeout_ns=200_000_000).only.clean(20)
        counters = lab.box.counters()
        assert counters["info.partial_cksum"] == 4 * 40, counters
        assert not [name for name in counters if name.startswith("drop.") and counters[name]]


@pytest.mark.parametrize("padding", (0, 27, 64, 200, 1400))
@pytest.mark.parametrize("mode", rig.MODES)
def test_padding(lab, mode, padding):
    """Reply sizes and the padding in them follow PROTOCOL rules for truncation.

    Steps: ask for the padding, send three packets with random padding.
    Verify: a reply is as long as the request but never shorter than its own header (the
        amplification bound), and carries the request's padding from its beginning.
    """
    head, reply_head = (48, 112) if mode in SECURE else (14, 41)
    with lab.client("v6", mode) as client, Exchange(lab, client, "v6", padding=padding) as ex:
        assert client.start() == 0
        for _ in range(3):
            got = ex.ask()
            sent = ex.sent[ex.seq - 1]
            assert len(sent) == head + padding
            assert got.size == max(reply_head, len(sent))
            assert got.raw[reply_head:] == sent[head:head + got.size - reply_head]
        client.stop()


@pytest.mark.parametrize("family", rig.FAMILIES)
@pytest.mark.parametrize("mode", rig.MODES)
def test_padding_mtu(lab, mode, family):
    """Packets that do not fit the MTU are refused, not silently lost (PROTOCOL A-85).

    Steps: ask for the padding that fills the MTU and one octet more, up to the limit of the server;
        run the session that fits.
    Verify: Accept 3 for those beyond; the connection goes on, the largest packet is answered in full.
    """
    head = 48 if mode in SECURE else 14
    room = 1500 - (28 if family == "v4" else 48) - head
    with lab.client(family, mode) as client:
        for padding in (room + 1, room + 100, 3000, 8900):
            assert client.request(50410, 50410, padding=padding) == (3, 0, None), padding
        with Exchange(lab, client, family, padding=room) as ex:
            assert client.start() == 0
            assert ex.ask().size == head + room
            client.stop()


@pytest.mark.parametrize("family", rig.FAMILIES)
def test_dscp(lab, family):
    """Replies carry the DSCP that was negotiated.

    Steps: request DSCP 46, send packets marked 46, and one marked 0.
    Verify: every reply is marked 46 and Not-ECT.
    """
    with lab.client(family, "authenticated") as client, \
            Exchange(lab, client, family, dscp=46) as ex:
        assert client.start() == 0
        assert ex.ask().tos == 46 << 2
        level = (socket.IPPROTO_IPV6, socket.IPV6_TCLASS) if family == "v6" else \
            (socket.IPPROTO_IP, socket.IP_TOS)
        for tos in (0, 46 << 2 | 1):
            ex.sock.setsockopt(*level, tos)
            assert ex.ask().tos == 46 << 2
        client.stop()


def test_sender_ttl(lab):
    """The TTL that arrived is reported, not the one that should have been sent.

    Steps: send with TTL 17.
    Verify: Sender TTL is 17, the reply's own is 255.
    """
    with lab.client("v4", "open") as client, Exchange(lab, client) as ex:
        assert client.start() == 0
        ex.sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 17)
        got = ex.ask()
        assert (got.fields["ttl"], got.ttl) == (17, 255)
        client.stop()


def test_alternate_port(lab):
    """A port that another program holds is replaced by another one.

    Steps: bind a UDP port at the box, ask for it, run on the port granted.
    Verify: another port is granted, inside the server's range, and works; the held one is silent.
    """
    with lab.box.netns.inside():
        holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        holder.bind((rig.FAR["v4"], 50123))
    with holder, lab.client("v4", "authenticated") as client, \
            Exchange(lab, client, receiver_port=50123) as ex:
        assert ex.far_port != 50123 and 49152 <= ex.far_port <= 65535
        assert client.start() == 0
        ex.ask()
        raw = ex.session.request(ex.seq)
        ex.sock.sendto(raw, (rig.FAR["v4"], 50123))
        assert ex.silent()
        client.stop()


def test_asked_port(lab):
    """A port that is free and in range is granted as asked.

    Steps: ask for port 50200.
    Verify: it is granted; a second session asking for it on the same addresses gets another.
    """
    with lab.client("v4", "open") as client:
        with Exchange(lab, client, receiver_port=50200) as one:
            assert one.far_port == 50200
            with Exchange(lab, client, receiver_port=50200) as two:
                assert client.start() == 0
                for ex in (one, two):
                    ex.ask()
                client.stop(2)


@pytest.mark.parametrize("mode", ("open", "encrypted"))
def test_several_sessions(lab, mode):
    """Sessions of one connection do not mix.

    Steps: request five sessions, start them together, send interleaved.
    Verify: each counts for itself, SIDs differ, packets of one session's keys at another's port
        are not answered (encrypted).
    """
    with lab.client("v4", mode) as client:
        many = [Exchange(lab, client) for _ in range(5)]
        assert len({ex.session.sid for ex in many}) == 5
        assert client.start() == 0
        for n in range(4):
            for ex in many:
                assert ex.ask().fields["seq"] == n
        if mode == "encrypted":
            many[0].put(many[1].session.request(4))
            assert many[0].silent()
        client.stop(5)
        for ex in many:
            ex.sock.close()


@pytest.mark.parametrize("mode", ("open", "authenticated"))
def test_rounds(lab, mode):
    """A connection serves one round of sessions after the other.

    Steps: three times request, Start, packets, Stop on one connection.
    Verify: each round works and counts from zero.
    """
    with lab.client("v4", mode) as client:
        for _ in range(3):
            with Exchange(lab, client, timeout=0.2) as ex:
                assert client.start() == 0
                for n in range(3):
                    assert ex.ask().fields["seq"] == n
                client.stop()


def test_before_start(lab):
    """Nothing is answered before Start-Sessions, not even later.

    Steps: send three packets after Accept-Session, then start and send one more.
    Verify: only the last is answered, with number 0.
    """
    with lab.client("v4", "authenticated") as client, Exchange(lab, client) as ex:
        for _ in range(3):
            ex.send()
        assert ex.silent()
        assert client.start() == 0
        got = ex.ask()
        assert (got.fields["seq"], got.fields["sender_seq"]) == (0, 3)
        assert ex.silent()
        client.stop()


def test_after_stop(lab):
    """The reflector answers until Timeout after Stop-Sessions, and never afterwards.

    Steps: Timeout 1 s; stop, then send on until it is silent; then once more.
    Verify: answered at once after Stop, last answer about 1 s after it, silence from then on.
    """
    with lab.client("v4", "open") as client, Exchange(lab, client, timeout=1.0) as ex:
        assert client.start() == 0
        ex.ask()
        stopped = time.monotonic()
        client.stop()
        ex.ask()
        last = ex.until_silent(stopped + 5) - stopped
        assert 0.7 < last < 1.2, f"last reply {last:.3f} s after Stop"
        ex.send()
        assert ex.silent()


def test_no_reply(lab):
    """What must not be answered is not, and is counted by reason.

    Steps: in a running authenticated session send a corrupted packet, a short one, one with
        multiplier 0, an empty one, and a good one from another port.
    Verify: silence, one count each; then a good packet gets number 0: nothing was consumed.
    """
    with lab.client("v4", "authenticated") as client, Exchange(lab, client) as ex:
        assert client.start() == 0
        before = lab.box.counters()
        good = ex.session.request(0)
        for bad in (good[:5] + bytes([good[5] ^ 1]) + good[6:], good[:47],
                    ex.session.request(0, error=0x8a00), b""):
            ex.put(bad)
        with lab.socket("v4") as other:
            other.sendto(good, (rig.FAR["v4"], ex.far_port))
            assert peer.receive(other, 0.2) is None
        assert ex.silent()
        moved = rig.moved(before, lab.box.counters())
        for name, count in (("bad_auth", 1), ("too_short", 2), ("bad_error_est", 1)):
            assert moved.get(f"drop.{name}") == count, moved
        assert ex.ask().fields["seq"] == 0
        client.stop()


def test_every_copy(lab):
    """Each copy of a packet is answered with a number of its own (RFC 5560 needs it).

    Steps: send the same packet three times.
    Verify: three replies, numbers 0, 1, 2, the same Sender Sequence Number.
    """
    with lab.client("v4", "encrypted") as client, Exchange(lab, client) as ex:
        assert client.start() == 0
        raw = ex.send()
        ex.put(raw)
        ex.put(raw)
        got = [ex.reply().fields for _ in range(3)]
        assert [f["seq"] for f in got] == [0, 1, 2]
        assert {f["sender_seq"] for f in got} == {0}
        client.stop()


@pytest.mark.parametrize("mode", ("authenticated", "encrypted", "mixed"))
def test_wrong_key(lab, mode):
    """Wrong secret and unknown KeyID are refused alike.

    Steps: set up with a wrong secret, with an unknown KeyID.
    Verify: Accept 1, then the connection is closed; neither name nor cause can be told apart.
    """
    for key_id, secret in ((rig.KEY_ID, "wrong"), ("nobody", rig.SECRET)):
        with lab.client("v4") as client:
            accept = client.set_up(peer.MODES[mode], key_id.encode(), secret.encode())
            assert accept == 1
            client.stream.recv(16)
            with pytest.raises(peer.PeerError, match="closed"):
                client.stream.recv(1)


@pytest.mark.parametrize("mode", (3, 6, 15, 0x20 | 1, 128 | 2))
def test_illegal_mode(lab, mode):
    """A mode that is not legal or was not offered is refused with Accept 3.

    Steps: select it.
    Verify: Accept 3, the connection is closed.
    """
    with lab.client("v4") as client:
        offered = client.read_greeting()
        assert offered == 15, "four modes and nothing else"
        client.stream.send(struct.pack("!I", mode) + bytes(160))
        assert client.stream.recv(48)[15] == 3
        with pytest.raises(peer.PeerError, match="closed"):
            client.stream.recv(1)


@pytest.mark.parametrize("mode", (0, 16, 0x80))
def test_mode_zero(lab, mode):
    """A client that selects no security bit is let go without an answer.

    Steps: send Mode 0, or features alone.
    Verify: the connection is closed, nothing is sent.
    """
    with lab.client("v4") as client:
        client.read_greeting()
        client.stream.send(struct.pack("!I160x", mode))
        with pytest.raises(peer.PeerError, match="closed after 0"):
            client.stream.recv(1)


def test_refused_mode(lab):
    """A mode that the policy does not allow is neither offered nor served.

    Steps: take open mode away while connected and running; connect again.
    Verify: the running session is not touched; the new greeting lacks the bit; selecting it gives 3.
    """
    with lab.client("v4", "open") as client, Exchange(lab, client) as ex:
        assert client.start() == 0
        lab.box.call("config.set", key="server_allow_open", value="none")
        try:
            with lab.client("v4") as late:
                assert late.read_greeting() == 14
                assert late.set_up(peer.OPEN) == 3
            ex.ask()
            client.stop()
        finally:
            lab.box.call("config.set", key="server_allow_open", value="10.77.0.0/24,fd77::/64")


@pytest.mark.parametrize("count", (0, 2, 0xffffffff))
def test_stop_count(lab, count):
    """Stop-Sessions with a wrong count ends the connection (RFC 5357 3.8).

    Steps: one session runs; stop with another number.
    Verify: the connection is closed, the session is not answered any more.
    """
    with lab.client("v4", "open") as client, Exchange(lab, client, timeout=0.1) as ex:
        assert client.start() == 0
        ex.ask()
        client.stop(count)
        with pytest.raises(peer.PeerError, match="closed"):
            client.stream.recv(1)
        time.sleep(0.15)  # Timeout, which RFC 5357 leaves to the reflector here
        ex.send()
        assert ex.silent()


@pytest.mark.parametrize("mode", ("open", "encrypted"))
def test_unexpected_commands(lab, mode):
    """Commands out of place are refused, those of a known length without losing the connection.

    Steps: Start with nothing accepted; Start-N (unsupported); a request and a Start while a test
        runs; a Stop with nothing started.
    Verify: Accept 1; 3; 3 and 1 while the session goes on; closed at the end.
    """
    with lab.client("v4", mode) as client:
        assert client.start() == 1
        client.stream.send_message(struct.pack("!B11xI16x", 7, 1))
        assert client.stream.recv_message(48)[0] == 3
        with Exchange(lab, client) as ex:
            assert client.start() == 0
            ex.ask()
            assert client.request(50300, 50300)[0] == 3
            assert client.start() == 1
            assert ex.ask().fields["seq"] == 1
            client.stop()
            client.stop()
            with pytest.raises(peer.PeerError, match="closed"):
                client.stream.recv(1)


@pytest.mark.parametrize("command", (0, 1, 6, 8, 11, 200))
def test_unknown_commands(lab, command):
    """Commands that cannot be served get Accept 3 (A-35).

    Steps: send 112 octets with the command (OWAMP's Request-Session: with one slot and its HMAC).
    Verify: the first answer is an Accept-Session of 3 with port 0.
    """
    with lab.client("v4", "open") as client:
        slots = 1 if command == 1 else 0
        client.stream.send_message(struct.pack("!B3xI88x", command, slots) + bytes(32 * slots))
        answer = client.stream.recv_message(48)
        assert answer[0] == 3 and not any(answer[1:32])


REFUSED = {
    "conf_sender": (dict(conf=(1, 0)), 3),
    "conf_receiver": (dict(conf=(0, 1)), 3),
    "ip_version": (dict(ipvn=5), 3),
    "other_family": (dict(ipvn=6), 3),
    "type_p_high": (dict(type_p=0x40000000), 3),
    "type_p_low": (dict(type_p=46), 3),
    "padding": (dict(padding=70000), 3),
    "padding_max": (dict(padding=0xffffffff), 3),
    "timeout": (dict(timeout=100000.0), 3),
    "receiver_address": (dict(receiver="10.77.0.98"), 1),
    "slots": (dict(alter=lambda m: m[:4] + struct.pack("!I", 1) + m[8:]), 3),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("mode", ("open", "authenticated"))
def test_refused_request(lab, mode, case):
    """A session that cannot be served is refused by the right code, the connection goes on.

    Steps: ask for it, then for a good one, and run that.
    Verify: the code, port 0, zero SID; the good one works.
    """
    how, code = REFUSED[case]
    with lab.client("v4", mode) as client:
        accept, port, session = client.request(50400, 50400, **how)
        assert (accept, port, session) == (code, 0, None)
        with Exchange(lab, client) as ex:
            assert client.start() == 0
            ex.ask()
            client.stop()


@pytest.mark.parametrize("mode", rig.MODES)
def test_sender_address(lab, mode):
    """Packets that prove nothing are answered to the control peer alone.

    Steps: ask for a session with another host's address as sender.
    Verify: refused with Accept 1 where test packets are open, accepted where they are protected.
    """
    with lab.client("v4", mode) as client:
        accept = client.request(50400, 50400, sender="10.77.0.99")[0]
        assert accept == (0 if mode in SECURE else 1)


def test_sender_port_zero(lab):
    """A request without Sender Port is refused.

    Steps: ask with Sender Port 0.
    Verify: Accept 3.
    """
    with lab.client("v4", "open") as client:
        assert client.request(0, 50500)[0] == 3


def test_connection_lost(lab):
    """A lost control connection ends its sessions (A-39), others go on.

    Steps: two connections with a session each, Timeout 0.5 s; reset one of them.
    Verify: its session falls silent about Timeout later; the other is answered throughout.
    """
    with lab.client("v4", "open") as stays, Exchange(lab, stays) as other:
        assert stays.start() == 0
        with lab.client("v4", "open") as client, Exchange(lab, client, timeout=0.5) as ex:
            assert client.start() == 0
            ex.ask()
            client.stream.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                          struct.pack("ii", 1, 0))
            client.stream.close()
            cut = time.monotonic()
            ex.send()
            assert ex.until_silent(cut + 5) is not None
            assert time.monotonic() - cut < 2
            other.ask()
        stays.stop()


def test_dribble(lab):
    """Messages may come octet by octet, or several in one segment.

    Steps: set-up and request in single octets; then Start and Stop in one write.
    Verify: every answer is as usual.
    """
    with lab.client("v4") as client:
        client.stream.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        whole = client.stream.sock.sendall

        class Drip:
            def __getattr__(self, name):
                return getattr(client_sock, name)

            def sendall(self, octets):
                for n in range(len(octets)):
                    whole(octets[n:n + 1])

        client_sock = client.stream.sock
        client.stream.sock = Drip()
        assert client.set_up(peer.MIXED, rig.KEY_ID.encode(), rig.SECRET.encode()) == 0
        accept, _, session = client.request(50600, 50600)
        assert accept == 0 and session is not None
        client.stream.sock = client_sock
        pending = []
        client.stream.sock = type("Hold", (), {
            "__getattr__": lambda _, name: getattr(client_sock, name),
            "sendall": lambda _, octets: pending.append(octets)})()
        client.stream.send_message(struct.pack("!B15x", 2))
        client.stream.send_message(struct.pack("!BBxxI8x", 3, 0, 1))
        client.stream.sock = client_sock
        client_sock.sendall(b"".join(pending))
        assert client.stream.recv_message(32)[0] == 0
