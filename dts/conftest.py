# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""Options and fixtures of all suites."""

import pathlib
import shutil
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP))

from dts.framework import bed as beds  # noqa: E402  (the path comes first)


def pytest_addoption(parser):
    parser.addoption("--build", default=str(TOP / "build" / "release"),
                     help="meson build folder with the appliance")
    parser.addoption("--engine", help="crypto engine of all appliances; default: their own choice")


def pytest_sessionstart(session):
    beds.sweep()


@pytest.fixture(scope="module")
def bed(request):
    """Namespaces and processes of one suite; logs and captures stay in dts/output/SUITE."""
    engine = request.config.getoption("--engine")
    name = request.module.__name__.rpartition(".")[2] + (f".{engine}" if engine else "")
    folder = TOP / "dts" / "output" / name
    shutil.rmtree(folder, ignore_errors=True)
    build = pathlib.Path(request.config.getoption("--build")).resolve()
    with beds.Bed(folder, build, engine=engine) as made:
        yield made
