# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""Loss, duplicates and order as reported, against what the wire did: random impairments of one or
both directions, each followed by a computation of its own from the wire's log, over what an
observer at the sender can know.
"""

PACKETS, RATE = 400, 1000
NONE = {"delay_ns": 0, "jitter": "none", "jitter_ns": 0, "loss_ppm": 0, "loss_every": 0,
        "burst_begin_ppm": 0, "burst_end_ppm": 0, "dup_ppm": 0, "dup_ns": 0, "reorder_ppm": 0,
        "reorder_ns": 0, "corrupt_ppm": 0, "rate_bps": 0, "queue_octets": 0}


def draw(rng):
    """Impairments of one direction."""
    imp = {**NONE, "delay_ns": rng.randrange(0, 2_000_000), "seed": rng.randrange(1 << 32)}
    if rng.random() < 0.7:
        imp["loss_ppm"] = rng.randrange(0, 200_000)
    if rng.random() < 0.3:
        imp.update(burst_begin_ppm=rng.randrange(1000, 50_000),
                   burst_end_ppm=rng.randrange(50_000, 500_000))
    if rng.random() < 0.2:
        imp["loss_every"] = rng.randrange(2, 50)
    if rng.random() < 0.4:
        imp.update(dup_ppm=rng.randrange(0, 200_000), dup_ns=rng.randrange(0, 3_000_000))
    if rng.random() < 0.5:
        imp.update(reorder_ppm=rng.randrange(0, 200_000),
                   reorder_ns=rng.randrange(500_000, 8_000_000))
    if rng.random() < 0.5:
        imp.update(jitter=rng.choice(("uniform", "normal", "pareto")),
                   jitter_ns=rng.randrange(1000, 1_000_000))
    if rng.random() < 0.2:
        imp["corrupt_ppm"] = rng.randrange(0, 50_000)
    return imp


class Truth:
    """What the wire did to the packets of one session."""

    def __init__(self, rows):
        self.requests, self.replies = {}, {}
        for row in rows:
            if row["is_reply"] == "0":
                self.requests[int(row["no"])] = row
            elif row["answers"]:
                self.replies.setdefault(int(row["answers"]), []).append(row)
        self.sent = len(self.requests)
        # packets handed over together arrive at the same time, in the order they were due
        good = lambda row: [(int(row[k]), int(row["due_ns"])) for k in
                            ("arrive_ns", "arrive_copy_ns")
                            if row[k] and row["is_corrupt"] == "0"]
        self.reached = {seq: min(good(r)) for seq, r in self.requests.items() if good(r)}
        # per reply: when its copies came back; those that did
        self.back = {seq: [(int(r["no"]), sorted(good(r))) for r in replies if good(r)]
                     for seq, replies in self.replies.items()}
        self.answered = {seq for seq, back in self.back.items() if back}

    def lost(self):
        forward = self.sent - len(self.reached)
        return forward, len([s for s in self.reached if s not in self.answered])

    def duplicates(self):
        forward = sum(max(0, len(back) - 1) for back in self.back.values())
        return forward, sum(len(at) - 1 for back in self.back.values() for _, at in back)

    def has_duplicates(self):
        every = [*self.requests.values(), *(r for rows in self.replies.values() for r in rows)]
        return any(row["arrive_copy_ns"] for row in every)

    def undetermined_most(self, variation):
        """Unanswered packets that may be of unknown fate where no request was duplicated: those
        sent after the one answered last, minus the variation of the forward delay; the larger of
        the true one and what the sender saw, whose stamps are late in a gap."""
        if not self.answered:
            return self.sent
        depart = {s: int(r["depart_ns"]) for s, r in self.requests.items()}
        delay = [at - depart[s] for s, (at, _) in self.reached.items()]
        last = max((no, seq) for seq, back in self.back.items() for no, _ in back)[1]
        since = depart[last] - max(max(delay) - min(delay), variation)
        return sum(1 for s in depart if s not in self.answered and depart[s] >= since)

    def reordered(self):
        """(forward, reverse, round trip) by RFC 4737, without duplicates: packets that come after
        one with a higher number."""
        firsts = sorted((at[0], no, seq) for seq, back in self.back.items() for no, at in back)
        behind = lambda numbers: sum(n < max(numbers[:i]) for i, n in enumerate(numbers) if i)
        by_reflector = [seq for _, seq in sorted((no, seq) for _, no, seq in firsts)]
        return (behind(by_reflector), behind([no for _, no, _ in firsts]),
                behind([seq for _, _, seq in firsts]))


def faults(report, truth, raw):
    """What does not agree, in words."""
    loss, counters = report["loss"], report["counters"]
    forward, reverse = truth.lost()
    certain = loss["lost_forward"], loss["lost_reverse"], loss["lost_undetermined"]
    unanswered = truth.sent - len(truth.answered)
    if counters["sent"] != truth.sent:
        yield f"sent {counters['sent']}, on the wire {truth.sent}"
    if counters["received"] != len(truth.answered):
        yield f"received {counters['received']}, came back {len(truth.answered)}"
    if certain[0] > forward or certain[1] > reverse:
        yield f"lost for certain {certain[:2]}, truly {(forward, reverse)}"
    if sum(certain) != unanswered:
        yield f"lost {certain}, unanswered {unanswered}"
    seen = [int(r["forward_ns"]) for r in raw if r["forward_ns"]] or [0]
    most = truth.undetermined_most(max(seen) - min(seen))
    if not any(r["arrive_copy_ns"] for r in truth.requests.values()) and certain[2] > most:
        yield f"undetermined of {certain}, at most {most} may be, truly {(forward, reverse)}"
    said = counters["duplicates_forward"], counters["duplicates_reverse"]
    if said != truth.duplicates():
        yield f"duplicates {said}, truly {truth.duplicates()}"
    if not truth.has_duplicates():
        said = tuple(counters[f"reordered_{d}"] for d in ("forward", "reverse", "round_trip"))
        if said != truth.reordered():
            yield f"reordered {said}, truly {truth.reordered()}"


def check(box, settings, rng):
    """The line of all settings."""
    wrong, found, packets, undetermined = 0, [], 0, 0
    for i in range(settings):
        # a third of them in one direction only
        forward, reverse = draw(rng), draw(rng)
        if i % 3 == 1:
            reverse = {**NONE, "seed": 1}
        elif i % 3 == 2 and i % 2:
            forward = {**NONE, "seed": 1}
        box.impair(forward=forward, reverse=reverse)
        answer, raw, rows, _ = box.measure(RATE, 1, count=PACKETS)
        report = answer["results"][0]["report"]
        texts = list(faults(report, Truth(rows), raw))
        packets += report["counters"]["sent"]
        undetermined += report["loss"]["lost_undetermined"]
        wrong += bool(texts)
        found += [f"setting {i + 1}, {text}; forward {active(forward)}, reverse {active(reverse)}"
                  for text in texts]
    return {"case": "all", "quantity": "counts", "stamp": "all", "samples": packets,
            "settings": settings, "wrong": wrong, "undetermined": undetermined, "bias_ns": None,
            "p99_ns": None, "p999_ns": None, "max_ns": None, "within_pct": None, "gaps": 0,
            "budget_bias_ns": None, "budget_p999_ns": None, "faults": found, "ok": wrong == 0}


def active(imp):
    return {k: v for k, v in imp.items() if v and v != "none"}
