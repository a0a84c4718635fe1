"""Outputs and gradients of single operators, by PyTorch in f64.

Writes rules_golden.json beside itself: per row one ONNX node, its operands, its results, the weights w in
loss = sum(w * result), and the gradient of the loss for every float operand that is not constant.

    python tests/golden/rules_golden.py        (made with torch 2.15.0, CPU)
"""

import json
import pathlib

import torch
import torch.nn.functional as F

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
generator = torch.Generator().manual_seed(0)
rows = []


def normal(*shape):
    return torch.randn(shape, generator=generator)


def positive(*shape):
    return torch.rand(shape, generator=generator) * 1.5 + 0.5


def ints(*values):
    return torch.tensor(values, dtype=torch.int64)


def row(op, opset, operands, function, /, frozen=(), **attrs):
    """`operands`: float tensors are differentiated but for the places in `frozen`; other tensors and lists are constants."""
    tensors = [torch.tensor(x, dtype=torch.int64) if isinstance(x, list) else x for x in operands]
    leaves = [t.clone().requires_grad_() if t.is_floating_point() and i not in frozen else t
              for i, t in enumerate(tensors)]
    results = function(*leaves)
    results = results if isinstance(results, (tuple, list)) else [results]
    weights = [normal(*r.shape) for r in results]
    loss = sum((r * w).sum() for r, w in zip(results, weights))
    floats = [t for t in leaves if t.requires_grad]
    grads = iter(torch.autograd.grad(loss, floats))

    def number(t):
        return {"shape": list(t.shape), "data": t.detach().flatten().tolist()}

    def operand(t):
        kind = {torch.float64: "f64", torch.int64: "i64", torch.bool: "bool"}[t.dtype]
        grad = number(next(grads))["data"] if t.requires_grad else None
        data = number(t)["data"] if t.is_floating_point() else [int(x) for x in t.flatten().tolist()]
        return {"kind": kind, "shape": list(t.shape), "data": data, "grad": grad}

    rows.append({
        "op": op, "opset": opset, "attrs": attrs, "operands": [operand(t) for t in leaves],
        "results": [number(r) | {"weight": number(w)["data"]} for r, w in zip(results, weights)],
    })


# Arithmetic
for op, f in [("Add", torch.add), ("Sub", torch.sub), ("Mul", torch.mul), ("Div", torch.div)]:
    row(op, 13, [normal(2, 3), positive(2, 3)], f)
    row(op, 17, [normal(2, 1, 3), positive(4, 1)], f)
row("Pow", 13, [positive(2, 3), positive(3)], torch.pow)
row("Pow", 17, [normal(2, 3), torch.tensor(2.0)], lambda x, p: x ** 2 + 0 * p)
rows[-1]["operands"][1]["grad"] = None
for op, f in [
    ("Neg", torch.neg), ("Abs", torch.abs), ("Exp", torch.exp), ("Erf", torch.erf), ("Tanh", torch.tanh),
    ("Sigmoid", torch.sigmoid), ("Sin", torch.sin), ("Cos", torch.cos), ("Identity", lambda x: x * 1),
    ("Relu", F.relu), ("Softplus", F.softplus), ("Softsign", F.softsign), ("Dropout", lambda x: x * 1),
]:
    row(op, 13, [normal(2, 5)], f)
for op, f in [("Sqrt", torch.sqrt), ("Log", torch.log), ("Reciprocal", torch.reciprocal)]:
    row(op, 13, [positive(2, 3)], f)
row("Cast", 13, [normal(2, 3)], lambda x: x * 1, to=11)
row("Where", 16, [normal(2, 3) > 0, normal(3), normal(2, 1)], torch.where)
row("Clip", 13, [normal(2, 5), torch.tensor(-0.5), torch.tensor(0.7)], lambda x, a, b: torch.clamp(x, a, b))
row("Sum", 13, [normal(2, 3), normal(3), normal(2, 1)], lambda a, b, c: a + b + c)
row("Mean", 13, [normal(2, 3), normal(3), normal(2, 1)], lambda a, b, c: (a + b + c) / 3)
row("Max", 13, [normal(2, 3), normal(3)], torch.maximum)
row("Min", 13, [normal(2, 3), normal(3)], torch.minimum)
row("Max", 13, [torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0])], torch.maximum)

