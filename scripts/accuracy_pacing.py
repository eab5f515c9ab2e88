# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""Departures of one session of 1,000,000 packets/s against its schedule, as the wire saw them. What
a gap of the sender's lcore held up is apart: packets due in it, and behind it until one is on time
again. A late or skipped departure must be counted: sent + skipped = scheduled.

Both ends of the wire belong to one lcore. "departure" is what a sender does: its requests are lost on
the wire. "shared" has no budget: the same lcore is the reflector, too, and collects, three packets
where a sender's has one or two (with replies from elsewhere: scripts/bench, pacing-1mpps).
"""

import accuracy_run as run

CASE = "pacing-1mpps"
RATE, COUNT, STEP_NS = 1_000_000, 400_000, 1000
BUDGET_NS = 2_000


def percentile(ordered, share):
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0


def least(departs, share):
    """Least lead over an even schedule in a part of the run: (middle number, ns)."""
    part = departs[int(share[0] * len(departs)):int(share[1] * len(departs))]
    no, at = min(part, key=lambda d: d[1] - d[0] * STEP_NS)
    return no, at - no * STEP_NS


def lags(departs):
    """By packet: how far behind its time it left. The schedule's clock and the wire's differ in rate
    by less than a ppm: the line below all departures is the schedule."""
    (n0, a0), (n1, a1) = least(departs, (0, 0.25)), least(departs, (0.75, 1))
    slope = (a1 - a0) / (n1 - n0)
    line = lambda no: a0 + slope * (no - n0)
    low = min(at - no * STEP_NS - line(no) for no, at in departs)
    return [(at, at - no * STEP_NS - line(no) - low) for no, at in departs]


def gaps_apart(departs, gaps):
    """Lags of packets that no gap held up, and how many were."""
    kept, held, i, waits = [], 0, 0, False
    for at, lag in lags(departs):
        while i < len(gaps) and gaps[i][1] <= at:
            # due before the gap was over
            waits = waits or gaps[i][1] > at - lag
            i += 1
        if waits and lag > BUDGET_NS:
            held += 1
            continue
        waits = False
        kept.append(lag)
    return sorted(kept), held


def lines(args, build):
    wire = {"seed": args.seed, "log": 2 * COUNT + 1000}
    with run.Appliance(build, wire, args.lcores) as box:
        yield measure(box, "shared", None)
        box.call("netsim.impair", end=0, loss_ppm=1_000_000)
        yield measure(box, "departure", BUDGET_NS)


def measure(box, quantity, budget_ns):
    path, gaps_path = (box.folder / f"{quantity}{what}.csv" for what in ("", "-gaps"))
    box.call("netsim.clear")
    answer = box.client.call("test.run", {
        "host": run.FAR, "rate_pps": RATE, "count": COUNT, "mode": "open",
        "tmax_ns": 500_000_000, "timeout_ns": 100_000_000}, timeout=60)
    box.call("netsim.dump", file=str(path), gaps_file=str(gaps_path))
    departs = [(int(r["no"]), int(r["depart_ns"])) for r in run.rows(path)
               if r["is_reply"] == "0"]
    found = run.Gaps(gaps_path, departs[0][1], departs[-1][1])
    kept, held = gaps_apart(departs, found.by_lcore.get("data0", []))
    sender = answer["results"][0]["sender"]
    made = {"case": CASE, "quantity": quantity, "stamp": "software",
            "samples": len(kept), "bias_ns": round(percentile(kept, 0.5)),
            "p99_ns": round(percentile(kept, 0.99)), "p999_ns": round(percentile(kept, 0.999)),
            "max_ns": round(kept[-1]) if kept else None, "within_pct": None, "gaps": held,
            "scheduled": sender["scheduled"], "sent": sender["sent"], "late": sender["late"],
            "skipped": sender["skipped"], "lag_max_ns": sender["lag_max_ns"],
            "budget_bias_ns": None, "budget_p99_ns": budget_ns, "budget_p999_ns": None}
    made["ok"] = (budget_ns is None or made["p99_ns"] <= budget_ns) and \
        sender["sent"] + sender["skipped"] == sender["scheduled"] == COUNT and \
        sender["sent"] == len(departs)
    return made
