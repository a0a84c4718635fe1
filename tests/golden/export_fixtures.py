"""Writes tests/fixtures: small random vision transformers as PyTorch's two exporters write them.

    python tests/golden/export_fixtures.py [OUT]

Needs torch, onnx, onnxscript, onnxruntime and timm; fetches nothing. Every parameter is noise (also the
layer norms, the class token and the position table), so that no wrong weight can hide behind a 0 or a 1.
The images and PyTorch's outputs lie beside the models in `images_2x3x32x32.f32` and `expected.json`; ONNX
Runtime must agree with PyTorch before anything is written.
"""

import io
import json
import pathlib
import sys
import warnings

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import numpy_helper
from timm.models.vision_transformer import VisionTransformer
from torch import nn

warnings.filterwarnings("ignore")
torch.set_num_threads(1)
SIDE, PATCH, DIM, HEADS, CLASSES = 32, 8, 32, 2, 10


class Attention(nn.Module):
    """Multi-head self-attention with one qkv layer, or three."""

    def __init__(self, fused):
        super().__init__()
        self.fused = fused
        if fused:
            self.qkv = nn.Linear(DIM, 3 * DIM)
        else:
            self.q, self.k, self.v = (nn.Linear(DIM, DIM) for _ in range(3))
        self.o = nn.Linear(DIM, DIM)

    def forward(self, x):
        b, n, _ = x.shape
        if self.fused:
            q, k, v = self.qkv(x).reshape(b, n, 3, HEADS, DIM // HEADS).permute(2, 0, 3, 1, 4).unbind(0)
        else:
            q, k, v = (f(x).view(b, n, HEADS, DIM // HEADS).transpose(1, 2) for f in (self.q, self.k, self.v))
        weights = (q @ k.transpose(-2, -1) * (DIM // HEADS) ** -0.5).softmax(-1)
        return self.o((weights @ v).transpose(1, 2).reshape(b, n, DIM))


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, fused):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(DIM, eps=1e-6), nn.LayerNorm(DIM, eps=1e-6)
        self.attention = Attention(fused)
        self.fc1, self.fc2 = nn.Linear(DIM, 2 * DIM), nn.Linear(2 * DIM, DIM)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.fc2(nn.functional.gelu(self.fc1(self.norm2(x))))


class Vit(nn.Module):
    """Class-token vision transformer: images -> logits, features."""

    def __init__(self, fused, depth):
        super().__init__()
        self.patch = nn.Conv2d(3, DIM, PATCH, PATCH)
        self.cls = nn.Parameter(torch.zeros(1, 1, DIM))
        self.position = nn.Parameter(torch.zeros(1, (SIDE // PATCH) ** 2 + 1, DIM))
        self.blocks = nn.ModuleList(Block(fused) for _ in range(depth))
        self.norm = nn.LayerNorm(DIM, eps=1e-6)
        self.head = nn.Linear(DIM, CLASSES)

    def forward(self, images):
        x = self.patch(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], 1) + self.position
        for block in self.blocks:
            x = block(x)
        features = self.norm(x)[:, 0]
        return self.head(features), features


def noise(model, seed):
    """Every parameter random; matrices keep the variance of what passes."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            r = torch.randn(p.shape, generator=g)
            if p.dim() in (2, 4) and not name.endswith(("cls", "cls_token", "position", "pos_embed")):
                p.copy_(r / (p[0].numel() ** 0.5))
            elif name.endswith("weight") or name.endswith("gamma"):
                p.copy_(1 + 0.3 * r)
            else:
                p.copy_(0.3 * r)
    return model.eval()


def timm(pooled, seed):
    """timm's own class; `pooled` has no class token, mean pooling, layer scale and norms on q and k."""
    special = dict(global_pool="avg", class_token=False, init_values=1.0, qk_norm=True) if pooled else {}
    model = VisionTransformer(
        img_size=SIDE, patch_size=PATCH, embed_dim=DIM, depth=2, num_heads=HEADS, mlp_ratio=2,
        num_classes=CLASSES, **special,
    )
    for m in model.modules():
        if hasattr(m, "fused_attn"):
            m.fused_attn = False
    return noise(model, seed)


def export(model, images, opset, dynamo, batch, outputs):
    """The model as bytes of one exporter; `batch` is "fixed" or "dynamic"."""
    names = dict(input_names=["images"], output_names=outputs, opset_version=opset)
    if dynamo:
        if batch == "dynamic":
            names["dynamic_shapes"] = ({0: torch.export.Dim("N", min=1, max=4096)},)
        program = torch.onnx.export(model, (images,), dynamo=True, verbose=False, **names)
        proto = program.model_proto
    else:
        if batch == "dynamic":
            names["dynamic_axes"] = {n: {0: "N"} for n in ["images", *outputs]}
        file = io.BytesIO()
        torch.onnx.export(model, (images,), file, dynamo=False, **names)
        proto = onnx.load_from_string(file.getvalue())
    got = next(o.version for o in proto.opset_import if o.domain in ("", "ai.onnx"))
    assert got == opset, f"asked for opset {opset}, got {got}"
    return strip(proto)


def strip(proto):
    """Without the exporter's notes: they hold stack traces with paths of the machine that exported."""
    for part in [proto.graph, *proto.graph.node, *proto.graph.input, *proto.graph.output,
                 *proto.graph.value_info, *proto.graph.initializer]:
        part.ClearField("doc_string")
        if hasattr(part, "metadata_props"):
            part.ClearField("metadata_props")
    proto.ClearField("doc_string")
    proto.ClearField("metadata_props")
    return proto


def typed(proto):
    """Initializers as `float_data`, `int64_data` and so on instead of raw bytes."""
    for t in proto.graph.initializer:
        array = numpy_helper.to_array(t)
        if array.dtype == np.float16:
            array = array.view(np.uint16)
        values = array.flatten().tolist()
        new = onnx.TensorProto(name=t.name, data_type=t.data_type, dims=t.dims)
        {1: new.float_data, 7: new.int64_data, 10: new.int32_data}[t.data_type].extend(values)
        t.CopyFrom(new)
    return proto


# name: (model, opset, dynamo, batch, dtype, storage)
TABLE = {
    "fused_legacy_op13_fixed": ("fused", 13, False, "fixed", "f32", "raw"),
    "fused_legacy_op17_dynamic": ("fused", 17, False, "dynamic", "f32", "raw"),
    "fused_dynamo_op18_dynamic": ("fused", 18, True, "dynamic", "f32", "raw"),
    "fused_dynamo_op20_fixed_external": ("fused", 20, True, "fixed", "f32", "external"),
    "fused_legacy_op17_dynamic_f16": ("fused", 17, False, "dynamic", "f16", "raw"),
    "fused_dynamo_op18_dynamic_f16_typed": ("fused", 18, True, "dynamic", "f16", "typed"),
    "split_legacy_op13_dynamic": ("split", 13, False, "dynamic", "f32", "raw"),
    "split_legacy_op20_fixed": ("split", 20, False, "fixed", "f32", "typed"),
    "split_dynamo_op20_dynamic": ("split", 20, True, "dynamic", "f32", "raw"),
    "timm_legacy_op13_fixed": ("timm", 13, False, "fixed", "f32", "raw"),
    "timm_legacy_op17_dynamic": ("timm", 17, False, "dynamic", "f32", "raw"),
    "timm_dynamo_op18_dynamic": ("timm", 18, True, "dynamic", "f32", "raw"),
    "timm_dynamo_op22_dynamic": ("timm", 22, True, "dynamic", "f32", "raw"),
    "pooled_legacy_op17_dynamic": ("pooled", 17, False, "dynamic", "f32", "raw"),
    "pooled_dynamo_op18_dynamic": ("pooled", 18, True, "dynamic", "f32", "raw"),
}

MODELS = {
    "fused": lambda: noise(Vit(True, 2), 1),
    "split": lambda: noise(Vit(False, 2), 2),
    "timm": lambda: timm(False, 3),
    "pooled": lambda: timm(True, 4),
}


def tensor(array):
    """Shape and numbers for expected.json; nine digits give f32 back exactly."""
    return {"shape": list(array.shape), "data": [float(f"{x:.9g}") for x in array.flatten().tolist()]}


def fixture(name, out, images):
    """Exports one row of the table, checks it with ONNX Runtime, writes it; returns its expected outputs."""
    which, opset, dynamo, batch, dtype, storage = TABLE[name]
    model, outputs = MODELS[which](), ["logits", "features"] if which in ("fused", "split") else ["logits"]
    x = images[:1] if batch == "fixed" else images
    if dtype == "f16":
        model, x = model.half(), x.half()
    with torch.no_grad():
        want = model(x)
    want = [t.float().numpy() for t in (want if isinstance(want, tuple) else (want,))]
    proto = export(model, x, opset, dynamo, batch, outputs)
    if storage == "typed":
        proto = typed(proto)
    path = out / f"{name}.onnx"
    external = dict(save_as_external_data=True, location=f"{name}.onnx.data", size_threshold=1024)
    onnx.save_model(proto, path, **(external if storage == "external" else {}))
    onnx.checker.check_model(path)
    got = ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"images": x.numpy()})
    worst = max(float(np.abs(a - b).max()) for a, b in zip(got, want))
    assert worst < (3e-2 if dtype == "f16" else 2e-5), f"{name}: off by {worst}"
    here = str(pathlib.Path(__file__).resolve().parents[2]).encode()
    assert here not in path.read_bytes() and path.stat().st_size < 250_000, name
    print(f"{name:40} {path.stat().st_size:7} bytes, {len(proto.graph.node):4} nodes, max |ort - torch| {worst:.1e}")
    return {
        "model": which, "opset": opset, "exporter": "dynamo" if dynamo else "legacy", "batch": batch,
        "dtype": dtype, "batch_size": len(x), "tolerance": 3e-2 if dtype == "f16" else 1e-4,
        "outputs": {n: tensor(t) for n, t in zip(outputs, want)},
    }


def main():
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent / "fixtures")
    out.mkdir(parents=True, exist_ok=True)
    images = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(7))
    images.numpy().astype("<f4").tofile(out / "images_2x3x32x32.f32")
    rows = {name: fixture(name, out, images) for name in TABLE}
    command = "python tests/golden/export_fixtures.py"
    versions = f"torch {torch.__version__.split('+')[0]}, onnx {onnx.__version__}, onnxruntime {ort.__version__}"
    lines = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in rows.items())
    text = f'{{"command": "{command}", "versions": "{versions}", "input": "images_2x3x32x32.f32",\n"fixtures": {{\n{lines}\n}}}}\n'
    (out / "expected.json").write_text(text)


if __name__ == "__main__":
    main()
