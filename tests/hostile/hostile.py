"""Models that are wrong, each through aicc: no crash, the documented exit code, a message with the
words that matter, nothing left behind. Exit status 77 where onnx is missing.

    hostile.py BUILD-DIR [--only NAME] [--show]"""

import argparse
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time

try:
    import numpy as np
    import onnx
    from onnx import TensorProto as T
    from onnx import helper as h
    from onnx import numpy_helper
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

INVALID, UNSUPPORTED, IO, RESOURCE = 1, 2, 4, 5
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def wrap(tag, payload):
    size, varint = len(payload), b""
    while size > 127:
        varint += bytes([size & 127 | 128])
        size >>= 7
    return bytes([tag]) + varint + bytes([size]) + payload


def value(name, shape, dtype=T.FLOAT):
    return h.make_tensor_value_info(name, dtype, shape)


def model(nodes, inputs=(), outputs=(), initializers=(), opset=17, domain="", **extra):
    graph = h.make_graph(list(nodes), "g", list(inputs), list(outputs), list(initializers))
    opsets = [h.make_opsetid(domain, opset)]
    return h.make_model(graph, opset_imports=opsets, ir_version=8, **extra)


def one_node(node, *inputs, opset=17, initializers=()):
    return model([node], inputs, [value("y", None)], initializers, opset)


def x_relu(**extra):
    return model([h.make_node("Relu", ["x"], ["y"], name="act")], [value("x", [2, 3])],
                 [value("y", [2, 3])], **extra)


def raw_tensor(name, dims, dtype=T.FLOAT, data=b""):
    tensor = onnx.TensorProto(name=name, data_type=dtype, raw_data=data)
    tensor.dims.extend(dims)
    return tensor


def external(location, **entries):
    tensor = onnx.TensorProto(name="w", data_type=T.FLOAT, data_location=T.EXTERNAL)
    tensor.dims.extend([2])
    for key, text in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=str(text))
    return model([h.make_node("Add", ["x", "w"], ["y"])], [value("x", [2])], [value("y", [2])],
                 [tensor])


def with_initializer(tensor):
    return model([h.make_node("Add", ["x", "w"], ["y"], name="add")], [value("x", [2])],
                 [value("y", None)], [tensor])


def nested_model(depth):
    """Ifs in the branches of Ifs, by hand: the Python library refuses to nest as deep."""
    leaf = h.make_graph([h.make_node("Identity", ["x"], ["r"])], "leaf", [], [value("r", None)])
    ends = wrap(0x62, value("r", None).SerializeToString())
    graph = leaf.SerializeToString()
    for _ in range(depth):
        node = h.make_node("If", ["c"], ["r"], name="if", else_branch=leaf).SerializeToString()
        then = wrap(0x0a, b"then_branch") + wrap(0x32, graph) + b"\xa0\x01\x05"
        graph = wrap(0x0a, node + wrap(0x2a, then)) + wrap(0x12, b"level") + ends
    for given in (value("x", [2]), value("c", [], T.BOOL)):
        graph += wrap(0x5a, given.SerializeToString())
    return no_graph().SerializeToString() + wrap(0x3a, graph)


def recursive_function():
    body = [h.make_node("F", ["a"], ["b"], domain="mine")]
    opsets = [h.make_opsetid("mine", 1), h.make_opsetid("", 17)]
    function = h.make_function("mine", "F", ["a"], ["b"], body, opsets)
    graph = h.make_graph([h.make_node("F", ["x"], ["y"], domain="mine")], "g", [value("x", [2])],
                         [value("y", [2])])
    return h.make_model(graph, opset_imports=opsets, functions=[function], ir_version=8)


def no_graph():
    return onnx.ModelProto(ir_version=8, opset_import=[h.make_opsetid("", 17)])


def several_faults():
    nodes = [h.make_node("Frobnicate", ["x"], ["a"], name="first"),
             h.make_node("Relu", ["nowhere"], ["b"], name="second"),
             h.make_node("Relu", ["x"], ["c"], name="third", colour=1),
             h.make_node("Add", ["x", "w"], ["y"], name="fourth")]
    return model(nodes, [value("x", [2, 3]), value("w", [4, 5])],
                 [value("a", None), value("b", None), value("c", None), value("y", None)])


