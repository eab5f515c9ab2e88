# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""The files of the source tree, for the check-* scripts."""

import os
import pathlib

TOP = pathlib.Path(__file__).resolve().parent.parent
SKIPPED = {".git", "__pycache__", ".pytest_cache", "output"}


def files(*suffixes, under="."):
    """(path relative to the top, text) of every file with one of these suffixes ("" for all).

    Build trees (build*), what tools leave behind and binary files are left out.
    """
    for folder, folders, names in os.walk(TOP / under):
        folders[:] = sorted(f for f in folders if f not in SKIPPED and not f.startswith("build"))
        for name in sorted(names):
            path = pathlib.Path(folder, name)
            if name in SKIPPED or not name.endswith(suffixes or ("",)):
                continue
            try:
                yield path.relative_to(TOP), path.read_text()
            except UnicodeDecodeError:
                pass
