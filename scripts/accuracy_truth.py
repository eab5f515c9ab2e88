# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""What the wire did to the packets of one session, and what of that can be known at the sender."""

import bisect

from accuracy_run import UNSURE_NS


class Reference:
    """A reference clock by wire time, between the times the log tells it at."""

    def __init__(self, pairs):
        self.pairs = sorted(set(pairs))

    def at(self, wire_ns):
        pairs = self.pairs
        i = min(max(bisect.bisect_right(pairs, (wire_ns, 1 << 62)), 1), len(pairs) - 1)
        (w0, r0), (w1, r1) = pairs[i - 1], pairs[i]
        if wire_ns == w0 or len(pairs) == 1:
            return r0 + wire_ns - w0
        off0, off1 = r0 - w0, r1 - w1
        return wire_ns + off0 + (off1 - off0) * (wire_ns - w0) // (w1 - w0)


class Truth:
    """Requests by number; replies that came back, in order of the reflector's numbers."""

    def __init__(self, rows):
        self.requests, replies = {}, {}
        for row in rows:
            if row["is_reply"] == "0":
                self.requests[int(row["no"])] = row
            elif row["answers"]:
                replies.setdefault(int(row["answers"]), []).append(row)
        self.sent = len(self.requests)
        self.depart = {seq: int(r["depart_ns"]) for seq, r in self.requests.items()}
        # when the copies of a request reached the reflector
        self.reached = {seq: arrivals(r) for seq, r in self.requests.items() if arrivals(r)}
        # (reflector's number, row, when its copies came back) of those that did
        self.back = {seq: [(int(r["no"]), r, arrivals(r))
                           for r in sorted(of, key=lambda r: int(r["no"])) if arrivals(r)]
                     for seq, of in replies.items()}
        self.back = {seq: of for seq, of in self.back.items() if of}
        self.answered = set(self.back)
        # the copies of a request are answered in the order they came
        self.copy_of = {int(r["no"]): i for of in replies.values()
                        for i, r in enumerate(sorted(of, key=lambda r: int(r["no"])))}
        self.reference = [Reference(pairs) for pairs in reference_pairs(rows)]

    def lost(self):
        forward = self.sent - len(self.reached)
        return forward, len([s for s in self.reached if s not in self.answered])

    def duplicates(self):
        forward = sum(len(of) - 1 for of in self.back.values())
        return forward, sum(len(at) - 1 for of in self.back.values() for _, _, at in of)

    def has_forward_copies(self):
        return any(row["arrive_copy_ns"] for row in self.requests.values())

    def undetermined_most(self, samples):
        """Unanswered packets that may be of unknown fate where no request was duplicated: those
        sent after the last answered one minus the variation of the forward delay. The sender knows
        that within its stamps: the variation is what it is at most within their errors."""
        if not self.answered:
            return self.sent
        delay = [at[0] - self.depart[s] for s, at in self.reached.items()]
        most = max([s.wire + s.bound for s in samples] + delay)
        least = min([s.wire - s.bound for s in samples] + delay)
        last = max(self.answered)
        error = next((s.bound for s in samples if s.seq == last), 0)
        since = self.depart[last] - (most - least) - error
        return sum(1 for s, at in self.depart.items() if s not in self.answered and at >= since)

    def orders(self):
        """The three streams of RFC 4737 with first arrivals alone: packets as they reached the
        reflector, its replies and the packets as they came back. Of a packet that reached it twice
        the sender knows those copies whose replies it saw."""
        forward = sorted((of[0][0], seq) for seq, of in self.back.items())
        reverse = sorted((at[0], no) for of in self.back.values() for no, _, at in of)
        there_and_back = sorted((min(at[0] for _, _, at in of), seq)
                                for seq, of in self.back.items())
        return {"forward": [seq for _, seq in forward], "reverse": [no for _, no in reverse],
                "round_trip": [seq for _, seq in there_and_back]}

    def first_back(self, seq):
        """The reply that came first: (number, row, arrivals)."""
        return min(self.back[seq], key=lambda reply: reply[2][0])


