# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""Two appliances with the same IKE SA, and an active man in the middle of their control connection.
Greeting, Mode and Accept are covered by no HMAC: whatever he makes of them, the client names no
mode without bit 7, says no passphrase Token, and no session comes of it."""

import os
import struct

import pytest

from dts.api import ike_stub, mitm, peer, rig

FAST = {"interval_ns": 2_000_000, "tmax_ns": 300_000_000, "timeout_ns": 300_000_000}
NEAR, FAR = rig.NEAR["v4"], rig.FAR["v4"]
PROXY_PORT = 8620
PROXY = "10.77.0.9"  # his address; both SAs vouch for it as a virtual IP of the other end
IKEV2 = 128
ENCRYPTED = IKEV2 | peer.ENCRYPTED


class Field:
    """Both appliances, their daemons with one SA, and the man between them."""

    def __init__(self, pair, near, far, man, sa):
        self.pair, self.near, self.far, self.man, self.sa = pair, near, far, man, sa

    def run(self, **how):
        return self.pair.near.call("test.run", host=FAR, port=PROXY_PORT, count=20,
                                   **{"ike": True, "mode": "encrypted", **FAST, **how})

    def refused(self, **how):
        """A test that must fail, and what must hold then."""
        before = self.started()
        error = self.pair.near.refusal("test.run", host=FAR, port=PROXY_PORT, count=20,
                                       **{"ike": True, "mode": "encrypted", **FAST, **how})
        assert self.man.seen, error
        self.only_ike()
        assert self.started() == before, "a session was started"
        return error

    def only_ike(self):
        """The client said Mode 132 with the SPIs, or 0 and nothing else."""
        for seen in self.man.seen:
            if seen.response is None:
                continue
            mode = mitm.mode_of(seen.response)
            if mode == 0:
                assert not any(seen.response)
                continue
            assert mode == ENCRYPTED, mode
            assert seen.response[4:84] == self.sa.spis + bytes(64)

    def started(self):
        return self.pair.far.call("server.counters")["counters"]["sessions_started"]


def known(app, stub):
    """Until the appliance knows the SAs of its daemon."""
    with app.connect() as conn:
        conn.subscribe("ike.*")
        while True:
            status = conn.call("ike.status")
            if status["is_connected"] and status["sas"] == len(stub.sas):
                return
            assert conn.line() is not None


@pytest.fixture(scope="module", name="pair")
def _pair(bed):
    # in mixed mode test packets come from the control peer, who is the man, unless named here
    made = rig.veth_pair(bed, settings=[f"set config server_senders {NEAR}/32"])
    made.far.netns.sh(f"ip addr add {PROXY}/24 dev eth0")
    return made


@pytest.fixture(scope="module", name="field")
def _field(pair, bed):
    key, spis = os.urandom(32), os.urandom(16)
    stubs = []
    for app, local, remote, name in ((pair.near, NEAR, FAR, "near"), (pair.far, FAR, NEAR, "far")):
        path = bed.run_dir / f"ike-{name}.sock"
        stub = ike_stub.Stub(path, uid=app.socket.stat().st_uid)
        bed.stack.enter_context(stub)
        stub.open()
        stub.add(ike_stub.Sa(remote, local, key=key, spis=spis, vips=(PROXY,)))
        app.call("config.set", key="ike_socket", value=str(path))
        known(app, stub)
        stubs.append(stub)
    with pair.far.netns.inside():
        man = mitm.Mitm((FAR, PROXY_PORT), (FAR, 862), PROXY)
    bed.stack.enter_context(man)
    return Field(pair, *stubs, man, next(iter(stubs[0].sas.values())))


@pytest.fixture(autouse=True)
def _clear(field):
    field.man.clear()
    field.man.server = (FAR, 862)


def with_modes(value):
    return lambda octets: octets[:12] + struct.pack("!I", value) + octets[16:]


def with_mode(value):
    return lambda octets: struct.pack("!I", value) + octets[4:]


def with_count(value):
    return lambda octets: octets[:48] + struct.pack("!I", value) + octets[52:]


def with_accept(value):
    return lambda octets: bytes(15) + bytes((value,)) + bytes(32)


def test_unaltered(field):
    """Through a proxy that alters nothing all is as without it.

    Steps: a test in each secure mode.
    Verify: no loss; the result names the key source and the SPIs, which the Set-Up-Response named.
    """
    for mode in ("authenticated", "encrypted", "mixed"):
        field.man.clear()
        result = field.run(mode=mode, floor=mode, tmax_ns=3_000_000_000)
        assert result["key_source"] == "ikev2"
        assert result["spi_i"] + "_" + result["spi_r"] == field.sa.name
        counters = result["results"][0]["report"]["counters"]
        assert counters["received"] == counters["sent"] == 20
        response = field.man.seen[0].response
        assert mitm.mode_of(response) == IKEV2 | peer.MODES[mode]
        assert response[4:84] == field.sa.spis + bytes(64)
        assert struct.unpack_from("!I", field.man.seen[0].greeting, 12)[0] & IKEV2


@pytest.mark.parametrize("modes", (0, 1, 4, 5, 15, 128, 129, 4 | 128, 14 | 128))
def test_strips_the_greeting(field, modes):
    """Bits taken off the offer: bit 7, all but the open mode, or only some that do not matter.

    Steps: another offer in the Greeting.
    Verify: the test fails; nothing but IKE was said.
    """
    field.man.greeting = with_modes(modes)
    error = field.refused()
    if not modes & IKEV2 and modes:
        assert "IKEv2-derived" in str(error), error


@pytest.mark.parametrize("mode", (1, 2, 4, 8, 128, 129, 130, 134, 136, 0))
def test_flips_mode(field, mode):
    """Another Mode in the Set-Up-Response, 136 among them, which would open the test packets.

    Steps: 132 becomes something else on the way.
    Verify: the test fails, no session is started.
    """
    since = len(field.pair.far.log)
    field.man.response = with_mode(mode)
    field.refused()
    if mode in (130, 136):
        assert "altered" in field.pair.far.log[since:]


@pytest.mark.parametrize("accept", (1, 3, 5, 6, 7, 255))
def test_forges_accept(field, accept):
    """A refusal that the server never said.

    Steps: the Server-Start becomes a refusal.
    Verify: after 6 the client connects once more, after others not; then the test fails.
    """
    field.man.server_start = with_accept(accept)
    error = field.refused()
    assert len(field.man.seen) == (2 if accept == 6 else 1)
    if accept == 6:
        assert "IKE SA" in str(error), error


def test_forges_acceptance(field):
    """The server knows no such SA, and the client is told that all is well.

    Steps: the SA ends at the server alone; its Accept 6 becomes 0.
    Verify: the test fails: the server cannot authenticate. With the SA back it succeeds.
    """
    sa = next(iter(field.far.sas.values()))
    field.far.down(sa)
    known(field.pair.far, field.far)
    field.man.server_start = lambda octets: bytes(16) + os.urandom(32)
    field.refused()
    back = field.far.up(ike_stub.Sa(NEAR, FAR, key=sa.key, spis=sa.spis, vips=(PROXY,)))
    assert back.spis == field.sa.spis
    known(field.pair.far, field.far)
    field.man.clear()
    assert field.run()["key_source"] == "ikev2"


def test_replays_a_response(field):
    """The Set-Up-Response of an earlier connection.

    Steps: a test that succeeds; a second one whose Set-Up-Response is replaced by the first one's.
    Verify: the second fails: its Token holds another Challenge.
    """
    field.run()
    old = field.man.seen[0].response
    field.man.clear()
    field.man.response = lambda octets: old
    field.refused()


def test_replays_a_greeting(field):
    """The Greeting of an earlier connection, so that the old Token would fit again.

    Steps: a test that succeeds; a second one that gets the first one's Greeting.
    Verify: the second fails.
    """
    field.run()
    old = field.man.seen[0].greeting
    field.man.clear()
    field.man.greeting = lambda octets: old
    field.refused()


def test_relays_to_the_own_server(field):
    """The client's connection led to the server of its own box, which has the same SA.

    Steps: the man connects on to the near appliance.
    Verify: the test fails before anything is said: the Challenge is our own.
    """
    field.man.server = (NEAR, 862)
    error = field.refused()
    assert "reflect" in str(error), error
    assert field.man.seen[0].response is None


@pytest.mark.parametrize("count", (0, 1, 512, 1023, 1025, 65536, 1 << 31, 2**32 - 1))
def test_low_and_huge_count(field, count):
    """A Count that makes the Token cheap to search, or the client busy for hours.

    Steps: another Count in the Greeting.
    Verify: the test fails before anything is said.
    """
    field.man.greeting = with_count(count)
    field.refused()
    assert field.man.seen[0].response is None


def test_fallback_is_the_operators(field):
    """Where fallback is set for this server, and only there, a passphrase mode follows.

    Steps: bit 7 is stripped, with ike_on_missing fallback.
    Verify: the test runs in the mode asked for, with the passphrase; the log calls it an error.
    """
    field.man.greeting = with_modes(14)
    since = len(field.pair.near.log)
    error = field.pair.near.refusal(
        "test.run", host=FAR, port=PROXY_PORT, count=20, ike=True, mode="encrypted",
        user=rig.KEY_ID, ike_on_missing="fallback", **FAST)
    # what was offered is not what was seen: even then he is found out
    assert mitm.mode_of(field.man.seen[0].response) == peer.ENCRYPTED, error
    assert "error" in field.pair.near.log[since:]
    assert "without an IKEv2-derived key" in field.pair.near.log[since:]


def test_capture(field, bed):
    """What tshark makes of the Set-Up-Response.

    Steps: capture a test without the man.
    Verify: Mode 132; KeyID = SPIi SPIr, then zeros (of its 80 octets tshark shows 40).
    """
    netns = field.pair.near.netns
    finish = bed.capture(netns, "eth0", "ike-set-up", "tcp port 862")
    result = field.pair.near.call("test.run", host=FAR, count=20, ike=True, mode="encrypted",
                                  **FAST)
    shown = bed.tshark(finish(), "-Y", "twamp.control.keyid", "-T", "fields",
                       "-e", "twamp.control.mode", "-e", "twamp.control.keyid",
                       "-e", "tcp.payload").split()
    key_id = result["spi_i"] + result["spi_r"] + "00" * 64
    assert int(shown[0], 0) == ENCRYPTED
    assert shown[1] == key_id[:len(shown[1])] and len(shown[1]) >= 80
    assert shown[2][8:168] == key_id
