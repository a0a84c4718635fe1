#!/usr/bin/env python3
"""A timm vision transformer with random weights as ONNX, for timing and memory only.

    export.py vit_base_patch16_224 OUT.onnx        (needs torch, timm, onnx)
"""
import sys

import torch
from timm import create_model


def main(name, out):
    torch.manual_seed(0)
    model = create_model(name, pretrained=False, num_classes=0).eval()
    # Fused attention would be exported as one operator that is taken apart again.
    for block in model.blocks:
        block.attn.fused_attn = False
    images = torch.randn(2, 3, *model.patch_embed.img_size)
    torch.onnx.export(
        model,
        (images,),
        out,
        dynamo=False,
        opset_version=17,
        input_names=["images"],
        output_names=["features"],
        dynamic_axes={"images": {0: "N"}, "features": {0: "N"}},
    )


main(*sys.argv[1:])
