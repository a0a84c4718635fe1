"""Writes tests/fixtures_quantized: fixtures quantized by onnxruntime.quantization, stored in bf16, and goldens.

    python tests/golden/quantize_fixtures.py [OUT]

Needs torch, onnx and onnxruntime; reads tests/fixtures (export_fixtures.py) and fetches nothing. Calibration
images are noise with a fixed seed. `expected.json` holds what ONNX Runtime computes with each file, with
its integer kernels and without, what it computes with the float file it was made from, and PyTorch's fake quantization with its gradient.
"""

import json
import pathlib
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

HERE = pathlib.Path(__file__).resolve().parent
FIXTURES = HERE.parent / "fixtures"
I8, U8 = QuantType.QInt8, QuantType.QUInt8

# name: (fixture, static or dynamic, one scale a column, dtype of activations)
TABLE = {
    "timm_static": ("timm_legacy_op17_dynamic", "static", False, U8),
    "timm_static_channel": ("timm_legacy_op17_dynamic", "static", True, U8),
    "split_static_channel_i8": ("split_legacy_op13_dynamic", "static", True, I8),
    "timm_dynamo_static_channel": ("timm_dynamo_op18_dynamic", "static", True, U8),
    "timm_dynamic": ("timm_legacy_op17_dynamic", "dynamic", False, U8),
    "split_dynamic_channel": ("split_dynamo_op20_dynamic", "dynamic", True, U8),
}


class Noise(CalibrationDataReader):
    """Random images."""

    def __init__(self, count=16):
        rng = np.random.default_rng(0)
        self.rest = iter([{"images": rng.standard_normal((1, 3, 32, 32)).astype("f4")} for _ in range(count)])

    def get_next(self):
        return next(self.rest, None)


def quantize(source, target, kind, per_channel, activation):
    """As the documentation of onnxruntime.quantization has it: pre-process, then quantize."""
    with tempfile.TemporaryDirectory() as folder:
        ready = f"{folder}/ready.onnx"
        quant_pre_process(str(source), ready)
        if kind == "static":
            quantize_static(ready, str(target), Noise(), quant_format=QuantFormat.QDQ, per_channel=per_channel,
                            activation_type=activation, weight_type=I8)
        else:
            quantize_dynamic(ready, str(target), per_channel=per_channel, weight_type=I8)


def bf16(source, target):
    """Matrices stored in bf16, each followed by a Cast; every second one as `int32_data`."""
    proto = onnx.load(source)
    casts = []
    for i, t in enumerate(x for x in proto.graph.initializer if x.data_type == 1 and len(x.dims) >= 2):
        array = torch.from_numpy(numpy_helper.to_array(t).copy()).to(torch.bfloat16).view(torch.int16).numpy()
        new = TensorProto(name=t.name + ".bf16", data_type=TensorProto.BFLOAT16, dims=t.dims)
        if i % 2:
            new.int32_data.extend(array.view(np.uint16).flatten().tolist())
        else:
            new.raw_data = array.tobytes()
        casts.append(helper.make_node("Cast", [new.name], [t.name], name=t.name + ".cast", to=TensorProto.FLOAT))
        t.CopyFrom(new)
    nodes = casts + list(proto.graph.node)
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    onnx.save(proto, target)


def run(path, images, fused=True):
    """Outputs by name. ONNX Runtime replaces quantized layers by integer kernels that round once where the graph rounds
    twice; without `fused` it computes what the operators say."""
    options = ort.SessionOptions()
    if not fused:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    names = [o.name for o in onnx.load(path).graph.output]
    got = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]).run(None, {"images": images})
    return {n: [float(f"{x:.9g}") for x in a.flatten().tolist()] for n, a in zip(names, got)}


def straight_through():
    """PyTorch's fake quantization: result, and gradient for a given one."""
    rows = []
    for scale, zero, low, high in [(0.05, 128, 0, 255), (0.1, -3, -128, 127), (0.02, 0, 0, 255)]:
        g = torch.Generator().manual_seed(len(rows))
        x = (4 * torch.randn(64, generator=g)).requires_grad_()
        up = torch.randn(64, generator=g)
        y = torch.fake_quantize_per_tensor_affine(x, scale, zero, low, high)
        y.backward(up)
        clipped = int((x.grad == 0).sum())
        assert 0 < clipped < 64
        rows.append({"scale": scale, "zero": zero, "dtype": "u8" if high == 255 else "i8",
                     **{k: v.tolist() for k, v in [("x", x.detach()), ("up", up), ("y", y.detach()), ("grad", x.grad)]}})
    return rows


def main():
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else HERE.parent / "fixtures_quantized")
    out.mkdir(parents=True, exist_ok=True)
    images = np.fromfile(FIXTURES / "images_2x3x32x32.f32", "<f4").reshape(2, 3, 32, 32)
    models = {}
    for name, (fixture, kind, per_channel, activation) in TABLE.items():
        source, target = FIXTURES / f"{fixture}.onnx", out / f"{name}.onnx"
        quantize(source, target, kind, per_channel, activation)
        models[name] = {"fixture": fixture, "kind": kind, "fused": run(target, images),
                         "standard": run(target, images, fused=False), "float": run(source, images)}
        assert target.stat().st_size < 200_000, name
    source, target = FIXTURES / "timm_legacy_op17_dynamic.onnx", out / "timm_bf16.onnx"
    bf16(source, target)
    models["timm_bf16"] = {"fixture": source.stem, "kind": "bf16", "fused": run(target, images),
                         "standard": run(target, images, fused=False), "float": run(source, images)}
    versions = f"torch {torch.__version__.split('+')[0]}, onnx {onnx.__version__}, onnxruntime {ort.__version__}"
    document = {"command": "python tests/golden/quantize_fixtures.py", "versions": versions,
                "models": models, "straight_through": straight_through()}
    (out / "expected.json").write_text(json.dumps(document) + "\n")
    for path in sorted(out.iterdir()):
        assert str(HERE.parents[1]).encode() not in path.read_bytes(), path
        print(f"{path.name:36} {path.stat().st_size:7} bytes")


if __name__ == "__main__":
    main()
