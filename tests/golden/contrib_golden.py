"""Every operator of ONNX Runtime that is written out when a model is read, as a model of one node, and what ONNX
Runtime computes.

Writes contrib_golden.json beside itself: per row the model (base64), its inputs and its outputs.

    python tests/golden/contrib_golden.py        (made with onnx 1.23.2, onnxruntime 1.31.1)
"""

import base64
import json
import pathlib

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

random = np.random.default_rng(0)
rows = []


def normal(*shape):
    return random.standard_normal(shape).astype(np.float32)


def row(op, inputs, weights, outputs=1, domain="com.microsoft", results=None, **attributes):
    """`inputs` are fed, `weights` are initializers; `None` is an operand left out. `results` picks outputs by place."""
    operands, feeds, constants = [], {}, []
    for i, x in enumerate(inputs + weights):
        operands.append("" if x is None else f"x{i}")
        if x is not None and i < len(inputs):
            feeds[f"x{i}"] = x
        elif x is not None:
            constants.append(numpy_helper.from_array(x, f"x{i}"))
    names = [f"y{i}" if results is None or i in results else "" for i in range(outputs)]
    node = helper.make_node(op, operands, names, domain=domain, name=op, **attributes)
    value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    graph = helper.make_graph(
        [node], op, [value(k, v.shape) for k, v in feeds.items()], [value(n, None) for n in names if n], constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    number = lambda name, x: {"name": name, "shape": list(x.shape), "data": [float(f"{v:.8g}") for v in x.flatten()]}
    rows.append({
        "op": op, "model": base64.b64encode(model).decode(), "inputs": [number(k, v) for k, v in feeds.items()],
        "outputs": [number(o.name, y) for o, y in zip(session.get_outputs(), session.run(None, feeds))],
    })


x, skip = normal(2, 3, 8), normal(2, 3, 8)
row("Gelu", [x], [])
row("BiasGelu", [x], [normal(8)])
row("FastGelu", [x], [])
row("FastGelu", [x], [normal(8)])
row("QuickGelu", [x], [])
row("QuickGelu", [x], [], alpha=1.0)
row("SkipLayerNormalization", [x, skip], [normal(8), normal(8)], epsilon=1e-5)
row("SkipLayerNormalization", [x, skip], [normal(8), normal(8), normal(8)], 4, results=(0, 3), epsilon=1e-5)
row("SkipSimplifiedLayerNormalization", [x, skip], [normal(8)], epsilon=1e-5)
row("SkipSimplifiedLayerNormalization", [x, skip], [normal(8), normal(8)], 4, results=(0, 3), epsilon=1e-5)
row("SimplifiedLayerNormalization", [x], [normal(8)], domain="", axis=-1, epsilon=1e-5)
row("FusedMatMul", [normal(2, 3, 4), normal(2, 5, 4)], [], transB=1, alpha=0.5)
row("FusedMatMul", [normal(2, 4, 3), normal(2, 4, 5)], [], transA=1)
row("FusedMatMul", [normal(3, 2, 4), normal(2, 4, 5)], [], transBatchA=1)
row("FusedMatMul", [normal(2, 3, 4), normal(4, 2, 5)], [], transBatchB=1)
row("FusedConv", [normal(1, 2, 5, 5)], [normal(3, 2, 3, 3), normal(3)], activation="Relu", pads=[1, 1, 1, 1])
row("FusedGemm", [normal(2, 4)], [normal(3, 4), normal(3)], activation="Sigmoid", transB=1)
row("FusedGemm", [normal(2, 4)], [normal(4, 3), normal(3)], activation="Tanh")
row("Attention", [x], [normal(8, 24), normal(24)], num_heads=2)
row("Attention", [x], [normal(8, 20), normal(20)], num_heads=2, qkv_hidden_sizes=[8, 8, 4], scale=0.3)
q, k, v = normal(2, 3, 8), normal(2, 5, 8), normal(2, 5, 8)
row("MultiHeadAttention", [q, k, v], [], num_heads=2)
row("MultiHeadAttention", [q, k, v], [normal(24)], num_heads=4)
row("MultiHeadAttention", [q, k, v], [normal(24), None, normal(2, 2, 3, 5)], num_heads=2, scale=0.5)

path = pathlib.Path(__file__).with_suffix(".json")
path.write_text("[\n" + ",\n".join(json.dumps(r, separators=(",", ":")) for r in rows) + "\n]\n")
print(len(rows), "rows,", path.stat().st_size, "bytes")
