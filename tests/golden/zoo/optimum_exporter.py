"""Hugging Face optimum, from models with eager attention."""

import pathlib
import tempfile
import warnings

import onnx
import torch
from optimum.exporters.onnx import onnx_export_from_model
from transformers import ViTImageProcessor

from . import rows as index
from .models import Model, row
from .models_transformers import VIT, bare
from .weights import fill

SWIN = dict(image_size=32, patch_size=4, embed_dim=16, depths=[2, 1], num_heads=[2, 2], window_size=4, mlp_ratio=2.0)
MODELS = [
    ("vit", "ViT", True, "ViTModel", "ViTConfig", "feature-extraction", 17, VIT),
    ("vit_class", "ViT", True, "ViTForImageClassification", "ViTConfig", "image-classification", 18,
     {**VIT, "num_labels": 10}),
    ("deit", "DeiT", True, "DeiTModel", "DeiTConfig", "feature-extraction", 14, VIT),
    ("dinov2", "DINOv2", True, "Dinov2Model", "Dinov2Config", "feature-extraction", 18, {**VIT, "mlp_ratio": 2}),
    ("clip", "CLIP", True, "CLIPVisionModel", "CLIPVisionConfig", "feature-extraction", 18, VIT),
    ("siglip", "SigLIP", True, "SiglipVisionModel", "SiglipVisionConfig", "feature-extraction", 18, VIT),
    ("beit", "BEiT", False, "BeitModel", "BeitConfig", "feature-extraction", 17,
     {**VIT, "use_relative_position_bias": True}),
    ("swin", "Swin", False, "SwinModel", "SwinConfig", "feature-extraction", 18, SWIN),
]


def export(model, task, opset, free, pixels):
    """One export, with the outputs that optimum chose."""
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        side = pixels.shape[-1]
        ViTImageProcessor(size={"height": side, "width": side}).save_pretrained(folder)
        model.config._name_or_path = folder
        onnx_export_from_model(model, folder, task=task, opset=opset, do_validation=False, no_dynamic_axes=not free,
                               library_name="transformers", batch_size=2)
        proto = onnx.load(pathlib.Path(folder) / "model.onnx")
        got = model(pixel_values=pixels)
    return proto, {o.name: got[o.name].detach().numpy().copy() for o in proto.graph.output}


def run(wanted):
    """Exports every model whose name is in `wanted` (all if empty), with all axes free and with none."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    for name, family, plain, make, config, task, opset, settings in MODELS:
        if wanted and f"hf_{name}" not in wanted:
            continue
        model = Model(f"hf_{name}", family, f"transformers {make}", plain, None)
        pixels = torch.from_numpy(index.images(model.image))
        for batch in ("fixed", "dynamic"):
            def attempt():
                torch.manual_seed(0)
                filled = fill(bare(make, config, False, **settings), pixels)
                return export(filled, task, opset, batch == "dynamic", pixels)

            index.attempt({**row(model, "optimum", opset, batch), "fused_attention": False}, attempt)