def huge_dims(dims):
    return model([h.make_node("Relu", ["x"], ["y"], name="act")], [value("x", dims)],
                 [value("y", None)])


def attr_of_wrong_type():
    node = h.make_node("Transpose", ["x"], ["y"], name="turn")
    node.attribute.append(h.make_attribute("perm", "sideways"))
    return one_node(node, value("x", [2, 3]))


def loop_with_condition_of_ints():
    body = h.make_graph([h.make_node("Identity", ["c"], ["d"]), h.make_node("Relu", ["a"], ["b"])],
                        "body", [value("i", [], T.INT64), value("c", [], T.BOOL),
                                 value("a", [2])], [value("d", [], T.BOOL), value("b", [2])])
    return one_node(h.make_node("Loop", ["n", "k", "x"], ["y"], name="again", body=body),
                    value("n", [], T.INT64), value("k", [], T.UINT8), value("x", [2]))


def loop_without_body():
    return one_node(h.make_node("Loop", ["n", "", "x"], ["y"], name="again"),
                    value("n", [], T.INT64), value("x", [2]))


def bad(name, what, codes, *words):
    return name, what, codes if isinstance(codes, tuple) else (codes,), words


def node_cases():
    conv = h.make_node("Conv", ["x", "w"], ["y"], name="conv7", strides=[1, 1])
    return [
        bad("unknown operator", one_node(h.make_node("Frobnicate", ["x"], ["y"], name="odd"),
                                         value("x", [2])), UNSUPPORTED, "odd", "Frobnicate", "17"),
        bad("unknown domain", one_node(h.make_node("Relu", ["x"], ["y"], name="odd",
                                                   domain="com.nobody"), value("x", [2])),
            (INVALID, UNSUPPORTED), "odd", "com.nobody"),
        bad("undefined name", one_node(h.make_node("Relu", ["nowhere"], ["y"], name="act"),
                                       value("x", [2])), INVALID, "act", "nowhere"),
        bad("cycle", model([h.make_node("Add", ["x", "b"], ["a"], name="one"),
                            h.make_node("Relu", ["a"], ["b"], name="two")], [value("x", [2])],
                           [value("b", [2])]), INVALID, "cycle"),
        bad("name twice", model([h.make_node("Relu", ["x"], ["y"], name="one"),
                                 h.make_node("Abs", ["x"], ["y"], name="two")],
                                [value("x", [2])], [value("y", [2])]), INVALID, "'y'", "two"),
        bad("output of nothing", model([h.make_node("Relu", ["x"], ["y"])], [value("x", [2])],
                                       [value("z", [2])]), INVALID, "'z'"),
        bad("element types differ", one_node(h.make_node("Add", ["x", "w"], ["y"], name="sum"),
                                             value("x", [2]), value("w", [2], T.INT64)),
            INVALID, "sum", "Add", "f32", "i64"),
        bad("operator on strings", one_node(h.make_node("Relu", ["x"], ["y"], name="act"),
                                            value("x", [2], T.STRING)), (INVALID, UNSUPPORTED),
            "act", "Relu"),
        bad("shapes do not broadcast", one_node(h.make_node("Add", ["x", "w"], ["y"], name="sum"),
                                                value("x", [2, 3]), value("w", [4, 5])),
            INVALID, "sum", "Add", "[2, 3]", "[4, 5]", "17"),
        bad("rank mismatch", one_node(conv, value("x", [1, 3, 8, 8]), value("w", [4, 3, 3])),
            INVALID, "conv7", "Conv"),
        bad("channels differ", one_node(conv, value("x", [1, 3, 8, 8]), value("w", [4, 5, 3, 3])),
            INVALID, "conv7", "Conv", "3", "5"),
        bad("group does not divide", one_node(
            h.make_node("Conv", ["x", "w"], ["y"], name="conv7", group=3),
            value("x", [1, 4, 8, 8]), value("w", [4, 1, 3, 3])), INVALID, "conv7"),
        bad("group 0", one_node(h.make_node("Conv", ["x", "w"], ["y"], name="conv7", group=0),
                                value("x", [1, 4, 8, 8]), value("w", [4, 4, 3, 3])), INVALID,
            "conv7"),
        bad("stride 0", one_node(
            h.make_node("Conv", ["x", "w"], ["y"], name="conv7", strides=[0, 0]),
            value("x", [1, 4, 8, 8]), value("w", [4, 4, 3, 3])), INVALID, "conv7"),
        bad("negative dilation", one_node(
            h.make_node("MaxPool", ["x"], ["y"], name="pool", kernel_shape=[2, 2],
                        dilations=[-1, -1]), value("x", [1, 4, 8, 8])), INVALID, "pool"),
        bad("huge kernel", one_node(
            h.make_node("MaxPool", ["x"], ["y"], name="pool", kernel_shape=[2**62, 2**62]),
            value("x", [1, 4, 8, 8])), (INVALID, UNSUPPORTED, RESOURCE), "pool"),
        bad("huge pads", one_node(
            h.make_node("MaxPool", ["x"], ["y"], name="pool", kernel_shape=[2, 2],
                        pads=[2**62] * 4), value("x", [1, 4, 8, 8])),
            (INVALID, UNSUPPORTED, RESOURCE), "pool"),
        bad("inner dimensions differ", one_node(
            h.make_node("MatMul", ["x", "w"], ["y"], name="product"),
            value("x", [2, 3]), value("w", [4, 5])), INVALID, "product", "MatMul", "3", "4"),
        bad("no permutation", one_node(
            h.make_node("Transpose", ["x"], ["y"], name="turn", perm=[0, 0]), value("x", [2, 3])),
            INVALID, "turn"),
        bad("axis out of range", one_node(
            h.make_node("Softmax", ["x"], ["y"], name="soft", axis=7), value("x", [2, 3])),
            INVALID, "soft"),
        bad("axis of -2^63", one_node(
            h.make_node("Concat", ["x", "x"], ["y"], name="join", axis=-2**63),
            value("x", [2, 3])), INVALID, "join"),
        bad("attribute of wrong type", attr_of_wrong_type(), INVALID, "turn", "perm"),
        bad("unknown attribute", one_node(h.make_node("Relu", ["x"], ["y"], name="act", colour=1),
                                          value("x", [2])), (INVALID, UNSUPPORTED), "act",
            "colour"),
        bad("too few inputs", one_node(h.make_node("Add", ["x"], ["y"], name="sum"),
                                       value("x", [2])), INVALID, "sum"),
        bad("too many inputs", one_node(h.make_node("Relu", ["x", "x"], ["y"], name="act"),
                                        value("x", [2])), INVALID, "act"),
        bad("required input left out", one_node(h.make_node("Add", ["", "x"], ["y"], name="sum"),
                                                value("x", [2])), INVALID, "sum"),
        bad("reshape to another count", one_node(
            h.make_node("Reshape", ["x", "s"], ["y"], name="view"), value("x", [2, 3]),
            initializers=[numpy_helper.from_array(np.array([4, 4]), "s")]), INVALID, "view"),
        bad("reshape with two -1", one_node(
            h.make_node("Reshape", ["x", "s"], ["y"], name="view"), value("x", [2, 3]),
            initializers=[numpy_helper.from_array(np.array([-1, -1]), "s")]), INVALID, "view"),
        bad("gather beyond the end", one_node(
            h.make_node("Gather", ["w", "s"], ["y"], name="pick"), value("x", [2, 3]),
            initializers=[numpy_helper.from_array(np.array([7]), "s"),
                          numpy_helper.from_array(np.ones(3, np.float32), "w")]), (0, INVALID)),
        bad("constant of huge size", one_node(
            h.make_node("ConstantOfShape", ["s"], ["y"], name="fill"), value("x", [2]),
            initializers=[numpy_helper.from_array(np.array([2**40, 2**40]), "s")]),
            (INVALID, UNSUPPORTED, RESOURCE)),
        bad("range without end", one_node(
            h.make_node("Range", ["a", "b", "d"], ["y"], name="count"), value("x", [2]),
            initializers=[numpy_helper.from_array(np.array(v), n)
                          for n, v in (("a", 0), ("b", 5), ("d", 0))]), INVALID, "count"),
        bad("expand to negative", one_node(
            h.make_node("Expand", ["x", "s"], ["y"], name="grow"), value("x", [2, 3]),
            initializers=[numpy_helper.from_array(np.array([-5, 3]), "s")]), INVALID, "grow"),
        bad("tile by negative", one_node(
            h.make_node("Tile", ["x", "s"], ["y"], name="tile"), value("x", [2, 3]),
            initializers=[numpy_helper.from_array(np.array([-5, 3]), "s")]), INVALID, "tile"),
        bad("split that does not add up", model(
            [h.make_node("Split", ["x", "s"], ["y", "z"], name="cut", axis=1)],
            [value("x", [2, 3])], [value("y", None), value("z", None)],
            [numpy_helper.from_array(np.array([2, 2]), "s")]), INVALID, "cut"),
        bad("top more than there are", model(
            [h.make_node("TopK", ["x", "k"], ["y", "z"], name="best")], [value("x", [2, 3])],
            [value("y", None), value("z", None)],
            [numpy_helper.from_array(np.array([9]), "k")]), INVALID, "best"),
        bad("loop without body", loop_without_body(), INVALID, "again"),
        bad("loop with a condition of integers", loop_with_condition_of_ints(), INVALID, "again"),
        bad("einsum of nonsense", one_node(
            h.make_node("Einsum", ["x"], ["y"], name="sum", equation="ij->->k"),
            value("x", [2, 3])), INVALID, "sum"),
        bad("resize without sizes", one_node(
            h.make_node("Resize", ["x"], ["y"], name="scale"), value("x", [1, 1, 2, 3])), INVALID,
            "scale"),
        bad("resize by nan", one_node(
            h.make_node("Resize", ["x", "", "s"], ["y"], name="scale"), value("x", [1, 1, 2, 3]),
            initializers=[numpy_helper.from_array(
                np.array([1, 1, np.nan, np.inf], np.float32), "s")]), INVALID, "scale"),
        bad("lstm of wrong weights", one_node(
            h.make_node("LSTM", ["x", "w", "r"], ["y"], name="memory", hidden_size=4),
            value("x", [5, 1, 3]), value("w", [1, 9, 3]), value("r", [1, 16, 4])),
            (INVALID, UNSUPPORTED), "memory"),
        bad("several faults at once", several_faults(), (INVALID, UNSUPPORTED), "first", "second",
            "nowhere", "third", "colour", "fourth", "[2, 3]", "[4, 5]"),
    ]


