#!/usr/bin/env python3
"""Does the comparison of tests/cases.py fail where it has to? Runs it against programs that misbehave.

usage: test_cases.py      needs numpy and onnx (exit 77 where they are missing)

The stand-in for aicc copies the folder's name, the one for aicc-run does what a file in that folder
says: it answers right, or wrong in one of the ways that a compiler can.
"""

import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import cases  # noqa: E402
import numpy as np  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

AICC = """#!/bin/sh
folder=$(dirname "$1")
case $(cat "$folder/mode") in
  refuses) echo "$1: error: node /n (Nope): no such operator" >&2; exit 2;;
  crashes) kill -SEGV $$;;
esac
printf %s "$folder" >"$3"
"""

# $1 model.so, $3 the test set, $5 the folder of outputs
AICC_RUN = """#!/bin/sh
folder=$(cat "$1")
mode=$(cat "$folder/mode")
case $mode in
  silent) exit 0;;
  errs) echo "aicc-run: error: output y: 3 rows, 4 expected" >&2; exit 1;;
esac
cp "$folder/answer.npy" "$5/output_0.npy"
case $mode in says-unequal) exit 3;; esac
exit 0
"""

RIGHT = np.array([1, 2, 4], np.float32)


def write(path, data, executable=False):
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())
    if executable:
        os.chmod(path, 0o755)


class Harness(unittest.TestCase):
    """A place with the stand-ins for aicc and aicc-run, and a case there."""

    def setUp(self):
        self.place = tempfile.TemporaryDirectory()
        self.addCleanup(self.place.cleanup)
        bin_folder = self.path("bin")
        os.makedirs(bin_folder)
        write(os.path.join(bin_folder, "aicc"), AICC, executable=True)
        write(os.path.join(bin_folder, "aicc-run"), AICC_RUN, executable=True)
        self.tools = cases.Tools.in_folder(bin_folder)

    def path(self, *parts):
        return os.path.join(self.place.name, *parts)

    def run_model(self, model, answer, expected, mode="right", inputs=(), **options):
        """Runs a model of one output with one test set; `answer` is what the stand-in gives."""
        folder = self.path("case")
        test_set = os.path.join(folder, "test_data_set_0")
        os.makedirs(test_set, exist_ok=True)
        write(os.path.join(folder, "mode"), mode)
        write(os.path.join(folder, "model.onnx"), model.SerializeToString())
        np.save(os.path.join(folder, "answer.npy"), answer)
        values = {f"input_{j}.pb": x for j, x in enumerate(inputs)} | {"output_0.pb": expected}
        for name, value in values.items():
            tensor = numpy_helper.from_array(value).SerializeToString()
            write(os.path.join(test_set, name), tensor)
        case = cases.Case("case", folder, **options)
        return cases.run_case(case, self.tools, self.path("work"))


class HarnessTest(Harness):
    def run_case(self, mode="right", answer=RIGHT, expected=RIGHT, **bounds):
        kind = helper.np_dtype_to_tensor_dtype(expected.dtype)
        info = helper.make_tensor_value_info("y", kind, expected.shape)
        graph = helper.make_graph(
            [helper.make_node("Identity", ["x"], ["y"])],
            "case",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [])],
            [info],
        )
        return self.run_model(helper.make_model(graph), answer, expected, mode, **bounds)

    def fails_with(self, text, **arguments):
        result = self.run_case(**arguments)
        self.assertFalse(result.passed)
        self.assertIn(text, result.message)

    def test_right_answer_passes(self):
        result = self.run_case()
        self.assertTrue(result.passed, result.message)
        self.assertEqual(result.sets, 1)

    def test_rounding_within_the_bound_passes(self):
        self.assertTrue(self.run_case(answer=RIGHT * np.float32(1.0005)).passed)

    def test_wrong_value(self):
        answer = np.array([1, 2, 4.1], np.float32)
        self.fails_with("output y: largest difference 0.025", answer=answer)
        self.fails_with("aicc-run called it equal", answer=answer)

    def test_wrong_shape(self):
        self.fails_with("shape [3, 1], expected [3]", answer=RIGHT[:, None])

    def test_wrong_type(self):
        self.fails_with("type float64, expected float32", answer=RIGHT.astype(np.float64))

    def test_nan(self):
        answer = np.array([1, np.nan, 4], np.float32)
        self.fails_with("largest difference", answer=answer)
        self.fails_with("infinities or NaNs", expected=answer)
        self.assertTrue(self.run_case(answer=answer, expected=answer).passed)

    def test_integers_have_no_tolerance(self):
        wrong, right = np.array([100000, 7]), np.array([100001, 7])
        self.fails_with("1 of 2 elements differ", answer=wrong, expected=right, rtol=0.1)

    def test_bound_relative_to_the_largest(self):
        answer = np.array([1.0007, 2, 4], np.float32)
        self.assertTrue(self.run_case(answer=answer, of_max=2e-4).passed)
        self.fails_with("largest difference", answer=answer, of_max=1e-4)

    def test_missing_output(self):
        self.fails_with("wrote no output_0.npy", mode="silent")

    def test_verdict_of_aicc_run_counts(self):
        self.fails_with("aicc-run says not equal", mode="says-unequal")

    def test_messages_lose_their_paths(self):
        self.fails_with("node /n (Nope): no such operator", mode="refuses")
        self.fails_with("output y: 3 rows, 4 expected", mode="errs")
        self.assertNotIn(self.place.name, self.run_case(mode="refuses").message)

    def test_crash(self):
        self.fails_with("aicc was ended by signal 11", mode="crashes")

    def test_no_test_set(self):
        self.run_case()
        folder = self.path("case")
        os.rename(os.path.join(folder, "test_data_set_0"), os.path.join(folder, "elsewhere"))
        result = cases.run_case(cases.Case("case", folder), self.tools, self.path("work"))
        self.assertIn("no test_data_set_0", result.message)

    def test_list_of_known_failures(self):
        good, bad = cases.Result("good", "", True), cases.Result("bad", "", False, "why")
        names = ["bad", "good"]

        def faults(known):
            return cases.judge([good, bad], known, names, "list", verbose=False)

        self.assertEqual(faults({"bad": "why"}), 0)
        self.assertEqual(faults({}), 1)
        self.assertEqual(faults({"bad": "why", "good": "old"}), 1)
        self.assertEqual(faults({"bad": "why", "gone": "old"}), 1)

    def test_blessing_keeps_the_lines_of_what_did_not_run(self):
        path = self.path("xfail.txt")
        bad = cases.Result("bad", "", False, "why")
        cases.write_xfail(path, [bad], {"other": "reason"}, ("header",))
        self.assertEqual(cases.read_xfail(path), {"bad": "why", "other": "reason"})
        write(path, "b: x\na: y\n")
        with self.assertRaises(SystemExit):
            cases.read_xfail(path)


if __name__ == "__main__":
    unittest.main()
