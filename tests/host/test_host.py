# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The twampline authors
"""twampline-host on hosts that are made up: what it finds, what it refuses, what it writes."""

import contextlib
import importlib.machinery
import importlib.util
import io
import json
import os
import pathlib
import sys
import tempfile
import unittest

PATH = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "twampline-host"
PCI = "0000:3b:00.0"
CPU = "sys/devices/system/cpu"
QUIET = {
    "proc/cpuinfo": "processor: 0\nflags\t\t: aes sha_ni constant_tsc nonstop_tsc",
    "proc/cmdline": "ro isolcpus=2-3 nohz_full=2-3",
    "proc/stat": "cpu  900 0 50 1000 0 0 0 50 0 0",
    "sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc",
    "sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages": "256",
    "sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages": "1",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
    f"{CPU}/online": "0-3",
    f"{CPU}/isolated": "2-3",
}


def load():
    sys.dont_write_bytecode = True
    loader = importlib.machinery.SourceFileLoader("twampline_host", str(PATH))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


tool = load()


class MadeUp(unittest.TestCase):
    """A host below a folder: QUIET, and what a case adds."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.put(QUIET)

    def put(self, files):
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n", encoding="utf-8")

    def nic(self, driver, **files):
        base = f"sys/bus/pci/devices/{PCI}"
        self.put({f"{base}/class": "0x020000", f"{base}/vendor": "0x8086", f"{base}/device": "0x1592",
                  f"{base}/numa_node": "0", **{f"{base}/{k}": v for k, v in files.items()}})
        self.put({f"sys/bus/pci/drivers/{driver}/unbind": "", "sys/bus/pci/drivers_probe": ""})
        os.symlink(self.root / "sys/bus/pci/drivers" / driver, self.root / base / "driver")

    def run_tool(self, *argv):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = tool.main(["--root", str(self.root), *argv])
        return status, out.getvalue(), err.getvalue()

    def findings(self, *argv):
        status, out, _ = self.run_tool("check", "--json", *argv)
        answer = json.loads(out)
        return status, answer["cpus"], {(f["level"], f["what"]) for f in answer["findings"]}

    def expect(self, level, word, *argv):
        _, _, found = self.findings(*argv)
        self.assertTrue(any(lv == level and word in what for lv, what in found),
                        f"no {level} with {word!r} in {found}")


class Check(MadeUp):
    def test_quiet_host_has_no_fault(self):
        status, cpus, found = self.findings()
        self.assertEqual((status, cpus), (0, [2, 3]))
        self.assertLessEqual({level for level, _ in found}, {"ok", "note"})

    def test_each_fault_is_told(self):
        for level, word, files in (
                ("warn", "clock source is hpet", {
                    "sys/devices/system/clocksource/clocksource0/current_clocksource": "hpet"}),
                ("warn", "nonstop_tsc", {"proc/cpuinfo": "flags : aes sha_ni constant_tsc"}),
                ("fail", "no AES", {"proc/cpuinfo": "flags : constant_tsc nonstop_tsc"}),
                ("note", "no SHA", {"proc/cpuinfo": "flags : aes constant_tsc nonstop_tsc"}),
                ("warn", "2.50 %", {"proc/cpuinfo": "flags : aes hypervisor"}),
                ("warn", "3 MiB of hugepages", {}),
                ("warn", "transparent huge pages are off", {
                    "sys/kernel/mm/transparent_hugepage/enabled": "always madvise [never]"}),
                ("warn", "CPU 2 shares its core with CPU 6", {
                    f"{CPU}/cpu2/topology/thread_siblings_list": "2,6"}),
                ("warn", "may sleep in C6", {
                    f"{CPU}/cpu2/cpuidle/state3/name": "C6",
                    f"{CPU}/cpu2/cpuidle/state3/latency": "133",
                    f"{CPU}/cpu2/cpuidle/state3/disable": "0"}),
                ("warn", "governor powersave", {
                    f"{CPU}/cpu3/cpufreq/scaling_governor": "powersave"}),
                ("note", "CPU 3 serves 1 interrupts", {
                    "proc/irq/30/effective_affinity_list": "3"}),
                ("note", "NMI watchdog", {"proc/sys/kernel/nmi_watchdog": "1"}),
                ("warn", "NUMA balancing", {"proc/sys/kernel/numa_balancing": "1"}),
                ("warn", "same-page", {"sys/kernel/mm/ksm/run": "1"}),
                ("note", "swap", {"proc/swaps": "Filename Type\n/dev/sda2 partition"})):
            with self.subTest(word):
                if "hugepages" in word:
                    pool = "sys/kernel/mm/hugepages/hugepages-{}kB/free_hugepages"
                    files = {pool.format(2048): "1", pool.format(1048576): "0"}
                    word = "2 MiB of hugepages"
                self.put(files)
                self.expect(level, word)
                self.put(QUIET)

    def test_cpu_of_the_operator_is_looked_at(self):
        status, cpus, found = self.findings("--cpus", "1")
        self.assertEqual((status, cpus), (1, [1]))
        self.assertTrue(any("CPU 1 is not isolated" in what for _, what in found))

    def test_nic_on_another_node_and_in_a_slow_slot(self):
        self.nic("ice", current_link_speed="8.0 GT/s PCIe", max_link_speed="16.0 GT/s PCIe",
                 current_link_width="8", max_link_width="16")
        (self.root / f"{CPU}/cpu2/node1").mkdir(parents=True)
        self.expect("warn", "CPU 2 on 1")
        self.expect("warn", "8.0 GT/s PCIe x8, it could do 16.0 GT/s PCIe x16")

    def test_vfio_without_iommu(self):
        self.nic("vfio-pci")
        self.expect("warn", "without an IOMMU")

    def test_words_that_are_wrong(self):
        for argv in (("check", "--cpus", "9"), ("check", "--cpus", "a"), ("check", "--nic", PCI),
                     ("isolate", "0-3"), ("isolate", "7"), ("bind", PCI), ("unbind", PCI)):
            with self.subTest(argv):
                status, _, err = self.run_tool(*argv)
                self.assertEqual(status, 2)
                self.assertIn("twampline-host: ", err)

    def test_isolate_prints_a_command_that_fits(self):
        status, out, _ = self.run_tool("isolate", "2-3")
        self.assertEqual(status, 0)
        self.assertIn("isolcpus=managed_irq,domain,2,3 nohz_full=2,3", out)
        self.assertIn("--lcores '0@0,1@1,2@2,3@3'", out)


class Change(MadeUp):
    def test_hugepages_are_shared_out(self):
        for node in (0, 1):
            self.put({f"sys/devices/system/node/node{node}/hugepages/hugepages-2048kB/"
                      "nr_hugepages": "0"})
        status, out, _ = self.run_tool("hugepages", "513")
        self.assertEqual(status, 0, out)
        self.assertEqual([(self.root / f"sys/devices/system/node/node{n}/hugepages/"
                           "hugepages-2048kB/nr_hugepages").read_text() for n in (0, 1)],
                         ["257", "256"])

    def test_hugepages_of_a_size_that_is_not_there(self):
        status, _, err = self.run_tool("hugepages", "4", "--size", "1G")
        self.assertEqual(status, 2)
        self.assertIn("hugepages of 1G", err)

    def test_interface_that_is_up_stays(self):
        self.nic("ice")
        self.put({f"sys/bus/pci/devices/{PCI}/net/ens1/x": "", "sys/class/net/ens1/flags": "0x1003",
                  "sys/bus/pci/drivers/vfio-pci/unbind": ""})
        status, _, err = self.run_tool("bind", PCI)
        self.assertEqual(status, 2)
        self.assertIn("interface ens1, which is up", err)

    def test_driver_that_is_not_loaded(self):
        self.nic("ice")
        status, _, err = self.run_tool("bind", PCI)
        self.assertEqual(status, 2)
        self.assertIn("modprobe vfio-pci", err)

    def test_driver_that_does_not_take_it(self):
        self.nic("ice")
        self.put({"sys/bus/pci/drivers/vfio-pci/unbind": ""})
        status, _, err = self.run_tool("bind", PCI)
        self.assertEqual(status, 2)
        self.assertIn("vfio-pci did not take", err)
        base = self.root / "sys/bus/pci"
        self.assertEqual((base / "devices" / PCI / "driver_override").read_text(), "vfio-pci")
        self.assertEqual((base / "drivers/ice/unbind").read_text(), PCI)
        self.assertEqual((base / "drivers_probe").read_text(), PCI)


if __name__ == "__main__":
    unittest.main()