# Activations. ONNX stores attributes in f32, hence powers of two.
row("LeakyRelu", 16, [normal(2, 5)], lambda x: F.leaky_relu(x, 0.125), alpha=0.125)
row("PRelu", 16, [normal(2, 3, 4), normal(3, 1)], lambda x, a: F.prelu(x, a.reshape(3)))
row("Elu", 13, [normal(2, 5)], lambda x: F.elu(x, 0.5), alpha=0.5)
alpha, gamma = 1.67326319217681884765625, 1.05070102214813232421875  # ONNX's defaults, which are f32
row("Selu", 13, [normal(2, 5)], lambda x: gamma * torch.where(x > 0, x, alpha * torch.expm1(x)))
row("HardSigmoid", 13, [normal(2, 5) * 4], lambda x: torch.clamp(0.25 * x + 0.5, 0, 1), alpha=0.25, beta=0.5)
row("HardSwish", 14, [normal(2, 5) * 4], F.hardswish)
row("Gelu", 20, [normal(2, 5)], F.gelu)
row("Gelu", 20, [normal(2, 5)], lambda x: F.gelu(x, approximate="tanh"), approximate="tanh")

# Products
for a, b in [((2, 3), (3, 4)), ((3,), (3, 4)), ((2, 3), (3,)), ((3,), (3,)), ((2, 5, 3), (3, 4)), ((5, 3), (2, 3, 4)),
             ((2, 1, 5, 3), (4, 3, 2)), ((3,), (2, 3, 4)), ((2, 5, 3), (3,))]:
    row("MatMul", 13, [normal(*a), normal(*b)], torch.matmul)
for ta in (0, 1):
    for tb in (0, 1):
        row("Gemm", 13, [normal(*(4, 2) if ta else (2, 4)), normal(*(3, 4) if tb else (4, 3)), normal(3)],
            lambda a, b, c: 0.5 * (a.T if ta else a) @ (b.T if tb else b) + 2.0 * c, transA=ta, transB=tb, alpha=0.5, beta=2.0)
row("Conv", 13, [normal(2, 3, 4, 6), normal(5, 3, 2, 3), normal(5)], lambda x, w, b: F.conv2d(x, w, b, stride=(2, 3)),
    kernel_shape=[2, 3], strides=[2, 3])

# Softmax, normalization
for axis in (-1, 1):
    row("Softmax", 13, [normal(2, 3, 4)], lambda x: torch.softmax(x, axis), axis=axis)
    row("LogSoftmax", 13, [normal(2, 3, 4)], lambda x: torch.log_softmax(x, axis), axis=axis)
row("LayerNormalization", 17, [normal(2, 3, 4), normal(4), normal(4)],
    lambda x, w, b: F.layer_norm(x, (4,), w, b, eps=2.0 ** -10), axis=-1, epsilon=2.0 ** -10)
row("LayerNormalization", 17, [normal(2, 3, 4), normal(3, 4)],
    lambda x, w: F.layer_norm(x, (3, 4), w, None, eps=2.0 ** -10), axis=1, epsilon=2.0 ** -10)

# Reductions
for op, f in [
    ("ReduceMean", lambda x, d, k: x.mean(d, k)), ("ReduceMax", lambda x, d, k: x.amax(d, k)),
    ("ReduceMin", lambda x, d, k: x.amin(d, k)), ("ReduceSumSquare", lambda x, d, k: (x * x).sum(d, k)),
    ("ReduceL1", lambda x, d, k: x.abs().sum(d, k)), ("ReduceL2", lambda x, d, k: torch.linalg.vector_norm(x, 2, d, k)),
    ("ReduceLogSumExp", lambda x, d, k: torch.logsumexp(x, d, k)),
]:
    row(op, 13, [normal(2, 3, 4)], lambda x: f(x, (1,), True), axes=[1])
    row(op, 18, [normal(2, 3, 4), [0, -1]], lambda x, _: f(x, (0, 2), False), keepdims=0)
row("ReduceSum", 13, [normal(2, 3, 4), [-1, 0]], lambda x, _: x.sum((0, 2), True))
row("ReduceSum", 13, [normal(2, 3)], lambda x: x.sum(), keepdims=0)
row("GlobalAveragePool", 13, [normal(2, 3, 4, 2)], lambda x: x.mean((2, 3), True))

