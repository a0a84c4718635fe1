"""PyTorch's two exporters: `dynamo` (torch.export) and `legacy` (TorchScript tracing)."""

import io
import warnings

import numpy as np
import onnx
import torch

from . import rows as index
from .models import row
from .weights import fill

DYNAMO, LEGACY = (18, 20, 22), (17, 13, 20)


def tensors(outputs):
    """A model's outputs as a tuple."""
    return (outputs,) if isinstance(outputs, torch.Tensor) else tuple(outputs)


def dynamo(model, batch, opset, outputs, free):
    """The exporter on torch.export."""
    shapes = ({0: torch.export.Dim("batch", min=1, max=64)},) if free else None
    program = torch.onnx.export(model, (batch,), dynamo=True, opset_version=opset, input_names=["images"],
                                output_names=list(outputs), dynamic_shapes=shapes, external_data=False, verbose=False)
    return onnx.load_from_string(program.model_proto.SerializeToString())


def legacy(model, batch, opset, outputs, free):
    """The exporter on traces."""
    sink = io.BytesIO()
    axes = {name: {0: "batch"} for name in ("images", *outputs)} if free else None
    torch.onnx.export(model, (batch,), sink, dynamo=False, opset_version=opset, input_names=["images"],
                      output_names=list(outputs), dynamic_axes=axes)
    return onnx.load_from_string(sink.getvalue())


def cells(number, few):
    """Exporter, opset, batch and fused attention of the exports of model `number`: all vary over the zoo.

    Four exports, or the first and the last, or the two between.
    """
    legacy_free = LEGACY[(number + 1) % 3]
    four = [
        (dynamo, DYNAMO[number % 3], "fixed", True),
        (dynamo, DYNAMO[(number + 1) % 3], "dynamic", number % 2 == 0),
        (legacy, LEGACY[number % 3], "fixed", LEGACY[number % 3] >= 14),
        (legacy, legacy_free, "dynamic", legacy_free >= 14 and number % 2 == 1),
    ]
    return four if not few else [four[0], four[3]] if number % 2 else four[1:3]


def export(model, exporter, opset, batch, fused):
    """One export with PyTorch's own outputs."""
    torch.manual_seed(0)
    pixels = torch.from_numpy(index.images(model.image))
    module = fill(model.build(fused), pixels)
    with torch.no_grad():
        expected = {n: t.detach().numpy().copy() for n, t in zip(model.outputs, tensors(module(pixels)))}
        for name, value in expected.items():
            if not np.isfinite(value).all() or np.abs(value[0] - value[1]).max() < 1e-3:
                raise ValueError(f"{name} does not depend on the image")
        proto = exporter(module, pixels, opset, model.outputs, batch == "dynamic")
    return proto, expected


def one(model, exporter, opset, batch, fused):
    """One export. Where an exporter cannot write fused attention, the row says so and has the unfused graph."""
    new = {**row(model, exporter.__name__, opset, batch), "fused_attention": fused}
    index.attempt(dict(new), lambda: export(model, exporter, opset, batch, fused))
    failed = index.load()[new["file"]].get("export_error")
    if failed and fused:
        new |= {"fused_attention": False, "fused_error": failed}
        index.attempt(new, lambda: export(model, exporter, opset, batch, False))


def run(models, wanted):
    """Exports every model whose name is in `wanted` (all if empty); files of exports that are no more go."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    planned = set()
    for number, model in enumerate(models):
        for exporter, opset, batch, fused in cells(number, model.few):
            planned.add(row(model, exporter.__name__, opset, batch)["file"])
            if not wanted or model.name in wanted:
                one(model, exporter, opset, batch, fused)
    index.prune(("dynamo", "legacy"), planned)