def model_cases():
    return [
        bad("opset 0", x_relu(opset=0), (INVALID, UNSUPPORTED), "opset"),
        bad("opset -1", x_relu(opset=-1), (INVALID, UNSUPPORTED), "opset"),
        bad("opset -2^63", x_relu(opset=-2**63), (INVALID, UNSUPPORTED), "opset"),
        bad("no opset", model_without_opset(), (INVALID, UNSUPPORTED), "act"),
        bad("no graph", no_graph(), INVALID, "graph"),
        bad("negative dimension", huge_dims([-3, 2]), INVALID, "'x'"),
        bad("dimension of 2^63 - 1", huge_dims([2**63 - 1, 2**63 - 1]),
            (INVALID, UNSUPPORTED, RESOURCE)),
        bad("product of 2^64", huge_dims([2**32, 2**32]), (INVALID, UNSUPPORTED, RESOURCE)),
        bad("rank 13", huge_dims([1] * 13), (INVALID, UNSUPPORTED), "12"),
        bad("input twice", model([h.make_node("Relu", ["x"], ["y"])],
                                 [value("x", [2]), value("x", [3])], [value("y", None)]), INVALID,
            "'x'"),
        bad("input without type", untyped_input(), (INVALID, UNSUPPORTED), "'x'"),
        bad("input of unknown type", model([h.make_node("Relu", ["x"], ["y"])],
                                           [value("x", [2], 77)], [value("y", None)]),
            (INVALID, UNSUPPORTED), "77"),
        bad("initialiser twice", model(
            [h.make_node("Add", ["x", "w"], ["y"])], [value("x", [2])], [value("y", None)],
            [raw_tensor("w", [2], data=b"\0" * 8), raw_tensor("w", [2], data=b"\0" * 8)]), INVALID,
            "'w'"),
        bad("initialiser too short", with_initializer(raw_tensor("w", [2], data=b"\0" * 5)),
            INVALID, "'w'", "[2]"),
        bad("initialiser of negative shape", with_initializer(raw_tensor("w", [-2])), INVALID,
            "'w'", "-2"),
        bad("initialiser of 2^63 elements", with_initializer(raw_tensor("w", [2**62, 2])), INVALID,
            "'w'"),
        bad("initialiser of unknown type", with_initializer(raw_tensor("w", [2], 99, b"\0" * 8)),
            (INVALID, UNSUPPORTED), "'w'"),
        bad("initialiser without type", with_initializer(raw_tensor("w", [2], 0, b"\0" * 8)),
            (INVALID, UNSUPPORTED), "'w'"),
        bad("nested 70 deep", nested_model(70), (INVALID, UNSUPPORTED, RESOURCE),
            "deep"),
        bad("nested 5000 deep", nested_model(5000), (INVALID, UNSUPPORTED, RESOURCE), "deep"),
        bad("function that calls itself", recursive_function(), (INVALID, UNSUPPORTED), "F"),
        bad("external file missing", external("nothing.bin"), (INVALID, IO), "nothing.bin", "'w'"),
        bad("external path up", external("../../etc/passwd"), INVALID, "'w'", "etc/passwd"),
        bad("external path absolute", external("/etc/passwd"), INVALID, "'w'", "/etc/passwd"),
        bad("external path of a device", external("."), (INVALID, IO), "'w'"),
        bad("external past the end", external("short.bin", offset=4, length=8), INVALID, "'w'",
            "short.bin"),
        bad("external offset no number", external("short.bin", offset="many"), INVALID, "'w'",
            "many"),
        bad("external offset negative", external("short.bin", offset=-4), INVALID, "'w'"),
        bad("external without location", external(""), INVALID, "'w'"),
        bad("laid out for one machine",
            model([h.make_node("Conv", ["x", "w"], ["y"], name="c", domain="com.microsoft.nchwc")],
                  [value("x", [1, 8, 4, 4]), value("w", [8, 8, 1, 1])], [value("y", None)],
                  domain="com.microsoft.nchwc", opset=1), UNSUPPORTED, "c", "ORT_ENABLE_EXTENDED"),
        bad("external link out", external("link.bin"), INVALID, "'w'", "link.bin"),
    ]


