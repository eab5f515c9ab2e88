# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""plant.py SOURCE OLD NEW: the source with one fault in it, on standard output. OLD must stand in it
exactly once: code that moved on needs its fault written anew."""

import pathlib
import sys


def main(source, old, new):
    text = pathlib.Path(source).read_text(encoding="utf-8")
    if text.count(old) != 1:
        sys.exit(f"{source}: {text.count(old)} times {old!r}, must be once: see tests/faults")
    print(f'#line 1 "{source}"')
    print(text.replace(old, new), end="")


if __name__ == "__main__":
    main(*sys.argv[1:])
