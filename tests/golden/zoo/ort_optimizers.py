"""ONNX Runtime's own optimizers, on files that lie in the zoo already.

`orttransformers` is `onnxruntime.transformers.optimizer` (fuses attention, layer norms with their residual, GELU);
`ortextended` is the graph that a session at ORT_ENABLE_EXTENDED saves. Both write operators of the domain
com.microsoft, and both write LayerNormalization into models whose opset has none: ONNX Runtime takes such files,
the ONNX checker does not, and the row says so under "checker". The level above, ORT_ENABLE_ALL, is left out: its
layouts depend on the machine.
"""

import logging
import pathlib
import tempfile

import onnx
import onnxruntime as ort
from onnxruntime.transformers.fusion_options import FusionOptions
from onnxruntime.transformers.optimizer import optimize_model

from . import rows as index

# file, model type of the optimizer, its level, and an option that is switched on
TRANSFORMERS = [
    ("hf_vit.optimum17.dynamic", "vit", 0, None),
    ("hf_vit.optimum17.fixed", "vit", 1, None),
    ("hf_vit_class.optimum18.dynamic", "vit", 0, "use_multi_head_attention"),
    ("hf_deit.optimum14.dynamic", "bert", 0, None),
    ("hf_dinov2.optimum18.dynamic", "vit", 0, None),
    ("hf_beit.optimum17.fixed", "vit", 0, None),
    ("hf_swin.optimum18.fixed", "swin", 0, None),
    ("hf_clip.optimum18.dynamic", "clip", 0, None),
    ("hf_siglip.optimum18.dynamic", "clip", 0, None),
    ("hf_siglip.dynamo20.dynamic", "clip", 0, None),
    ("hf_siglip.legacy13.dynamic", "clip", 1, None),
    ("hf_clip.dynamo22.dynamic", "clip", 0, None),
    ("hf_clip.legacy13.fixed", "clip", 0, None),
    ("vit.legacy17.fixed", "vit", 0, None),
    ("vit.dynamo20.dynamic", "vit", 0, None),
    ("deit.legacy20.dynamic", "bert", 0, None),
    ("deit3.dynamo20.dynamic", "vit", 0, None),
    ("dinov2.dynamo22.dynamic", "vit", 1, None),
    ("clip.legacy17.fixed", "clip", 0, None),
    ("clip.dynamo20.dynamic", "clip", 1, None),
    ("siglip.legacy17.dynamic", "clip", 1, None),
    ("swin.legacy17.dynamic", "swin", 0, None),
]
EXTENDED = ["vit.legacy17.fixed", "vit.dynamo20.dynamic", "deit.legacy13.fixed", "clip.legacy17.fixed",
            "dinov2.dynamo22.dynamic", "hf_siglip.optimum18.dynamic", "hf_vit.optimum17.dynamic",
            "swin.legacy17.dynamic", "eva02.legacy13.fixed", "mobilevit.legacy17.dynamic", "levit.legacy17.dynamic",
            "cait.legacy13.dynamic"]


def transformers(path, kind, level, option):
    """The optimizer for transformer models; two heads of the zoo's width of 32."""
    options = FusionOptions(kind)
    if option:
        setattr(options, option, True)
    heads = 0 if kind == "swin" else 2
    optimized = optimize_model(path, model_type=kind, num_heads=heads, hidden_size=16 * heads, opt_level=level,
                               optimization_options=options)
    optimized.save_model_to_file(path + ".optimized")
    return onnx.load(path + ".optimized")


def extended(path):
    """What a session at ORT_ENABLE_EXTENDED would run."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath, options.log_severity_level = path + ".optimized", 3
    ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return onnx.load(path + ".optimized")


def attempt(found, source, exporter, note, optimize):
    """One optimized copy of the zoo's file `source`; it must give what that file gives."""
    old = found[f"{source}.onnx.gz"]
    model, *middle = source.split(".")
    new = {key: old[key] for key in ("model", "family", "plain", "source", "opset", "batch", "image", "outputs")
           if key in old}
    new |= {"file": f"{model}.{exporter}.{'.'.join(middle)}.onnx.gz", "exporter": exporter,
            "from": old["file"], **note}

    def export():
        if "export_error" in old:
            raise ValueError(f"the export that it starts from failed: {old['export_error']}")
        proto = index.read(old)
        with tempfile.TemporaryDirectory() as folder:
            path = str(pathlib.Path(folder) / "model.onnx")
            onnx.save(proto, path)
            return optimize(path), index.run(proto, index.pixels(old))

    index.attempt(new, export)


def run(wanted):
    """Optimizes every file of the two lists whose model is in `wanted` (all if empty)."""
    logging.disable(logging.CRITICAL)
    found = index.load()
    for source, kind, level, option in TRANSFORMERS:
        if not wanted or source.split(".")[0] in wanted:
            note = {"model_type": kind, "level": level, **({"option": option} if option else {})}
            attempt(found, source, "orttransformers", note, lambda path: transformers(path, kind, level, option))
    for source in EXTENDED:
        if not wanted or source.split(".")[0] in wanted:
            attempt(found, source, "ortextended", {}, extended)
