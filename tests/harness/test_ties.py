#!/usr/bin/env python3
"""Does a listed tie excuse the other right answer and nothing else? Each model has one quantiser.

usage: test_ties.py      needs numpy and onnx (exit 77 where they are missing)
"""

import unittest

import test_cases  # its folder is on the path, and it puts the one above there
import cases
import numpy as np
import ties
from onnx import TensorProto, helper

TIE = 34.5  # element 2 of the inputs; it may become 34 or 35, in units of a scale of 1
BELOW, ABOVE = np.array([0, 255, 34, 7], np.float32), np.array([0, 255, 35, 7], np.float32)


def moved(value, ulp):
    """`value` by so many units in the last place of f32."""
    return np.float32(value) + ulp * np.spacing(np.float32(value))


def inputs(element=TIE, largest=255):
    return np.array([0, largest, element, 7.25], np.float32)


def dynamic():
    """Its scale is (255 - 0) / 255."""
    return [helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"], "quantise")]


def given(scale=(1.0,), kind=TensorProto.UINT8):
    shape = [] if len(scale) == 1 else [len(scale)]
    parts = [("s", TensorProto.FLOAT, scale), ("z", kind, [0] * len(scale))]
    constants = [
        helper.make_node("Constant", [], [name], value=helper.make_tensor(name, type_, shape, data))
        for name, type_, data in parts
    ]
    attributes = {"axis": 0} if len(scale) > 1 else {}
    node = helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], "quantise", **attributes)
    return [*constants, node]


def model_of(quantise, opset=17, back="DequantizeLinear", **attributes):
    back = helper.make_node(back, ["q", "s", "z"], ["y"], "back", **attributes)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xy")
    graph = helper.make_graph([*quantise, back], "case", [x], [y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


class TieTest(test_cases.Harness):
    def judge(self, answer, expected=BELOW, x=None, quantise=None, tie=("quantise", 2), **options):
        listed = {"test_data_set_0": ties.Tie(*tie)} if tie else {}
        return self.run_model(
            model_of(quantise or dynamic(), **options),
            answer,
            expected,
            inputs=[inputs() if x is None else x],
            of_max=2e-4,
            ties=listed,
        )

    def passes(self, *arguments, turned, **options):
        result = self.judge(*arguments, **options)
        self.assertTrue(result.passed, result.message)
        note = "with tie quantise[2] rounded the other way"
        self.assertEqual(result.notes, [note] if turned else [])
        self.assertLessEqual(result.worst, 2e-4)

    def fails_with(self, text, *arguments, **options):
        result = self.judge(*arguments, **options)
        self.assertFalse(result.passed)
        self.assertIn(text, result.message)

    def test_either_side_passes_and_the_result_says_which(self):
        self.passes(BELOW, turned=False)
        self.passes(ABOVE, turned=True)

    def test_without_the_line_it_fails(self):
        self.fails_with("output y: largest difference 0.00392", ABOVE, tie=None)

    def test_the_evaluator_may_come_out_on_the_other_side_than_the_expected_files(self):
        above = inputs(moved(TIE, 1))
        self.passes(BELOW, turned=False, x=above)
        self.passes(ABOVE, turned=True, x=above)
        self.passes(BELOW, ABOVE, turned=True)

    def test_any_other_answer_fails(self):
        for wrong in ([0, 255, 36, 7], [0, 255, 33, 7], [0, 255, 35, 8], [0, 254, 34, 7]):
            wrong = np.array(wrong, np.float32)
            self.fails_with("with tie quantise[2] rounded the other way: output y: largest", wrong)
        self.fails_with("largest difference", ABOVE + np.float32(0.1))  # 3.9e-4 of 255

    def test_element_that_is_no_tie(self):
        self.fails_with("tie quantise[3] is none: 7.25", ABOVE, tie=("quantise", 3))
        self.fails_with("tie quantise[3] is none", BELOW, tie=("quantise", 3))  # needed or not

    def test_how_close_a_tie_is(self):
        for ulp in (-4, 4):
            self.passes(ABOVE, turned=True, x=inputs(moved(TIE, ulp)))
        for ulp in (-5, 5):
            self.fails_with("5 ulp from 34.5 (at most 4)", ABOVE, x=inputs(moved(TIE, ulp)))

    def test_ties_to_odd_and_of_negative_values(self):
        x = np.array([-100, 155, -35.5, 7], np.float32)
        right, other = np.array([[-100, 155, e, 7] for e in (-36, -35)], np.float32)
        self.passes(other, right, x=x, turned=True)
        self.fails_with("largest difference", x - 1, right, x=x)

    def test_node_and_element_exist(self):
        self.passes(ABOVE, turned=True)
        self.fails_with("no node that quantises has this name", ABOVE, tie=("other", 2))
        self.fails_with("no node that quantises has this name", ABOVE, tie=("back", 2))
        self.fails_with("tie quantise[4]: the tensor has 4 elements", ABOVE, tie=("quantise", 4))
        self.assertTrue(self.judge(ABOVE, tie=("q", 2)).passed)  # by the name of the output

    def test_set_exists(self):
        listed = {"test_data_set_3": ties.Tie("quantise", 2)}
        options = {"inputs": [inputs()], "of_max": 2e-4, "ties": listed}
        result = self.run_model(model_of(dynamic()), BELOW, BELOW, **options)
        self.assertIn("test_data_set_3, which the case does not have", result.message)

    def test_evaluator_that_disagrees_with_the_expected_files(self):
        far = BELOW + np.float32(1)
        self.fails_with("too far from the expected outputs to judge by", far, far)

    def test_evaluator_that_cannot_run_the_model(self):
        self.fails_with("evaluator cannot run the model", BELOW, back="Nothing")

    def test_quantise_linear(self):
        for opset in (13, 21):
            self.passes(ABOVE, turned=True, quantise=given(), opset=opset)
        signed = given(kind=TensorProto.INT16)
        x, right, other = (np.array([-9, 300, e, 7], np.float32) for e in (-2.5, -2, -3))
        self.passes(other, right, x=x, turned=True, quantise=signed, opset=21)

    def test_what_is_not_supported_says_so(self):
        scales = given(scale=(1.0, 1.0, 1.0, 1.0))
        self.fails_with("only integers with one scale", ABOVE, quantise=scales, axis=0)
        x, right = inputs(300.5), np.array([0, 255, 255, 7], np.float32)
        self.fails_with("255 is at the end", right, right, x=x, quantise=given())

    def test_list(self):
        path = self.path("ties.txt")
        test_cases.write(path, "# why\na: 0 /n/Q 7\nb/c: 12 q 0\na: 1 q 3\n")
        self.assertEqual(
            ties.read(path),
            {
                "a": {"test_data_set_0": ties.Tie("/n/Q", 7), "test_data_set_1": ties.Tie("q", 3)},
                "b/c": {"test_data_set_12": ties.Tie("q", 0)},
            },
        )
        for wrong in ("a: 0 q\n", "a 0 q 1\n", "a: 0 q -1\n", "a: 0 q 1\na: 0 p 2\n"):
            test_cases.write(path, wrong)
            with self.assertRaises(SystemExit):
                ties.read(path)


if __name__ == "__main__":
    unittest.main()
