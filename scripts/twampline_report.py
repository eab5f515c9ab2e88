# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""Results as text: any answer of the appliance indented, and the report of a test."""


def show(value, indent=0):
    """A result as indented text."""
    pad = "  " * indent
    if isinstance(value, dict):
        for key, v in value.items():
            if isinstance(v, str) and "\n" in v:
                print(f"{pad}{key}:")
                print("\n".join(f"{pad}  {line}" for line in v.rstrip("\n").split("\n")))
            elif isinstance(v, (dict, list)) and v:
                print(f"{pad}{key}:")
                show(v, indent + 1)
            else:
                print(f"{pad}{key}: {scalar(v)}")
    elif isinstance(value, list):
        for v in value:
            if isinstance(v, (dict, list)):
                print(f"{pad}-")
                show(v, indent + 1)
            else:
                print(f"{pad}- {scalar(v)}")
    else:
        print(f"{pad}{scalar(value)}")


def scalar(v):
    if v is None or v == [] or v == {}:
        return "-"
    if isinstance(v, bool):
        return "yes" if v else "no"
    return "".join(c if c.isprintable() else "?" for c in str(v))


# ---- the report of a test ----

def ms(ns):
    return "-" if ns is None else f"{ns / 1e6:.3f}"


def figure(f):
    if not f or f.get("state") in (None, "none"):
        return "-"
    return "infinite" if f.get("state") == "infinite" else ms(f.get("value_ns"))


def bound(figures):
    """The largest error bound of a line, and why its figures may not be taken at their value."""
    figures = [f for f in figures if f]
    if not figures:
        return ""
    errors = [f.get("error_ns") for f in figures]
    text = "err unknown" if None in errors else f"err {ms(max(errors))} ms"
    reasons = [f.get("reason") for f in figures if not f.get("is_valid")]
    return f"{text}, {reasons[0]}" if reasons else text


def line(name, group, keys, head=""):
    values = "/".join(figure(group.get(k)) for k in keys)
    return f"{name:<24} {head}{values} ms  ({bound([group.get(k) for k in keys])})"


# counters that stand in lines of their own, or that say nothing where clocks are not synchronised
TOLD = ("sent", "skipped", "received", "late", "duplicates_forward", "duplicates_reverse",
        "reordered_forward", "reordered_reverse", "reordered_round_trip", "unsynced_own",
        "unsynced_peer")
DELAYS = ("min", "median", "mean", "p95", "p99", "p99_9", "max")
PDVS = ("p50", "p95", "p99", "p99_9", "range")
IPDVS = ("min", "p5", "p50", "p95", "max")


def span(lo, hi):
    if lo is None or hi is None:
        return "unknown"
    return f"{lo}" if lo == hi else f"{lo} to {hi}"


