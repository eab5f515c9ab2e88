# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""What test.run and test.show answer, and what must hold in any such report."""

INVALID = ("invalid_length", "invalid_auth", "invalid_multiplier", "invalid_seq", "invalid_t1",
           "invalid_window")
DELAYS = ("round_trip", "round_trip_net", "forward", "reverse", "residence")
LADDER = ("min", "median", "p90", "p95", "p99", "p99_9", "max")


class Session:
    """One session of a report."""

    def __init__(self, fields):
        self.fields = fields
        self.sender = fields["sender"]
        self.report = fields["report"]
        self.counters = self.report["counters"]
        self.loss = self.report["loss"]

    def ns(self, group, name):
        return self.report[group][name]["value_ns"]

    def identities(self):
        """What holds whatever happened on the way."""
        c, loss, sender = self.counters, self.loss, self.sender
        assert c["sent"] == c["received"] + c["late"] + c["unanswered"], c
        assert c["sent"] == sender["sent"], (c, sender)
        assert loss["lost"] == c["sent"] - c["received"], (loss, c)
        if loss["lost_forward"] is not None:
            assert loss["lost_forward"] + loss["lost_reverse"] + loss["lost_undetermined"] == \
                c["unanswered"], (loss, c)
        for group in DELAYS:
            values = [self.ns(group, name) for name in LADDER]
            known = [v for v in values if v is not None]
            assert known == sorted(known), (group, values)

    def clean(self, packets):
        """All sent, nothing lost, everything verified, and the delays fit each other."""
        self.identities()
        c, sender = self.counters, self.sender
        assert (c["sent"], c["received"]) == (packets, packets), (c, sender)
        assert sender["scheduled"] == packets and sender["skipped"] == 0, sender
        wrong = {name: value for name, value in c.items() if value and name.startswith(
            ("invalid", "duplicates", "reordered", "late", "unanswered", "peer_unstamped",
             "residence_absurd", "window_overrun", "r_unplaced", "epoch", "dscp_changed"))}
        assert not wrong, wrong
        assert self.loss["lost"] == 0 and self.loss["lost_pct"] == 0, self.loss
        for group in DELAYS:
            row = self.report[group]
            assert (row["finite"], row["infinite"]) == (packets, 0), (group, row)
        self.plausible()

    def plausible(self):
        """Residence is part of the round trip; means add up."""
        mean = {group: self.ns(group, "mean") for group in DELAYS}
        assert mean["residence"] < mean["round_trip"], mean
        assert abs(mean["round_trip"] - mean["round_trip_net"] - mean["residence"]) <= 2, mean
        assert abs(mean["forward"] + mean["reverse"] - mean["round_trip_net"]) <= 2, mean
        for group in ("round_trip", "residence"):
            least = self.report[group]["min"]
            error = least["error_ns"]  # None: unknown
            assert error is None or least["value_ns"] > -error, (group, self.report[group])


class Report:
    """A test that has ended."""

    def __init__(self, fields, rows):
        self.fields = fields
        self.sessions = [Session(row) for row in rows if row.get("report")]

    @property
    def only(self):
        assert len(self.sessions) == 1, self.fields
        return self.sessions[0]
