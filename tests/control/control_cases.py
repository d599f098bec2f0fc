"""Models with loops, branches, sequences and recurrent layers beyond what the official cases have.

CASES maps a name to a function of a seeded generator that gives (model, inputs, outputs), outputs as
the ONNX reference evaluator or NumPy says. Inputs have symbolic dimensions.
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

CASES = {}


def f32(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def graph(name, text, expect=None, **make):
    """A model from text; |make| gives each input: a shape, or a number for an integer. |expect| stands
    in for the reference evaluator where that has no such thing."""
    def case(rng):
        model = onnx.parser.parse_model('<ir_version: 8, opset_import: ["" : 17]>\n' + text)
        inputs = {key: f32(rng, *value) if isinstance(value, tuple) else np.array(value)
                  for key, value in make.items()}
        outputs = expect(**inputs) if expect else ReferenceEvaluator(model).run(None, inputs)
        return model, inputs, outputs
    CASES[name] = case


# A state that grows, and what it was collected.
graph("grow", """g (float[b,4] x, int64 n) => (float[b,k] y, float[m,b] s) {
  c = Constant<value=bool {1}>()
  y, s = Loop(n, c, x) <body = l (int64 i, bool ci, float[b,q] a)
      => (bool co, float[b,r] a2, float[b] z) {
    co = Identity(ci) last = Constant<value_ints=[-1]>() z = ReduceSum<keepdims=0>(a, last)
    z1 = Unsqueeze(z, last) a2 = Concat<axis=1>(a, z1) }> }""", x=(3, 4), n=3)

# Keys and values that grow alike, as in a decoder.
graph("cache", """g (float[1,4] q0, float[p,4] k, float[p,4] v, int64 n)
    => (float[1,4] q, float[m,4] kk, float[m,4] vv) {
  c = Constant<value=bool {1}>()
  q, kk, vv = Loop(n, c, q0, k, v) <body = l (int64 i, bool ci, float[1,4] a, float[s,4] k1,
      float[s,4] v1) => (bool co, float[1,4] a2, float[t,4] k2, float[t,4] v2) {
    co = Identity(ci) k2 = Concat<axis=0>(k1, a) vn = Tanh(a) v2 = Concat<axis=0>(v1, vn)
    kt = Transpose(k2) scores = MatMul(a, kt) w = Softmax(scores) o = MatMul(w, v2)
    a2 = Add(a, o) }> }""", q0=(1, 4), k=(2, 4), v=(2, 4), n=4)

# States of different sizes that change places.
graph("swap", """g (float[n] x, float[m] y, int64 k) => (float[p] a, float[q] b) {
  c = Constant<value=bool {1}>()
  a, b = Loop(k, c, x, y) <body = l (int64 i, bool ci, float[p] p, float[q] q)
      => (bool co, float[q] r, float[p] s) { co = Identity(ci) r = Relu(q) s = Sigmoid(p) }> }""",
      x=(4,), y=(7,), k=3)

graph("while_if", """g (float[n] x) => (float[n] y, int64 steps) {
  c = Constant<value=bool {1}>() z = Constant<value=int64 {0}>()
  y, steps = Loop("", c, x, z) <body = l (int64 i, bool ci, float[n] a, int64 k)
      => (bool co, float[n] a2, int64 k2) {
    one = Constant<value=int64 {1}>() k2 = Add(k, one) m = ReduceMax<keepdims=0>(a)
    limit = Constant<value=float {4.0}>() big = Greater(m, limit)
    a2 = If(big) <then_branch = t () => (float[n] r) { h = Constant<value=float {0.5}>()
                    r = Mul(a, h) },
                  else_branch = e () => (float[n] r2) { w = Constant<value=float {0.7}>()
                    r2 = Add(a, w) }>
    most = Constant<value=int64 {9}>() co = Less(k2, most) }> }""", x=(5,))

graph("nested", """g (float[a,b] x) => (float[a,b] y) {
  sh = Shape(x) i0 = Constant<value=int64 {0}>() i1 = Constant<value=int64 {1}>()
  na = Gather(sh, i0) nb = Gather(sh, i1) c = Constant<value=bool {1}>()
  y = Loop(na, c) <body = o (int64 i, bool ci) => (bool co, float[b] row) {
    co = Identity(ci) r = Gather<axis=0>(x, i) z = Constant<value=float {0.0}>()
    acc, row = Loop(nb, ci, z) <body = p (int64 j, bool cj, float s)
        => (bool cjo, float s2, float e) {
      cjo = Identity(cj) e0 = Gather<axis=0>(r, j) s2 = Add(s, e0) e = Identity(s2) }> }> }""",
      expect=lambda x: [np.cumsum(x, axis=1)], x=(3, 5))

# Rows from one place of a list to the next, as PyTorch writes EmbeddingBag: the bounds are slices of the
# list, whose lengths nothing states.
graph("bags", """g (float[n,3] x, int64[k] offsets) => (float[b,3] y) {
  c = Constant<value=bool {1}>() one = Constant<value_ints=[1]>() zero = Constant<value_ints=[0]>()
  sz = Size(offsets) i1 = Constant<value=int64 {1}>() bags = Sub(sz, i1) s = SequenceEmpty()
  seq = Loop(bags, c, s) <body = l (int64 i, bool ci, seq(float[1,3]) s0)
      => (bool co, seq(float[1,3]) s1) {
    co = Identity(ci) at = Reshape(i, one) next = Add(at, one) last = Add(next, one)
    from = Slice(offsets, at, next) to = Slice(offsets, next, last) rows = Slice(x, from, to)
    sum = ReduceSum<keepdims=1>(rows, zero) s1 = SequenceInsert(s0, sum) }>
  y = ConcatFromSequence<axis=0>(seq) }""",
      expect=lambda x, offsets: [np.stack([x[a:b].sum(axis=0)
                                           for a, b in zip(offsets[:-1], offsets[1:])])],
      x=(7, 3), offsets=[0, 2, 3, 7])

# Starts and ends for as many dimensions as data says, the ends of a length that is known.
graph("slice_open", """g (float[n,m] x, int64 k) => (float[a,b] y) {
  z = Constant<value_ints=[0]>() one = Constant<value_ints=[1]>() s = Constant<value_ints=[1,2]>()
  count = Reshape(k, one) from = Slice(s, z, count) to = Constant<value_ints=[3]>()
  y = Slice(x, from, to) }""", expect=lambda x, k: [x[1:3]], x=(4, 5), k=1)

# Branches that yield different ranks, chosen by data: what comes behind is there for both.
RANKS = """g (float[n,m] x, int64 k) => (float[a,b] y, float z) {
  two = Constant<value=int64 {2}>() big = Greater(k, two)
  r = If(big) <then_branch = t () => (float[m] p) { i0 = Constant<value=int64 {0}>()
                p = Gather<axis=0>(x, i0) },
              else_branch = e () => (float[n,m] q) { q = Tanh(x) }>
  s = Add(x, r) y = Relu(s) z = ReduceSum<keepdims=0>(r) }"""
graph("ranks_then", RANKS, x=(3, 4), k=3)
graph("ranks_else", RANKS, x=(3, 4), k=2)

# The same inside a branch that is known, and two of them, one behind the other.
RANKS_TWICE = """g (float[n,m] x, int64 k) => (float[a,b] y) {
  yes = Constant<value=bool {1}>()
  r = If(yes) <then_branch = t () => (float[m] p) {
        two = Constant<value=int64 {2}>() big = Greater(k, two)
        v = If(big) <then_branch = tt () => (float s) { s = Constant<value=float {0.5}>() },
                     else_branch = te () => (float[n,m] q) { q = Tanh(x) }>
        p = Neg(v) },
      else_branch = e () => (float[n,m] o) { o = Identity(x) }>
  four = Constant<value=int64 {4}>() less = Less(k, four)
  u = If(less) <then_branch = t2 () => (float f) { f = ReduceMax<keepdims=0>(r) },
                else_branch = e2 () => (float[n,m] h) { h = Add(x, r) }>
  y = Mul(x, u) }"""
for value in (1, 3, 5):
    graph(f"ranks_twice_{value}", RANKS_TWICE, x=(3, 4), k=value)

# What comes behind fits one of the ranks alone: the other one fails when it is met.
graph("rank_fits", """g (float[n,m] x, int64 k) => (float[m,n] y) {
  two = Constant<value=int64 {2}>() big = Greater(k, two)
  r = If(big) <then_branch = t () => (float[m] p) { i0 = Constant<value=int64 {0}>()
                p = Gather<axis=0>(x, i0) },
              else_branch = e () => (float[n,m] q) { q = Tanh(x) }>
  y = Transpose<perm=[1,0]>(r) }""", expect=lambda x, k: [np.tanh(x).T], x=(3, 4), k=2)

# Optional tensors that a run makes, asks and empties; the output is one, too.
for value in (1, 3):
    graph(f"optional_{value}", """g (float[n] x, int64 k) => (optional(float[m]) o, bool has, float[p] y) {
  two = Constant<value=int64 {2}>() big = Greater(k, two)
  o = If(big) <then_branch = t () => (optional(float[a]) ot) {
        d = Concat<axis=0>(x, x) ot = Optional(d) },
      else_branch = e () => (optional(float[b]) oe) { h = Tanh(x) oe = Optional(h) }>
  q = If(big) <then_branch = t2 () => (optional(float[c]) qt) {
        qt = Optional<type = float[c]>() },
      else_branch = e2 () => (optional(float[f]) qe) { qe = Optional(x) }>
  has = OptionalHasElement(q) y = OptionalGetElement(o) }""",
          expect=lambda x, k: [np.concatenate([x, x]) if k > 2 else np.tanh(x), np.array(k <= 2),
                               np.concatenate([x, x]) if k > 2 else np.tanh(x)], x=(3,), k=value)

def scan_backward(x, h):
    items = []
    for t in reversed(range(x.shape[1])):
        h = np.tanh(h * x[:, t])
        items.insert(0, h + x[:, t])
    return h, np.stack(items, axis=2)


graph("scan_backward", """g (float[2,t,3] x, float[2,3] h) => (float[2,3] hn, float[2,3,t] ys) {
  hn, ys = Scan<num_scan_inputs=1, scan_input_axes=[1], scan_input_directions=[1],
      scan_output_axes=[2], scan_output_directions=[1],
      body = l (float[2,3] s, float[2,3] e) => (float[2,3] s2, float[2,3] o) {
        q = Mul(s, e) s2 = Tanh(q) o = Add(s2, e) }>(h, x) }""", expect=scan_backward, x=(2, 6, 3), h=(2, 3))

for taken in (0, 1):
    graph(f"branch_sizes_{taken}", """g (float[n,4] x, int64 c) => (float[m,4] y, float[m,4] z) {
      zero = Constant<value=int64 {0}>() b = Greater(c, zero)
      y0 = If(b) <then_branch = t () => (float[p,4] r) { r = Concat<axis=0>(x, x) },
                  else_branch = e () => (float[q,4] r2) { s = Constant<value_ints=[0]>()
                    l = Constant<value_ints=[2]>() r2 = Slice(x, s, l, s) }>
      y = Relu(y0) z = Add(y, y0) }""", x=(5, 4), c=taken)

graph("sequence", """g (float[n,4] x, int64 k, int64 at) => (float[r,4] y, float[q,4] z, int64 len) {
  c = Constant<value=bool {1}>() s0 = SequenceEmpty()
  s = Loop(k, c, s0) <body = l (int64 i, bool ci, seq(float[a,4]) s1)
      => (bool co, seq(float[a,4]) s2) {
    co = Identity(ci) m1 = Constant<value_ints=[-1]>() one = Constant<value=int64 {1}>()
    i2 = Add(i, one) e = Reshape(i2, m1) b0 = Constant<value_ints=[0]>()
    p = Slice(x, b0, e, b0) s2 = SequenceInsert(s1, p) }>
  y = ConcatFromSequence<axis=0>(s) z = SequenceAt(s, at) len = SequenceLength(s) }""",
      x=(6, 4), k=4, at=2)


# --- recurrent layers ---------------------------------------------------------------------------------

def sigmoid(x):
    return 1 / (1 + np.exp(-x))


FUNCTIONS = {
    "Sigmoid": sigmoid,
    "Tanh": np.tanh,
    "HardSigmoid": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "LeakyRelu": lambda x: np.where(x >= 0, x, 0.01 * x),
    "Softsign": lambda x: x / (1 + np.abs(x)),
}


def step(kind, x, h, c, r, r_bias, peep, names, clip, options):
    """One step: x is the input's part of the gates with its biases."""
    f, g, last = (FUNCTIONS[name] for name in names)
    cut = (lambda v: np.clip(v, -clip, clip)) if clip else (lambda v: v)
    if kind == "RNN":
        return f(cut(x + h @ r.T + r_bias)), c
    parts = np.split(r, {"GRU": 3, "LSTM": 4}[kind])
    biases = np.split(r_bias, len(parts))
    xs = np.split(x, len(parts), axis=-1)
    if kind == "GRU":
        z, reset = (f(cut(xs[i] + h @ parts[i].T + biases[i])) for i in (0, 1))
        if options.get("linear_before_reset"):
            inner = reset * (h @ parts[2].T + biases[2])
        else:
            inner = (reset * h) @ parts[2].T + biases[2]
        return (1 - z) * g(cut(xs[2] + inner)) + z * h, c
    i, o, forget, fresh = (xs[k] + h @ parts[k].T + biases[k] for k in range(4))
    i = f(cut(i + peep[0] * c))
    forget = 1 - i if options.get("input_forget") else f(cut(forget + peep[2] * c))
    c = forget * c + i * g(cut(fresh))
    return f(cut(o + peep[1] * c)) * last(c), c