def arrivals(row):
    """When whole copies of a packet arrived: no two at one time at one end."""
    if row["is_corrupt"] != "0":
        return []
    return sorted(int(row[k]) for k in ("arrive_ns", "arrive_copy_ns") if row[k])


def reference_pairs(rows):
    """(wire time, reading) of both ends' references."""
    pairs = [], []
    for row in rows:
        end = int(row["direction"])
        pairs[end].append((int(row["depart_ns"]), int(row["depart_reference_ns"])))
        if row["arrive_ns"]:
            pairs[not end].append((int(row["arrive_ns"]), int(row["arrive_reference_ns"])))
    return pairs


class Delay:
    """One delay: true by the references the stamps are of, by wire time, and the stamps' bound.
    `is_apart`: the lcore that took one of the stamps was away meanwhile (a gap it found itself), or
    the wire was while it noted the arrival, so that the truth is not known."""

    __slots__ = ("seq", "true", "wire", "bound", "said", "is_apart")

    def __init__(self, seq, begin, end, said, gaps):
        (begin_wire, begin_ref), (end_wire, end_ref, end_error) = begin, end
        self.seq, self.bound, self.said = seq, said.bound, said.value
        self.true, self.wire = end_ref - begin_ref, end_wire - begin_wire
        self.is_apart = end_error > UNSURE_NS or \
            gaps.touch_stamp(begin_wire, said.begin - begin_ref) or \
            gaps.touch_stamp(end_wire, said.end - end_ref)

    def beyond_ns(self):
        """Off by so much more than its bound, and nothing excuses it."""
        return 0 if self.is_apart else max(0, abs(self.said - self.true) - self.bound)


class Said:
    """A delay as reported: its two stamps, value and bound."""

    def __init__(self, row, name, begin, end):
        self.bound, self.value = int(row[f"{name}_error_ns"]), int(row[f"{name}_ns"])
        self.begin, self.end = int(row[f"{begin}_utc_ns"]), int(row[f"{end}_utc_ns"])


STAMPS = {"forward": ("t1", "t2"), "reverse": ("t3", "t4"), "round_trip": ("t1", "t4")}


def reported(raw):
    """By (packet, reflector's number): forward, reverse and round trip."""
    out = {}
    for r in raw:
        key = int(r["seq"]), int(r["reflector_seq"])
        if key in out or r["class"] == "duplicate-reverse":
            continue
        out[key] = {name: Said(r, name, *of) for name, of in STAMPS.items()}
    return out


def delays(truth, raw, gaps):
    """Delays by direction: forward and round trip by the reply that came first, reverse of every
    reply."""
    said = reported(raw)
    ref = truth.reference
    out = {"forward": [], "reverse": [], "round_trip": []}
    begin = lambda row, end: (int(row["depart_ns"]), ref[end].at(int(row["depart_ns"])))
    end = lambda row, at, end: (at, ref[end].at(at), int(row["arrive_error_ns"]))
    for seq, replies in truth.back.items():
        request = truth.requests[seq]
        near = int(request["direction"])
        sent = begin(request, near)
        no, row, at = truth.first_back(seq)
        there = truth.reached[seq][min(truth.copy_of[no], len(truth.reached[seq]) - 1)]
        first = said.get((seq, no))
        if first is None:
            continue  # reported nowhere: the numbers of samples will not agree
        out["forward"].append(
            Delay(seq, sent, end(request, there, not near), first["forward"], gaps))
        out["round_trip"].append(
            Delay(seq, sent, end(row, at[0], near), first["round_trip"], gaps))
        out["reverse"] += [
            Delay(seq, begin(row, not near), end(row, at[0], near), said[seq, no]["reverse"], gaps)
            for no, row, at in replies if (seq, no) in said]
    return out


def largest_error(samples):
    """Of all delays, in gaps and out of them."""
    return max((abs(d.said - d.true) for of in samples.values() for d in of), default=0)