# Layout
row("Reshape", 13, [normal(2, 3, 4), [0, -1]], lambda x, _: x.reshape(2, 12))
row("Flatten", 13, [normal(2, 3, 4)], lambda x: x.reshape(6, 4), axis=2)
row("Squeeze", 13, [normal(2, 1, 4), [1]], lambda x, _: x.squeeze(1))
row("Unsqueeze", 13, [normal(2, 4), [-1, 0]], lambda x, _: x[None, :, :, None])
row("Transpose", 13, [normal(2, 3, 4)], lambda x: x.permute(1, 2, 0), perm=[1, 2, 0])
row("Expand", 13, [normal(3, 1), [2, 1, 4]], lambda x, _: x.expand(2, 3, 4))
row("Tile", 13, [normal(2, 3), [2, 2]], lambda x, _: x.tile(2, 2))
row("Concat", 13, [normal(2, 3), normal(2, 1), normal(2, 2)], lambda *x: torch.cat(x, 1), axis=1)
row("Split", 13, [normal(2, 6)], lambda x: torch.split(x, 3, 1), axis=1)
row("Split", 18, [normal(2, 6), [1, 3, 2]], lambda x, _: torch.split(x, [1, 3, 2], 1), axis=-1)
row("Slice", 13, [normal(3, 6), [1], [-1], [1]], lambda x, *_: x[:, 1:-1])
row("Slice", 13, [normal(3, 6), [4, 2], [0, -100], [1, 0], [-2, -1]], lambda x, *_: x.flip(0, 1)[:, 1:5:2])
row("Gather", 13, [normal(4, 3), ints(0, 2, -1, 2)], lambda x, i: x[i % 4], axis=0)
row("Gather", 13, [normal(2, 4, 3), torch.tensor(1)], lambda x, i: x[:, 1], axis=1)
row("Gather", 13, [normal(5, 2), ints(0, 4, 1, 1, 3, 0).reshape(2, 3)], lambda x, i: x[i], axis=0)
row("Pad", 13, [normal(2, 3), [0, 1, 2, 3]], lambda x, _: F.pad(x, (1, 3, 0, 2)))
row("Pad", 18, [normal(2, 5), [-1, 2]], lambda x, _: F.pad(x, (-1, 2)))
rows[-1]["operands"] += [None, {"kind": "i64", "shape": [1], "data": [1], "grad": None}]

# Windows over images
row("Conv", 13, [normal(2, 4, 5, 6), normal(6, 2, 3, 3), normal(6)],
    lambda x, w, b: F.conv2d(x, w, b, (2, 1), (1, 0), (1, 2), 2), frozen=(1,),
    strides=[2, 1], pads=[1, 0, 1, 0], dilations=[1, 2], group=2)
row("AveragePool", 13, [normal(2, 3, 5, 5)], lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
row("AveragePool", 13, [normal(2, 3, 4, 6)], lambda x: F.avg_pool2d(x, 2, 2, count_include_pad=True),
    kernel_shape=[2, 2], strides=[2, 2], count_include_pad=1)
row("MaxPool", 13, [normal(2, 3, 5, 5)], lambda x: F.max_pool2d(x, 3, 2, 1),
    kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
row("GlobalMaxPool", 13, [normal(2, 3, 4, 2)], lambda x: x.amax((2, 3), True))
row("BatchNormalization", 15, [normal(2, 3, 4), normal(3), normal(3), normal(3), positive(3)],
    lambda x, w, b, m, v: F.batch_norm(x, m, v, w, b, eps=2.0 ** -10), frozen=(1, 2, 3, 4), epsilon=2.0 ** -10)
row("InstanceNormalization", 13, [normal(2, 3, 4, 2), normal(3), normal(3)],
    lambda x, w, b: F.instance_norm(x, None, None, w, b, eps=2.0 ** -10), frozen=(1, 2), epsilon=2.0 ** -10)
row("GroupNormalization", 21, [normal(2, 4, 3), normal(4), normal(4)],
    lambda x, w, b: F.group_norm(x, 2, w, b, eps=2.0 ** -10), frozen=(1, 2), epsilon=2.0 ** -10, num_groups=2)
row("LpNormalization", 13, [normal(2, 3, 4)], lambda x: F.normalize(x, dim=1), axis=1, p=2)
row("Einsum", 13, [normal(2, 3, 4), normal(2, 5, 4)], lambda a, b: torch.einsum("nij,nkj->nik", a, b),
    equation="nij,nkj->nik")
row("ScatterND", 13, [normal(3, 4), ints(2, 0).reshape(2, 1), normal(2, 4)],
    lambda x, i, u: x.index_put((i[:, 0],), u))

path = pathlib.Path(__file__).with_suffix(".json")
path.write_text("[\n" + ",\n".join(json.dumps(r, separators=(",", ":")) for r in rows) + "\n]\n")
print(len(rows), "rows,", path.stat().st_size, "bytes")