def report_session(session):
    """The report of one session, in the order twping users know."""
    r = session.get("report") or {}
    if not r:
        print(f"no result: {session.get('refusal') or session.get('state')}")
        return
    c, loss, path, clock = r["counters"], r["loss"], r["path"], r["clock"]
    print(f"SID: {session.get('sid') or '-'}")
    if session.get("receiver_port"):
        print(f"UDP port {session['sender_port']} to {session['receiver_port']}"
              + (", not the one asked for" if session.get("is_port_alternate") else ""))
    print(f"{c['sent']} sent, {c['received']} received, {loss['lost']} lost "
          f"({loss['lost_pct']:.3f} %), {c['late']} after Tmax, "
          f"{c['duplicates_forward']} forward and {c['duplicates_reverse']} reverse duplicates")
    print("lost forward {}, reverse {}, undetermined {}".format(
        *(scalar(loss.get(k)) for k in ("lost_forward", "lost_reverse", "lost_undetermined"))))
    print(f"reordered forward {c['reordered_forward']}, reverse {c['reordered_reverse']}, "
          f"round trip {c['reordered_round_trip']}")
    invalid = {k[8:]: v for k, v in c.items() if k.startswith("invalid_") and v}
    print("invalid replies " + (", ".join(f"{k} {v}" for k, v in invalid.items()) or "0"))
    sender = session.get("sender") or {}
    print(f"scheduled {sender.get('scheduled', '-')}, of them sent late {sender.get('late', '-')}, "
          f"skipped {sender.get('skipped', '-')}; refused by the device and sent again "
          f"{sender.get('tx_refused', '-')}")
    others = {k: v for k, v in c.items() if v and k not in TOLD and not k.startswith("invalid_")}
    if others:
        print("also counted: " + ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in others.items()))
    print(f"{'':<24} min/median/mean/p95/p99/p99.9/max")
    for name, key in (("round trip", "round_trip_net"), ("round trip + residence", "round_trip"),
                      ("forward", "forward"), ("reverse", "reverse"), ("residence", "residence")):
        print(line(name, r[key], DELAYS))
    ways = (("round trip", "round_trip_net"), ("forward", "forward"), ("reverse", "reverse"))
    for name, key in ways:
        print(line(f"PDV {name}", r["pdv_" + key], PDVS, "p50/p95/p99/p99.9/range = "))
    for name, key in ways:
        print(line(f"IPDV {name}", r["ipdv_" + key], IPDVS, "min/p5/p50/p95/max = "))
    print(line("jitter", r["round_trip_net"], ("p95_minus_p50",), "round trip, p95 - p50 = "))
    print(f"hops forward {span(path['hops_forward_min'], path['hops_forward_max'])}, "
          f"reverse {span(path['hops_reverse_min'], path['hops_reverse_max'])}")
    if clock.get("t1_sources"):
        print(f"stamps: T1 by {'+'.join(clock['t1_sources'])}, T4 by "
              f"{'+'.join(clock.get('t4_sources') or ['-'])}")
    for who in ("own", "peer"):
        error = clock.get(f"error_{who}_ns")
        print(f"clock {who}: {'synchronised' if clock[f'is_synced_{who}'] else 'not synchronised'}"
              f", error {'unknown' if error is None else ms(error) + ' ms'}")


def report_key(result):
    """Which secret authenticated the control connection."""
    if result.get("key_source") == "ikev2":
        print(f"key of IKE SA {result.get('spi_i')}_{result.get('spi_r')} with "
              f"{scalar(result.get('ike_remote_id'))}")
    elif result.get("key_source"):
        print(f"key of passphrase {scalar(result.get('user'))}")
    if result.get("is_ike_fallback"):
        print("no IKE SA could be used: fell back to a mode without IKE")


def report(result):
    print(f"--- twampline report: {result.get('host')} port {result.get('port')}, "
          f"mode {result.get('mode') or '-'} ---")
    print(f"from {scalar(result.get('local_addr'))} by {scalar(result.get('via_port'))}; "
          f"{scalar(result.get('type_p'))}")
    report_key(result)
    interval = result.get("interval_ns")
    print(f"{scalar(result.get('schedule'))} every {ms(interval)} ms, Tmax {ms(result.get('tmax_ns'))}"
          f" ms; {scalar(result.get('started'))} to {scalar(result.get('ended_at'))}")
    if result.get("idle") not in (None, "poll"):
        print(f"data lcores ran with idle {result['idle']}: stamps are later than with poll")
    if result.get("is_control_lost"):
        print("the control connection broke while packets flowed: results may be incomplete")
    if result.get("is_results_invalid"):
        print("the server failed to authenticate itself: results are invalid")
    sessions = result.get("results") or []
    for session in sessions:
        if len(sessions) > 1:
            print(f"--- session {session.get('session')} ---")
        report_session(session)


def is_verified(result):
    """A session ran, and replies that passed every check came back."""
    return result.get("state") == "done" and not result.get("is_results_invalid") and any(
        (s.get("report") or {}).get("counters", {}).get("received", 0) > 0
        for s in result.get("results") or [])