def run_direction(kind, backward, x, w, r, b, lengths, h, c, peep, names, clip, options):
    half = b.shape[0] // 2
    y = np.zeros((x.shape[0], x.shape[1], h.shape[1]), np.float64)
    for t in range(x.shape[0] - 1, -1, -1) if backward else range(x.shape[0]):
        next_h, next_c = step(kind, x[t] @ w.T + b[:half], h, c, r, b[half:], peep, names, clip,
                              options)
        within = (t < lengths)[:, None]
        y[t] = np.where(within, next_h, 0)
        h, c = np.where(within, next_h, h), np.where(within, next_c, c)
    return y, h, c


def recurrent(kind, direction, lens=False, peepholes=False, activations=None, clip=0.0, layout=0,
              **options):
    """A layer with all its operands, and what NumPy says of it, in f64."""
    def case(rng):
        both = direction == "bidirectional"
        gates, count = {"RNN": 1, "GRU": 3, "LSTM": 4}[kind], 1 + both
        steps, batch, inner, size = 5, 3, 4, 6
        x = f32(rng, steps, batch, inner)
        weights = {"w": f32(rng, count, gates * size, inner) / 2,
                   "r": f32(rng, count, gates * size, size) / 2,
                   "b": f32(rng, count, 2 * gates * size)}
        h, c = f32(rng, count, batch, size), f32(rng, count, batch, size)
        peep = f32(rng, count, 3 * size) if peepholes else np.zeros((count, 3 * size), np.float32)
        lengths = np.array([5, 2, 3], np.int32) if lens else np.full(3, steps, np.int32)
        names = activations or {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"],
                                "LSTM": ["Sigmoid", "Tanh", "Tanh"]}[kind]
        runs = [run_direction(kind, direction == "reverse" or d == 1, x.astype(np.float64),
                              weights["w"][d], weights["r"][d], weights["b"][d], lengths, h[d],
                              c[d], np.split(peep[d], 3), (names * 3)[:3] if len(names) == 1 else
                              (names + ["Tanh"])[:3], clip, options) for d in range(count)]
        outputs = [np.stack([run[0] for run in runs], 1), np.stack([run[1] for run in runs]),
                   np.stack([run[2] for run in runs])][:3 if kind == "LSTM" else 2]
        inputs = {"x": x, "h": h}
        operands = ["x", "w", "r", "b", "", "h"]
        if lens:
            inputs["l"], operands[4] = lengths, "l"
        if kind == "LSTM":
            inputs["c"] = c
            operands += ["c"] + ["p"] * peepholes
            weights.update({"p": peep} if peepholes else {})
        if layout:
            for name in inputs.keys() - {"l"}:
                inputs[name] = inputs[name].transpose(1, 0, 2)
            outputs = [outputs[0].transpose(2, 0, 1, 3)] + [o.transpose(1, 0, 2)
                                                            for o in outputs[1:]]
        attributes = dict(options, hidden_size=size, direction=direction, layout=layout)
        attributes.update({"clip": clip} if clip else {})
        attributes.update({"activations": activations * count} if activations else {})
        results = [f"y{i}" for i in range(len(outputs))]
        node = helper.make_node(kind, operands, results, **attributes)
        infos = [helper.make_tensor_value_info(
            k, helper.np_dtype_to_tensor_dtype(v.dtype),
            [f"{k}{i}" if k != "h" and k != "c" and i < 2 else d for i, d in enumerate(v.shape)])
            for k, v in inputs.items()]
        outs = [helper.make_tensor_value_info(r, onnx.TensorProto.FLOAT, None) for r in results]
        body = helper.make_graph([node], "layer", infos, outs,
                                 [numpy_helper.from_array(v, k) for k, v in weights.items()])
        model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        return model, inputs, [o.astype(np.float32) for o in outputs]
    return case


for kind in ("RNN", "GRU", "LSTM"):
    few = {"RNN": ["Softsign"], "GRU": ["HardSigmoid", "LeakyRelu"],
           "LSTM": ["HardSigmoid", "LeakyRelu", "Softsign"]}[kind]
    for way in ("forward", "reverse", "bidirectional"):
        CASES[f"{kind}_{way}_lengths"] = recurrent(kind, way, lens=True)
        CASES[f"{kind}_{way}_clip"] = recurrent(kind, way, clip=0.4)
        CASES[f"{kind}_{way}_activations"] = recurrent(kind, way, activations=few)
        CASES[f"{kind}_{way}_layout"] = recurrent(kind, way, layout=1)
for way in ("reverse", "bidirectional"):
    CASES[f"GRU_{way}_before_reset"] = recurrent("GRU", way, lens=True, linear_before_reset=1)
    CASES[f"LSTM_{way}_peepholes"] = recurrent("LSTM", way, peepholes=True)
    CASES[f"LSTM_{way}_input_forget"] = recurrent("LSTM", way, input_forget=1)
