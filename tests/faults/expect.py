# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""expect.py SUITE/CASE PROGRAM: passes if this case of a program with a planted fault fails, as one
line of TAP. That the case passes without the fault is shown by its own suite."""

import subprocess
import sys


def main(case, program):
    done = subprocess.run([program, "--tap", f"--filter={case}"], capture_output=True, text=True,
                          timeout=120, check=False)
    lines = done.stdout.splitlines()
    failed = [line for line in lines if line.startswith("not ok - " + case.replace("/", "::"))]
    seen = done.returncode != 0 and len(failed) == 1
    print("1..1")
    print(f"{'ok' if seen else 'not ok'} - {case} notices the fault")
    if not seen:
        print("\n".join("# " + line for line in lines + done.stderr.splitlines()))
    return 0 if seen else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
