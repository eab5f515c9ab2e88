# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""Our client and sender against an independent server and reflector over kernel sockets, which
can be told to misbehave."""

import struct
import threading
import time

import pytest

from dts.api import peer, rig

FAST = {"interval_ns": 2_000_000, "tmax_ns": 500_000_000, "timeout_ns": 500_000_000}


@pytest.fixture(scope="module")
def lab(bed):
    """The box at .2, the independent server at .1."""
    return rig.kernel_lab(bed)


def measure(lab, family="v4", **how):
    return lab.box.measure(rig.NEAR[family], **{**FAST, "mode": "authenticated", **how})


def refusal(lab, **how):
    return lab.box.measure_refusal(rig.NEAR["v4"], **{**FAST, "mode": "authenticated", **how})


@pytest.mark.parametrize("family", rig.FAMILIES)
@pytest.mark.parametrize("mode", rig.MODES)
def test_mode(lab, mode, family):
    """A session in each mode.

    Steps: 200 packets, 2 ms apart.
    Verify: a clean report; the server reflected 200, rejected none, saw one Stop-Sessions with
        Accept 0 and count 1.
    """
    with lab.server(family) as there:
        measure(lab, family, mode=mode, count=200).only.clean(200)
    assert (there.reflected, there.rejected, there.failures) == (200, 0, [])
    assert there.stops == [(0, 1)]


@pytest.mark.parametrize("family", rig.FAMILIES)
def test_addresses(lab, family):
    """Requests name both addresses: some servers take zero addresses literally and answer nobody.

    Steps: one session.
    Verify: the request held the addresses of the control connection's ends.
    """
    with lab.server(family) as there:
        measure(lab, family, count=5).only.clean(5)
    assert there.asked == [(peer.pack_address(rig.FAR[family]), peer.pack_address(rig.NEAR[family]))]


def test_best_mode(lab):
    """Of several modes wanted the first that is offered is taken, never one below the floor.

    Steps: offers of encrypted and open alone, all without ours, and nothing.
    Verify: the mode taken; refusals name the floor or say that the server refuses.
    """
    wanted = ["encrypted", "authenticated", "mixed"]
    with lab.server(offer=peer.AUTHENTICATED | peer.OPEN):
        assert measure(lab, mode=wanted, count=5).fields["mode"] == "authenticated"
    with lab.server(offer=15 | 0xfffffff0):  # bits of the future are no obstacle
        assert measure(lab, mode=wanted, count=5).fields["mode"] == "encrypted"
    for offer in (peer.OPEN, peer.MIXED, peer.OPEN | peer.MIXED):
        with lab.server(offer=offer) as there:
            error = refusal(lab, mode=["encrypted", "authenticated"], count=5)
            assert "mode" in error.text, error.text
        assert there.failures == ["client chose no mode"], there.failures
    with lab.server(offer=0):
        assert "refuses service" in refusal(lab, count=5).text


def test_default_floor(lab):
    """Without a mode nothing below authenticated is taken.

    Steps: a server that was stripped to open and mixed; no mode given.
    Verify: refused, and nothing was sent.
    """
    with lab.server(offer=peer.OPEN | peer.MIXED) as there:
        error = lab.box.measure_refusal(rig.NEAR["v4"], user=rig.KEY_ID, count=5, **FAST)
        assert "floor" in error.text or "mode" in error.text
    assert there.reflected == 0 and there.failures == ["client chose no mode"]


def accept_code(code):
    return lambda octets: octets[:15] + bytes([code]) + octets[16:]


@pytest.mark.parametrize("code", (1, 2, 3, 4, 5, 6, 77, 255))
def test_setup_refused(lab, code):
    """Each Accept value of Server-Start ends the test with a message of its own.

    Steps: a server that refuses with the code, without having derived a key.
    Verify: an error that names address, port and code.
    """
    with lab.server(hooks={"server_start": accept_code(code)}):
        error = refusal(lab, count=5)
    assert rig.NEAR["v4"] in error.text and "862" in error.text and str(code) in error.text


@pytest.mark.parametrize("code", (1, 2, 3, 4, 5, 6, 77, 255))
def test_session_refused(lab, code):
    """Each Accept value of Accept-Session, including unknown ones, refuses the session.

    Steps: a server that refuses the only session.
    Verify: an error that names the code; no packet was sent.
    """
    before = lab.box.counters()
    with lab.server(hooks={"accept_session": lambda m: bytes([code]) + bytes(31)}):
        error = refusal(lab, count=5)
    assert str(code) in error.text, error.text
    assert rig.moved(before, lab.box.counters()).get("tx.sent", 0) == 0


@pytest.mark.parametrize("code", (1, 3, 200))
def test_start_refused(lab, code):
    """A Start-Ack with a code ends the test.

    Steps: a server that accepts the session and refuses the start.
    Verify: an error that names the code; no packet was sent.
    """
    before = lab.box.counters()
    with lab.server(hooks={"start_ack": lambda m: bytes([code]) + m[1:]}):
        error = refusal(lab, count=5)
    assert str(code) in error.text, error.text
    assert rig.moved(before, lab.box.counters()).get("tx.sent", 0) == 0


def test_alternate_port(lab):
    """A port other than the one asked for is used and reported.

    Steps: the port asked for is taken at the server.
    Verify: a clean report that names the other port.
    """
    with lab.socket("v4", 50700), lab.server():
        report = measure(lab, count=50, receiver_port=50700)
    report.only.clean(50)
    assert report.only.fields["is_port_alternate"]
    assert report.only.fields["receiver_port"] != 50700


def test_port_zero(lab):
    """A session accepted without a port is a fault of the server.

    Steps: Accept 0 with port 0.
    Verify: an error that says so.
    """
    with lab.server(hooks={"accept_session": lambda m: m[:2] + bytes(2) + m[4:]}):
        assert "port" in refusal(lab, count=5).text


def test_wrong_key(lab):
    """A server that does not know the secret is found out, whichever side says so.

    Steps: another secret at the server, which refuses; and one that says Accept 0 nevertheless.
    Verify: errors that speak of key or secret.
    """
    with lab.server(secret="other"):
        assert "secret" in refusal(lab, count=5).text
    with lab.server(secret="other", hooks={"server_start": accept_code(0)}):
        assert rig.NEAR["v4"] in refusal(lab, count=5).text


class Corrupt:
    """Flips a bit of the n-th message that the server sends under encryption."""

    def __init__(self, monkeypatch, nth):
        self.left = nth
        genuine = peer.Stream.send_message

        def send(stream, text):
            self.left -= 1
            if self.left or not stream.aes_key:
                return genuine(stream, text)
            tag = peer.mac(stream.hmac_key, stream.out_text + text)
            return stream.send(text + tag[:-1] + bytes([tag[-1] ^ 1]))

        monkeypatch.setattr(peer.Stream, "send_message", send)


@pytest.mark.parametrize("nth", (1, 2))
def test_bad_control_hmac(lab, monkeypatch, nth):
    """A control message that fails authentication ends the connection at once.

    Steps: a wrong HMAC in Accept-Session; in Start-Ack.
    Verify: an error that says authentication.
    """
    Corrupt(monkeypatch, nth)
    with lab.server():
        error = refusal(lab, count=5)
    assert "authentication" in error.text or "HMAC" in error.text, error.text


@pytest.mark.parametrize("count", (0, 1, 512, 1023, 3000, 65536, 2**31, 2**32 - 1))
def test_count_bounds(lab, count):
    """A PBKDF2 count that is too small, too large or no power of two is refused before any work.

    Steps: a greeting with the count.
    Verify: an error at once that names the count's bounds; open mode does not care.
    """
    begin = time.monotonic()
    with lab.server(count=count):
        error = refusal(lab, count=5)
        assert "count" in error.text.lower(), error.text
        assert time.monotonic() - begin < 5
        measure(lab, mode="open", count=5).only.clean(5)


def test_reflection(lab):
    """A server that presents a Challenge of our own server is an attacker.

    Steps: connect to the box's own server, present its greeting to the box's client.
    Verify: the test is refused as a reflection, and no Set-Up-Response was sent.
    """
    with lab.client("v4") as victim:
        victim.read_greeting()
        with lab.server(hooks={"greeting": lambda _: victim.greeting}) as there:
            error = refusal(lab, count=5)
    assert "reflect" in error.text, error.text
    assert there.failures and "closed after 0" in there.failures[0], there.failures


def test_server_silent(lab):
    """Deadlines end a test with a server that does not answer.

    Steps: no greeting; no Server-Start; no answer to the request. connect_ns is 500 ms.
    Verify: an error within a few seconds that says what was waited for.
    """
    class Quiet(threading.Event):
        def __call__(self, octets):
            self.wait(20)
            raise peer.PeerError("enough")

    for step, word in (("greeting", "greeting"), ("server_start", "set-up"),
                       ("accept_session", "answer"), ("start_ack", "answer")):
        quiet = Quiet()
        begin = time.monotonic()
        with lab.server(hooks={step: quiet}):
            try:
                error = refusal(lab, count=5, connect_ns=500_000_000)
            finally:
                quiet.set()
        assert time.monotonic() - begin < 15, step
        assert word in error.text and "time" in error.text, (step, error.text)


@pytest.mark.parametrize("step", ("greeting", "server_start", "accept_session", "start_ack"))
def test_server_closes(lab, step):
    """A server that closes early is named.

    Steps: it closes instead of the step.
    Verify: an error at once that says the connection was closed.
    """
    def hook(octets):
        raise peer.PeerError("closing")

    with lab.server(hooks={step: hook}):
        error = refusal(lab, count=5)
    assert "closed" in error.text, error.text


def test_garbage(lab):
    """A server that speaks another protocol is told apart from one that is silent.

    Steps: an SSH banner and nothing else; then 64 octets of it.
    Verify: an error each.
    """
    for banner in (b"SSH-2.0-OpenSSH_9.2\r\n", (b"SSH-2.0-OpenSSH_9.2\r\n" * 4)[:64]):
        with lab.server(hooks={"greeting": lambda _, b=banner: b}):
            assert refusal(lab, count=5, connect_ns=500_000_000).text


def test_control_lost(lab):
    """The server vanishes while packets flow: results are kept and flagged.

    Steps: an endless test; the server closes the control connection after 100 replies.
    Verify: the test ends by itself, is_control_lost, and its report has what was measured.
    """
    with lab.server() as there:
        with lab.box.connect() as conn:
            conn.subscribe("test.*")
            enough = threading.Event()
            there.hooks["reply"] = lambda m: (there.reflected >= 100 and enough.set()) or m
            test = conn.call("test.start", {
                "host": rig.NEAR["v4"], "mode": "authenticated", "user": rig.KEY_ID,
                "duration_ns": 3600 * 10**9, **FAST})
            assert enough.wait(10)
            there.cut()
            conn.event("test.done", 15, lambda d: d["id"] == test["id"])
    report = lab.box.result(test["id"])
    assert report.fields["is_control_lost"] and "closed" in report.fields["error"]
    report.only.identities()
    assert report.only.counters["received"] >= 100


class Line:
    """What happens to replies on their way: decided by the number of the reply."""

    def __init__(self, fate):
        self.fate = fate
        self.number = 0

    def __call__(self, reply):
        made = self.fate(self.number, reply)
        self.number += 1
        return made


@pytest.mark.parametrize("mode", rig.MODES)
def test_lost_replies(lab, mode):
    """Replies lost on the way back are told from packets lost on the way there.

    Steps: the server makes every tenth of 200 replies, and drops it.
    Verify: 20 lost, all in reverse, none undetermined but the tail.
    """
    with lab.server(hooks={"reply": Line(lambda n, r: None if n % 10 == 5 else r)}):
        report = measure(lab, mode=mode, count=200)
    session = report.only
    session.identities()
    assert session.counters["received"] == 180 and session.loss["lost"] == 20
    assert session.loss["lost_reverse"] == 20 and session.loss["lost_forward"] == 0, session.loss


def test_lost_requests(lab):
    """Packets that never reach the reflector are lost forward.

    Steps: the server ignores every tenth of the first 150 of 200 packets, consuming no number. (Of
        the last ones nobody knows where they got lost, the more the later a busy machine is.)
    Verify: 15 lost, all forward.
    """
    ignored = Line(lambda n, r: None if n % 10 == 5 and n < 150 else r)
    with lab.server(hooks={"request": ignored}):
        session = measure(lab, count=200).only
    session.identities()
    assert session.loss["lost"] == 15
    assert session.loss["lost_forward"] == 15 and session.loss["lost_reverse"] == 0, session.loss


def test_duplicated(lab):
    """Copies are counted by direction and change no delay.

    Steps: every tenth of 200 replies is sent twice; then every tenth request answered twice.
    Verify: 20 duplicates in reverse; 20 forward; nothing lost.
    """
    with lab.server(hooks={"reply": Line(lambda n, r: [r, r] if n % 10 == 5 else r)}):
        session = measure(lab, count=200).only
    session.identities()
    assert session.counters["duplicates_reverse"] == 20, session.counters
    assert session.counters["duplicates_forward"] == 0 and session.loss["lost"] == 0
    with lab.server(hooks={"request": Line(lambda n, r: [r, r] if n % 10 == 5 else r)}):
        session = measure(lab, count=200).only
    session.identities()
    assert session.counters["duplicates_forward"] == 20, session.counters
    assert session.counters["duplicates_reverse"] == 0 and session.loss["lost"] == 0


def test_reordered(lab):
    """Replies that overtake each other are counted (RFC 4737), none is lost.

    Steps: every tenth of 200 replies is held back behind the next one.
    Verify: 20 reordered round trip and in reverse, extent 1.
    """
    held = []

    def fate(n, reply):
        if n % 10 == 5:
            held.append(reply)
            return None
        return [reply, held.pop()] if held else reply

    with lab.server(hooks={"reply": Line(fate)}):
        session = measure(lab, count=200).only
    session.identities()
    assert session.loss["lost"] == 0
    assert session.counters["reordered_reverse"] == 20, session.counters
    assert session.counters["reordered_round_trip"] == 20, session.counters
    assert session.report["order"]["extent_reverse"] == 1


@pytest.mark.parametrize("mode", ("authenticated", "encrypted"))
def test_corrupted(lab, mode):
    """Replies that fail verification are counted apart and never taken.

    Steps: every tenth of 200 replies has a bit of its protected part flipped.
    Verify: 20 invalid by authentication and 20 lost; delays have 180 samples.
    """
    def fate(n, reply):
        return reply[:3] + bytes([reply[3] ^ 4]) + reply[4:] if n % 10 == 5 else reply

    with lab.server(hooks={"reply": Line(fate)}):
        session = measure(lab, mode=mode, count=200).only
    session.identities()
    assert session.counters["invalid_auth"] == 20, session.counters
    assert session.loss["lost"] == 20 and session.report["round_trip"]["finite"] == 180


def test_nonsense(lab):
    """Open replies that cannot be true are refused by reason.

    Steps: of 200 replies each tenth is cut short, claims a number not sent, a changed T1, or
        multiplier 0, in turn.
    Verify: five of each are counted, 20 packets are lost.
    """
    def fate(n, reply):
        if n % 10 != 5:
            return reply
        kind = n // 10 % 4
        if kind == 0:
            return reply[:40]
        if kind == 1:
            return reply[:24] + struct.pack("!I", 1 << 20) + reply[28:]
        if kind == 2:
            return reply[:28] + struct.pack("!Q", 1) + reply[36:]
        return reply[:12] + bytes([0x20, 0]) + reply[14:]

    with lab.server(hooks={"reply": Line(fate)}):
        session = measure(lab, mode="open", count=200).only
    session.identities()
    for name in ("invalid_length", "invalid_seq", "invalid_t1", "invalid_multiplier"):
        assert session.counters[name] == 5, (name, session.counters)
    assert session.loss["lost"] == 20


def test_late(lab):
    """A reply after Tmax is late, not received, not lost twice.

    Steps: of 50 replies number 40 is held for 300 ms, and those behind it wait; Tmax is 200 ms,
        Timeout 1 s.
    Verify: at least one is late, and every packet is counted once.
    """
    def fate(n, reply):
        if n == 40:
            time.sleep(0.3)  # the delay under test
        return reply

    with lab.server(hooks={"reply": Line(fate)}):
        session = measure(lab, count=50, timeout_ns=10**9, tmax_ns=200_000_000,
                          interval_ns=20_000_000).only
    session.identities()
    c = session.counters
    assert c["late"] >= 1 and c["received"] + c["late"] + c["unanswered"] == 50, c


def test_silent_reflector(lab):
    """A reflector that never answers makes every packet lost, and the test ends.

    Steps: the server accepts and starts, and drops every packet.
    Verify: 100 sent, 100 lost, all percentiles infinite; twampctl ping would not exit with 0.
    """
    with lab.server(hooks={"reply": lambda _: None}):
        report = measure(lab, count=100)
    session = report.only
    session.identities()
    assert session.loss["lost"] == 100
    assert session.report["round_trip"]["median"]["state"] == "infinite", session.report["round_trip"]


def test_control_dscp(lab, bed):
    """The control connection carries the DSCP asked for.

    Steps: capture the connection of a test with control_dscp 34.
    Verify: every packet from the box to TCP/862 is marked 34.
    """
    finish = bed.capture(lab.there, lab.device, "control-dscp", "tcp port 862")
    with lab.server():
        measure(lab, mode="open", count=5, control_dscp=34).only.clean(5)
    path = finish()
    shown = bed.tshark(path, "-Y", f"ip.src == {rig.FAR['v4']}", "-T", "fields", "-e",
                       "ip.dsfield.dscp")
    assert set(shown.split()) == {"34"}
