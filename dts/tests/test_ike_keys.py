# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""IKEv2-derived keys of real daemons against a computation of our own (RFC 7717 5.1)."""

import pytest

from dts.api import ike_rig

PPK = {"ppk-lab": {"id": "lab", "secret": "0x" + "5a" * 32}}


@pytest.fixture(scope="module")
def duo(bed):
    connections = {f"prf{prf}": ("psk", how, how) for prf, how in (
        (prf, {"proposals": f"aes128-{word}-x25519"}) for prf, (word, _, _) in ike_rig.PRFS.items())}
    with_ppk = {"ppk_id": "lab", "ppk_required": "yes"}
    connections["ppk"] = ("psk", with_ppk, with_ppk)
    return ike_rig.duo(bed, connections, PPK, extra=ike_rig.LOG_KEYS)


def check_key(duo, sas, prf):
    """The key of one SA as both ends serve it, as our computation from each log has it."""
    near, far = sas
    assert near.spis == far.spis and near.prf == far.prf == prf
    assert len(near.key) == ike_rig.PRFS[prf][2]
    assert near.key == far.key
    for daemon in duo.both:
        assert near.key == ike_rig.derived(daemon, prf), daemon.name


def follow(duo, name, prf, flags=frozenset()):
    """Set up, rekey from either side, delete; check the key each time."""
    near, far = duo.clients()
    with near, far:
        duo.near.initiate(name)
        pair = [client.event("up") for client in (near, far)]
        assert all(sa.flags == flags for sa in pair), pair
        check_key(duo, pair, prf)
        keys = {pair[0].key}
        for at, daemon in enumerate(duo.both):
            old = pair[0].spis
            daemon.rekey(pair[at].connection)  # the responder's choice may have another name
            pair = [client.event("rekeyed") for client in (near, far)]
            assert all(sa.old == old for sa in pair), pair
            check_key(duo, pair, prf)
            keys.add(pair[0].key)
            for client in (near, far):
                client.event("down")
        assert len(keys) == 3
        duo.near.terminate(name)
        for client in (near, far):
            client.event("down", where=lambda sa: sa.spis == pair[0].spis)
            assert client.listing() == []


@pytest.mark.parametrize("prf", ike_rig.PRFS)
def test_prf(duo, prf):
    """Every PRF that charon offers gives the same key on both ends, and the right one.

    Steps: set up an IKE SA with the PRF; rekey it from one side, then from the other; delete it.
    Verify: each time both ends serve the same SPIs and prf(SK_d, "IPPM") as computed here from the
    SK_d in either daemon's log of level 4, in the length of the PRF; nothing is listed at the end.
    """
    follow(duo, f"prf{prf}", prf)


def test_ppk(duo):
    """With a post-quantum preshared key (RFC 8784) the key is of the SK_d it is mixed into.

    Steps: the same with a PPK that both ends require.
    Verify: the same; the record says that a PPK is in use.
    """
    follow(duo, "ppk", 5, {"ppk"})


def test_zero_octets(duo):
    """A key is binary: zero octets in it change neither its length nor its value.

    Steps: rekey an SA with the longest keys until one of them has a zero octet inside.
    Verify: both ends serve it whole, equal to our computation.
    """
    near, far = duo.clients()
    with near, far:
        duo.near.initiate("prf7")
        pair = [client.event("up") for client in (near, far)]
        for _ in range(60):
            check_key(duo, pair, 7)
            if 0 in pair[0].key[:-1]:
                break
            duo.near.rekey("prf7")
            pair = [client.event("rekeyed") for client in (near, far)]
            for client in (near, far):
                client.event("down")
        else:
            pytest.fail("no zero octet in 60 keys of 64 octets")
        duo.near.terminate("prf7")