def model_without_opset():
    made = x_relu()
    del made.opset_import[:]
    return made


def untyped_input():
    made = x_relu()
    made.graph.input[0].ClearField("type")
    return made


def byte_cases():
    whole = x_relu().SerializeToString()
    deep = b""
    for _ in range(20000):  # a graph in an attribute of a node in a graph ..., by hand
        deep = wrap(0x0a, wrap(0x2a, wrap(0x32, deep)))
    return [
        bad("empty file", b"", INVALID),
        bad("text", b"hello, world\n" * 10, INVALID),
        bad("picture", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), INVALID),
        bad("shared object", open(sys.executable, "rb").read(4096), INVALID),
        bad("zeroes", b"\0" * 1000, INVALID),
        bad("half a model", whole[:len(whole) // 2], INVALID),
        bad("model and rubbish", whole + b"\xff\xff\xff\xff", INVALID),
        bad("length past the end", b"\x3a\xff\xff\xff\xff\x7f", INVALID),
        bad("nested without end", wrap(0x3a, deep), (INVALID, RESOURCE)),
        bad("saved tensor", numpy_helper.from_array(np.ones(3, np.float32)).SerializeToString(),
            INVALID),
    ]


# --- running ---------------------------------------------------------------------------------------


class Checker:
    def __init__(self, build, show):
        self.aicc = os.path.join(build, "bin/aicc")
        self.show, self.failures, self.count = show, [], 0

    def run(self, args, cwd, limit=None, env=None):
        def set_limits():
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            if limit is not None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        done = subprocess.run([self.aicc, "-q", *args], cwd=cwd, capture_output=True, timeout=120,
                              preexec_fn=set_limits, env=env)
        return done.returncode, done.stderr.decode(errors="replace")

    def expect(self, name, result, codes, words, folder, before):
        code, text = result
        self.count += 1
        faults = []
        if code not in codes:
            faults.append(f"exit code {code}, expected {' or '.join(map(str, codes))}")
        faults += [f"the message lacks {word!r}" for word in words if word not in text]
        if code and "error" not in text and "aicc: " not in text:
            faults.append("no error is printed")
        if "Sanitizer" in text or "runtime error" in text:
            faults.append("a sanitizer complains")
        left = sorted(set(os.listdir(folder)) - before)
        if left and code:
            faults.append(f"left behind: {left}")
        if self.show or faults:
            print(f"--- {name}: {'; '.join(faults) or code}\n{text.rstrip()[:1500]}")
        if faults:
            self.failures.append(name)

    def model(self, folder, name, what, codes, words):
        data = what if isinstance(what, bytes) else what.SerializeToString()
        path = os.path.join(folder, "model.onnx")
        with open(path, "wb") as file:
            file.write(data)
        before = set(os.listdir(folder))
        self.expect(name, self.run([path, "-o", os.path.join(folder, "out.so")], folder), codes,
                    words, folder, before)


def prepare(folder):
    inside = os.path.join(folder, "in")
    os.makedirs(inside)
    with open(os.path.join(inside, "short.bin"), "wb") as file:
        file.write(b"\0" * 8)
    with open(os.path.join(folder, "outside.bin"), "wb") as file:
        file.write(b"\0" * 8)
    os.symlink("../outside.bin", os.path.join(inside, "link.bin"))
    return inside


def place_cases(check, folder):
    """Where the output goes: folders that are none, disks that are full, no linker."""
    path = os.path.join(folder, "model.onnx")
    big = np.random.default_rng(1).random((256, 256)).astype(np.float32)
    good = model([h.make_node("MatMul", ["x", "w"], ["y"])], [value("x", [2, 256])],
                 [value("y", [2, 256])], [numpy_helper.from_array(big, "w")])
    with open(path, "wb") as file:
        file.write(good.SerializeToString())
    os.makedirs(os.path.join(folder, "folder.so"))
    before = set(os.listdir(folder))

    def case(name, args, codes, *words, **extra):
        if not set(os.listdir(folder)) - before:
            check.expect(name, check.run(args, folder, **extra), codes, words, folder, before)

    case("no such model", ["nothing.onnx"], (IO, INVALID), "nothing.onnx")
    case("model is a folder", ["folder.so"], (IO, INVALID), "folder.so")
    case("no such folder", [path, "-o", "nowhere/out.so"], (IO,), "nowhere/out.so")
    case("output is a folder", [path, "-o", "folder.so"], (IO,), "folder.so")
    case("output under a file", [path, "-o", path + "/out.so"], (IO,), "out.so")
    case("no linker", [path, "-o", "out.so"], (IO,), "lld",
         env={**os.environ, "AICC_LLD": "/nonexistent/ld.lld"})
    case("disk full", [path, "-o", "out.so"], (IO,), "out.so", limit=100_000)
    case("disk full at once", [path, "-o", "out.so"], (IO,), limit=0)
    case("unknown dimension", [path, "-o", "out.so", "--dim", "batch=3"], (INVALID,), "batch")
    case("unknown input", [path, "-o", "out.so", "--shapes", "z:2x2"], (INVALID,), "z")
    case("shape of another rank", [path, "-o", "out.so", "--shapes", "x:2"], (INVALID,), "x")
    case("unknown target", [path, "-o", "out.so", "--target", "vax"], (INVALID,), "vax")
    interrupted(check, folder, path, before)
    code, text = check.run([path, "-o", "out.so"], folder)
    if code != 0:
        check.failures.append(f"the good model: exit code {code}: {text}")


def interrupted(check, folder, path, before):
    """Stopped by Ctrl-C at various moments: no temporary file, no model, no worker stays."""
    for delay in (0.02, 0.05, 0.1, 0.15, 0.2, 0.3):
        for stop in (signal.SIGINT, signal.SIGTERM):
            child = subprocess.Popen([check.aicc, "-q", path, "-o", "out.so", "-j", "2"], cwd=folder,
                                     stderr=subprocess.PIPE, start_new_session=True)
            time.sleep(delay)
            os.killpg(child.pid, stop)
            text = child.communicate(timeout=60)[1].decode()
            left = set(os.listdir(folder)) - before
            if left == {"out.so"}:  # it was done before: renamed into place, so whole
                os.unlink(os.path.join(folder, "out.so"))
                continue
            check.count += 1
            if left or child.returncode == 0:
                check.failures.append(f"interrupted after {delay} s")
                print(f"--- interrupted after {delay} s: code {child.returncode}, left {left}\n{text}")
                for name in left:
                    os.unlink(os.path.join(folder, name))


def newer_opset(check, folder):
    """An opset newer than aicc knows is a warning, not an error, where the operators are known."""
    path = os.path.join(folder, "model.onnx")
    with open(path, "wb") as file:
        file.write(x_relu(opset=999).SerializeToString())
    code, text = check.run([path, "-o", "out.so"], folder)
    check.count += 1
    if code not in (0, INVALID, UNSUPPORTED) or "999" not in text:
        check.failures.append("opset 999")
        print(f"--- opset 999: {code}\n{text}")


def branch_that_does_not_fit(check, folder):
    """A branch that fails at sizes which options fix must not run, which the run checks; it is an
    error where the model says so itself."""
    then = h.make_graph([h.make_node("Add", ["x", "w"], ["a"], name="sum")], "then", [],
                        [value("a", None)], [raw_tensor("w", [3], data=b"\0" * 12)])
    other = h.make_graph([h.make_node("Neg", ["x"], ["b"])], "else", [], [value("b", None)])
    node = h.make_node("If", ["k"], ["y"], name="choice", then_branch=then, else_branch=other)
    path, runner = os.path.join(folder, "model.onnx"), check.aicc + "-run"
    library = os.path.join(folder, "out.so")
    for size, options, expected in ((4, [], INVALID), ("m", ["--shapes", "x:2x4"], 0),
                                    ("m", ["--dim", "m=4"], 0)):
        with open(path, "wb") as file:
            file.write(one_node(node, value("x", [2, size]), value("k", [], T.BOOL))
                       .SerializeToString())
        code, text = check.run([path, "-o", library, *options], folder)
        runs = [subprocess.run([runner, library, "-i", "x=2x4xf32=1", "-i", f"k=bool={k}"],
                               capture_output=True, text=True, check=False)
                for k in (0, 1) if code == 0]
        check.count += 1
        good = code == expected and "sum" in text
        if runs:
            good = good and "choice" in text and runs[0].returncode == 0
            good = good and runs[1].returncode == INVALID
            good = good and "choice" in runs[1].stderr and "then" in runs[1].stderr
        if not good:
            check.failures.append(f"branch that does not fit, {options}")
            print(f"--- {code}\n{text}", *runs, sep="\n")


def category_that_is_none(check, folder):
    """OneHotEncoder with zeros = 0 answers for its categories alone: a run with others fails."""
    node = h.make_node("OneHotEncoder", ["x"], ["y"], name="encode", domain="ai.onnx.ml",
                       cats_int64s=[3, 5], zeros=0)
    path, library = os.path.join(folder, "model.onnx"), os.path.join(folder, "out.so")
    with open(path, "wb") as file:
        file.write(model([node], [value("x", ["n"], T.INT64)], [value("y", None)],
                         domain="ai.onnx.ml", opset=2).SerializeToString())
    code, text = check.run([path, "-o", library], folder)
    runs = [subprocess.run([check.aicc + "-run", library, "-i", f"x={x}"], capture_output=True,
                           text=True, check=False)
            for x in ("2xi64=5,3", "3xi64=5,4,3", "0xi64=") if code == 0]
    check.count += 1
    if [r.returncode for r in runs] != [0, INVALID, 0] or "encode" not in runs[1].stderr:
        check.failures.append("category that is none")
        print(f"--- {code}\n{text}", *runs, sep="\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--only", default="")
    parser.add_argument("--show", action="store_true")
    args = parser.parse_args()
    check = Checker(os.path.abspath(args.build), args.show)
    with tempfile.TemporaryDirectory() as top:
        folder = prepare(top)
        for name, what, codes, words in byte_cases() + model_cases() + node_cases():
            if args.only in name:
                check.model(folder, name, what, codes, words)
        if not args.only:
            newer_opset(check, folder)
            branch_that_does_not_fit(check, folder)
            category_that_is_none(check, folder)
    with tempfile.TemporaryDirectory() as folder:
        if not args.only or args.only == "places":
            place_cases(check, folder)
    print(f"{check.count} cases, {len(check.failures)} failed: {', '.join(check.failures) or '-'}")
    return 1 if check.failures else 0


sys.exit(main())
