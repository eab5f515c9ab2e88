# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""Loss, duplicates, order and percentiles as reported, against what the wire did: random
impairments of one or both directions, each followed by a computation of its own from the wire's
log, over what an ideal observer at the sender can know. Such a one sees the replies that came back
and nothing else; its stamps are right within their stamp errors.
"""

from accuracy_truth import Truth, delays, largest_error

PACKETS, RATE = 400, 1000
NONE = {"delay_ns": 0, "jitter": "none", "jitter_ns": 0, "loss_ppm": 0, "loss_every": 0,
        "burst_begin_ppm": 0, "burst_end_ppm": 0, "dup_ppm": 0, "dup_ns": 0, "reorder_ppm": 0,
        "reorder_ns": 0, "corrupt_ppm": 0, "rate_bps": 0, "queue_octets": 0}
GAP_NS = 5_000  # an lcore that was away for less had no gap
WITHIN_PCT = 99.9  # of all delays, gaps apart, are off by no more than their bound
BIN = 0.01  # relative error of a percentile above the minimum, at most
PERCENTILES = {"p50": 50_000, "p90": 90_000, "p95": 95_000, "p99": 99_000, "p99_9": 99_900}


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
    if rng.random() < 0.2:
        # 107 octets a packet on the line, 1,000 packets/s: from below that rate to above
        imp.update(rate_bps=rng.randrange(700_000, 2_000_000),
                   queue_octets=rng.randrange(500, 4_000))
    return imp


def directions(i, rng):
    """Impairments of both directions; of one alone in a third of the settings each."""
    forward, reverse = draw(rng), draw(rng)
    if i % 3 == 1:
        reverse = {**NONE, "seed": 1}
    elif i % 3 == 2:
        forward = {**NONE, "seed": 1}
    return forward, reverse


def loss_faults(report, truth, bounds):
    loss, counters = report["loss"], report["counters"]
    forward, reverse = truth.lost()
    # without any reply nothing is certain
    certain = loss["lost_forward"] or 0, loss["lost_reverse"] or 0, loss["lost_undetermined"]
    unanswered = truth.sent - len(truth.answered)
    if counters["sent"] != truth.sent:
        yield f"sent {counters['sent']}, on the wire {truth.sent}"
    if counters["received"] != len(truth.answered):
        yield f"received {counters['received']}, came back {len(truth.answered)}"
    if certain[0] > forward or certain[1] > reverse:
        yield f"lost for certain {certain[:2]}, truly {(forward, reverse)}"
    if sum(certain) != unanswered:
        yield f"lost {certain}, unanswered {unanswered}"
    if truth.has_forward_copies():
        return
    most = truth.undetermined_most(bounds)
    if certain[2] > most:
        yield f"undetermined of {certain}, at most {most} may be, truly {(forward, reverse)}"


def order_faults(report, truth):
    counters, order = report["counters"], report["order"]
    said = counters["duplicates_forward"], counters["duplicates_reverse"]
    if said != truth.duplicates():
        yield f"duplicates {said}, truly {truth.duplicates()}"
    for name, numbers in truth.orders().items():
        reordered, extent = reordering(numbers)
        said = counters[f"reordered_{name}"]
        if said != reordered:
            yield f"reordered {name} {said}, truly {reordered}"
        said = order[f"extent_{name}"]
        # with few packets nothing has left the window that extents are found in
        if said != extent or order["is_extent_at_least"]:
            yield f"extent {name} {said}, truly {extent}"


def reordering(numbers):
    """(reordered, largest extent) by the words of RFC 4737 3.3 and 4.2.1, over first arrivals."""
    reordered = extent = next_exp = 0
    for i, n in enumerate(numbers):
        if n >= next_exp:
            next_exp = n + 1
            continue
        reordered += 1
        first = next(j for j in range(i) if numbers[j] > n)
        extent = max(extent, i - first)
    return reordered, extent


def rank_of(pct, n):
    """RFC 2330 11.3: the smallest rank x with x / n >= pct; pct in 1/100,000."""
    return max(1, -(-n * pct // 100_000))


def percentile_faults(name, said, samples, infinite):
    """Figures of one direction. A delay that is off by more than its bound and by what makes a gap was
    in a gap, and was found to be. Whatever each stamp was off by, a percentile lies between those of
    the true delays less and plus the bounds; and it is that of the delays as stamped, to a bin."""
    bound = lambda s: max(s.bound, abs(s.said - s.true)) if s.is_apart or s.beyond_ns() else s.bound
    low = sorted(s.true - bound(s) for s in samples)
    high = sorted(s.true + bound(s) for s in samples)
    stamped = sorted(s.said for s in samples)
    for s in samples:
        if s.beyond_ns() > GAP_NS:
            yield (f"{name}: packet {s.seq} is off by {s.said - s.true} ns, its bound is "
                   f"{s.bound}, and no gap was found")
    if (said["finite"], said["infinite"]) != (len(samples), infinite):
        yield (f"{name}: {said['finite']} finite and {said['infinite']} infinite, "
               f"truly {len(samples)} and {infinite}")
        return
    n = len(samples) + infinite
    ranks = {"min": 1, "max": len(samples),
             **{key: rank_of(pct, n) for key, pct in PERCENTILES.items()}}
    for key, rank in ranks.items() if samples else ():
        figure = said[key]
        if (rank > len(samples)) != (figure["state"] == "infinite"):
            yield f"{name}.{key} {figure['state']}, rank {rank} of {len(samples)} finite"
        if rank > len(samples):
            continue
        # a bin is as wide as the distance from the minimum asks for
        slack = 1 if key in ("min", "max") else 1 + BIN * (stamped[rank - 1] - stamped[0])
        value = figure["value_ns"]
        if not low[rank - 1] - slack <= value <= high[rank - 1] + slack:
            yield f"{name}.{key} {value}, truly {low[rank - 1]} to {high[rank - 1]}"
        if abs(value - stamped[rank - 1]) > slack:
            yield f"{name}.{key} {value}, by the stamps {stamped[rank - 1]}"


def faults(report, truth, samples):
    """What does not agree, in words."""
    yield from loss_faults(report, truth, samples["forward"])
    yield from order_faults(report, truth)
    loss = report["loss"]
    infinite = {"forward": loss["lost_forward"] or 0, "reverse": loss["lost_reverse"] or 0,
                "round_trip": truth.sent - len(truth.answered)}
    for name, of in samples.items():
        yield from percentile_faults(name, report[name], of, infinite[name])


def check(box, settings, rng):
    """The line of all settings."""
    wrong, found, packets, undetermined, worst, every = 0, [], 0, 0, 0, []
    for i in range(settings):
        forward, reverse = directions(i, rng)
        box.impair(forward=forward, reverse=reverse)
        answer, raw, rows, gaps = box.measure(RATE, 1, count=PACKETS)
        report = answer["results"][0]["report"]
        truth = Truth(rows)
        samples = delays(truth, raw, gaps)
        texts = list(faults(report, truth, samples))
        packets += report["counters"]["sent"]
        undetermined += report["loss"]["lost_undetermined"]
        worst = max(worst, largest_error(samples))
        every += [(s.is_apart, s.beyond_ns()) for of in samples.values() for s in of]
        wrong += bool(texts)
        found += [f"setting {i + 1}, {text}; forward {active(forward)}, reverse {active(reverse)}"
                  for text in texts]
    apart = sum(is_apart for is_apart, _ in every)
    beyond = sum(ns > 0 for _, ns in every)
    within = 100 - 100 * beyond / max(len(every) - apart, 1)
    if within < WITHIN_PCT:
        found.append(f"{beyond} of {len(every) - apart} delays out of gaps are off by more than "
                     "their bound")
    return {"case": "all", "quantity": "counts", "stamp": "all", "samples": packets,
            "settings": settings, "wrong": wrong, "undetermined": undetermined, "bias_ns": None,
            "p99_ns": None, "p999_ns": None, "max_ns": worst, "within_pct": round(within, 3),
            "gaps": apart, "gaps_pct": round(100 * apart / max(len(every), 1), 3),
            "delays": len(every), "budget_bias_ns": None, "budget_p999_ns": None,
            "budget_within_pct": WITHIN_PCT, "faults": found, "ok": not found}


def active(imp):
    return {k: v for k, v in imp.items() if v and v != "none"}
