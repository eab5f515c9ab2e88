# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""What clocks may do, and what the results say then: references that drift by 50 ppm and wander,
are slewed or stepped in mid-run, or are one second apart. Nothing is announced of the references
here (a max_error_ns of 0), so the Error Estimate is what the product itself adds; errors are held
against the references.
"""

import statistics

import accuracy_run as run

HELD_PCT = 99.9
TIGHT = 4  # the median of the bounds is at most so many times p99.9 of the errors
DRIFT_PPB, WANDER_PPB = 50_000, 10_000
SLEW_NS, STEP_NS, OFFSET_NS = 250_000, 5_000_000, 1_000_000_000
OFFSET_TOL_NS = 1_000
RATE = 2000
# a reference that begins to slew is off by more than any bound until it is read again, a millisecond
# later: with both ends that is 0.1 % of two seconds
SLEW_QUICK_S = 4
MODES = {"software": "", "nic-rx": "rx", "nic-rx-tx": "rx,timesync,scheduled"}
WHAT = ("forward", "reverse", "round_trip")


def p999(errors):
    ordered = sorted(map(abs, errors))
    return ordered[min(len(ordered) - 1, int(0.999 * len(ordered)))] if ordered else 0


def held(samples):
    """(share of samples within their bounds, largest ratio of a median bound to p99.9 of the
    errors), over all three delays; None without samples."""
    inside = total = 0
    ratios = []
    for what in WHAT:
        pairs = [(s.whole if what == "round_trip" else s.delay[what], s.bound[what])
                 for s in samples if s.bound[what] is not None]
        inside += sum(abs(e) <= b for e, b in pairs)
        total += len(pairs)
        if pairs:
            ratios.append(statistics.median(b for _, b in pairs) / max(p999(e for e, _ in pairs), 1))
    return (100 * inside / total, max(ratios)) if total else (None, None)


def line(quantity, mode, samples, **more):
    clean = [s for s in samples if not s.is_gap]
    share, ratio = held(clean)
    errors = [s.delay[what] for s in clean for what in WHAT]
    return {"case": "clocks", "quantity": quantity, "stamp": mode, "samples": len(clean),
            "bias_ns": round(statistics.median(errors)) if errors else None, "p99_ns": None,
            "p999_ns": p999(errors), "max_ns": max(map(abs, errors), default=None),
            "within_pct": None if share is None else round(share, 3),
            "bound_ratio": None if ratio is None else round(ratio, 2),
            "gaps": len(samples) - len(clean), "budget_bias_ns": None, "budget_p999_ns": None,
            "budget_within_pct": HELD_PCT,
            "ok": share is not None and share >= HELD_PCT, **more}


def measured(box, seconds):
    answer, raw, truth, gaps = box.measure(RATE, seconds)
    return answer, raw, run.join(raw, truth, gaps)


def drifting(box, mode, seconds):
    """Both references drift and wander, the clocks of the NICs drift."""
    _, _, samples = measured(box, seconds)
    made = line("drift-wander", mode, samples, budget_bound_ratio=TIGHT)
    made["ok"] = made["ok"] and made["bound_ratio"] <= TIGHT
    return made


def slewed(box, mode, seconds):
    """One reference is slewed by 250 us within the second half, the other the other way."""
    for end, ns in ((0, SLEW_NS), (1, -SLEW_NS)):
        box.call("netsim.clock", end=end, slew_ns=ns, after_ns=int(seconds * 0.5e9) + 300_000_000,
                 over_ns=int(seconds * 0.5e9))
    _, _, samples = measured(box, seconds)
    return line("slew", mode, samples)


def stepped(box, mode, seconds):
    """Our reference jumps in mid-run. No interval may mix epochs, and none may give a one-way delay
    as valid that is wrong by more than its samples' bounds allow."""
    box.call("netsim.clock", end=0, step_ns=STEP_NS, after_ns=int(seconds * 0.5e9) + 300_000_000)
    answer, raw, samples = measured(box, seconds)
    whole = [s for s in samples if abs(s.whole) < STEP_NS // 2]
    intervals = box.call("test.intervals", id=answer["id"], session=1)["intervals"]
    said = [d[what] for d in (s.reported for s in samples) for what in ("forward", "reverse")]
    wrong = [i for i in intervals if i["is_oneway_valid"] and is_off(i, samples)]
    marked = sum(bool(i["is_stepped"]) for i in intervals)
    made = line("step", mode, whole, intervals=len(intervals), stepped=marked, wrong=len(wrong),
                unsynced=sum(r["is_synced"] == "0" for r in raw), spread_ns=max(said) - min(said))
    made["within_pct"] = None  # the moments before a step is noticed are none of its merit
    made["ok"] = marked >= 2 and not wrong and has_epochs_apart(intervals)
    return made


def is_off(interval, samples):
    """A valid one-way delay of an interval lies out of what was true of any packet by its bound."""
    for what in ("forward", "reverse"):
        true = [(s.reported[what] - s.delay[what], s.bound[what]) for s in samples
                if s.bound[what] is not None]
        low, high = interval[f"{what}_min_ns"], interval[f"{what}_max_ns"]
        if low is not None and not (min(t - b for t, b in true) - 1 <= low and
                                    high <= max(t + b for t, b in true) + 1):
            return True
    return False


def has_epochs_apart(intervals):
    """Epochs never go back, and an interval that begins one says so."""
    epochs = [i["epoch"] for i in intervals]
    return all(a == b or (a < b and following["is_stepped"]) for a, b, following in
               zip(epochs, epochs[1:], intervals[1:]))


def offset_means(args, build, mode, offset_ns):
    """How far the reported delays are off the true ones, in the mean, with the far clock ahead."""
    wire = {"seed": args.seed, "offset1_ns": offset_ns, "max_error_ns": 2 * OFFSET_NS}
    with run.Appliance(build, {**wire, **nic_words(MODES[mode])}, args.lcores) as box:
        impair(box)
        box.warm(MODES[mode])
        _, _, samples = measured(box, 1)
    clean = [s for s in samples if not s.is_gap]
    return {what: statistics.median(s.reported[what] - s.true[what] for s in clean)
            for what in WHAT}


def apart(args, build, mode):
    """One clock's offset changed by a second: one-way results change by that, the round trip does
    not."""
    zero, ahead = (offset_means(args, build, mode, ns) for ns in (0, OFFSET_NS))
    change = {what: round(ahead[what] - zero[what]) for what in WHAT}
    made = line("offset-1s", mode, [], change_ns=change, budget_change_ns=OFFSET_TOL_NS)
    made["max_ns"] = max(abs(change["forward"] - OFFSET_NS), abs(change["reverse"] + OFFSET_NS),
                         abs(change["round_trip"]))
    made["ok"] = made["max_ns"] <= OFFSET_TOL_NS
    return made


def nic_words(nic):
    return {"nic0": nic, "nic1": nic} if nic else {}


def impair(box):
    box.impair(both={"delay_ns": 100_000, "jitter": "uniform", "jitter_ns": 20_000})


def lines(args, build, modes=tuple(MODES)):
    wire = {"seed": args.seed, "max_error_ns": 0, "drift0_ppb": DRIFT_PPB, "drift1_ppb": -DRIFT_PPB,
            "wander_ppb": WANDER_PPB, "nic_drift_ppb": DRIFT_PPB}
    for mode in modes:
        nic = MODES[mode]
        with run.Appliance(build, {**wire, **nic_words(nic)}, args.lcores) as box:
            impair(box)
            box.warm(nic)
            for part, seconds in ((drifting, 1), (slewed, SLEW_QUICK_S), (stepped, 1)):
                yield part(box, mode, seconds if args.quick else 5)
        if not args.quick:
            yield apart(args, build, mode)
