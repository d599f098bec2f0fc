"""The GPU suite keeps to its time: a part that does not end fails, and others run on."""

import contextlib
import importlib.machinery
import importlib.util
import io
import os
import sys
import time
import unittest
from unittest import mock

GPU = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "gpu")
sys.path.insert(0, GPU)
import gpu_machine  # noqa: E402
import gpu_parts  # noqa: E402
import gpu_times  # noqa: E402

loader = importlib.machinery.SourceFileLoader("suite", os.path.join(GPU, "run"))
suite = importlib.util.module_from_spec(importlib.util.spec_from_loader("suite", loader))
loader.exec_module(suite)

MACHINE = dict.fromkeys(("gpu", "capability", "memory", "driver", "date", "commit", "command"), "")


def forgiving(_args, _tools):
    try:
        time.sleep(30)
    except Exception:  # as what calls a peer forgives
        pass
    return gpu_parts.Part(True, "it forgave")


def run_suite(parts):
    said = io.StringIO()
    with (
        mock.patch.object(gpu_parts, "PARTS", parts),
        mock.patch.object(suite, "PART_SECONDS", 1),
        mock.patch.object(gpu_machine, "find", lambda _device: MACHINE),
        mock.patch.object(gpu_machine, "tools", lambda _pack, _build: None),
        mock.patch.object(gpu_machine, "target_of", lambda _machine, _tools: "sm_90"),
        mock.patch.object(sys, "argv", ["run"]),
        contextlib.redirect_stdout(said),
    ):
        return suite.main(), said.getvalue()


class Time(unittest.TestCase):
    def test_a_part_that_does_not_end_fails_and_the_next_one_runs(self):
        good = lambda _args, _tools: gpu_parts.Part(True, "well")  # noqa: E731
        start = time.monotonic()
        code, said = run_suite({"slow": forgiving, "good": good})
        self.assertLess(time.monotonic() - start, 10)
        self.assertEqual(code, 1)
        self.assertIn("FAIL slow: not done after 1 s", said)
        self.assertIn("well", said)
        self.assertIn("1 passed, 1 failed", said)

    def test_rows_that_are_done_stay(self):
        made = []

        def row(_tools, _args, *_entry):
            if made:
                time.sleep(30)
            made.append(gpu_times.row_of("a row", 1.0, None, None, 1, "GB/s"))
            return made[0]

        args = mock.Mock(small=False)
        with (
            mock.patch.object(gpu_times, "gemm_row", row),
            mock.patch.object(gpu_times, "copy_rate", lambda: None),
            contextlib.redirect_stdout(io.StringIO()),
            gpu_machine.at_most(1),
        ):
            good, text, rows = gpu_times.kernels(args, None)
        self.assertFalse(good)
        self.assertEqual([r["what"] for r in rows], ["a row", "the rest"])
        self.assertIn("not done after 1 s", text)

    def test_no_alarm_is_left(self):
        with gpu_machine.at_most(1):
            pass
        time.sleep(1.2)


if __name__ == "__main__":
    unittest.main()
