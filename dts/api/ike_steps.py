# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""Steps with whole appliances that take their keys from strongSwan daemons."""

FAST = {"interval_ns": 2_000_000, "tmax_ns": 500_000_000, "timeout_ns": 300_000_000}


def attach(app, daemon):
    """Connect an appliance to its daemon; back when it is."""
    app.call("config.set", key="ike_socket", value=str(daemon.socket))
    attached(app)


def attached(app, is_connected=True):
    """Until the appliance is connected to its daemon, or knows that it is gone."""
    with app.connect() as conn:
        conn.subscribe("ike.daemon")
        while conn.call("ike.status")["is_connected"] != is_connected:
            conn.event("ike.daemon")


def established(app):
    """The SAs an appliance may use."""
    return [sa for sa in app.pages("ike.list", "sas") if sa["state"] == "established"]


def listed(app):
    """SPIs of the SAs an appliance may use."""
    return {(sa["spi_i"], sa["spi_r"]) for sa in established(app)}


def known(apps, count=1):
    """Until each appliance lists so many established SAs; the SPIs."""
    for app in apps:
        with app.connect() as conn:
            conn.subscribe("ike.*")
            while len(listed(app)) != count:
                conn.line()
    sets = [listed(app) for app in apps]
    assert sets[0] == sets[-1], sets
    return sets[0]


def measure(app, host, count=100, **how):
    return app.measure(host, **{"ike": True, "count": count, **FAST, **how})


def spis_of(report):
    return report.fields["spi_i"], report.fields["spi_r"]


def loses_nothing(report, count):
    """Every packet was answered and verified; a busy machine may send or answer late."""
    session = report.only
    session.identities()
    counters = session.counters
    assert counters["sent"] + session.sender["skipped"] == count, (counters, session.sender)
    assert counters["received"] == counters["sent"] > count * 0.9, counters
    assert session.loss["lost"] == 0 and counters["unanswered"] == 0, counters
    assert not [name for name, n in counters.items() if n and name.startswith("invalid")], counters
