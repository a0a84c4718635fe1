"""Writes real_vit_golden.json: gradients and ten AdamW steps of the real ViT-Tiny with LoRA, in PyTorch and f64.

    python tests/golden/real_vit_golden.py ../shared/data/vit_tiny_patch16_224

Needs torch, onnx and Pillow. Weights come from the ONNX file, whose features the forward pass below is checked against.
LoRA of rank 4 and scaling 1 on q, k, v, o, fc1 and fc2 of all twelve blocks, a linear head of 8 rows of which 4 take
part, four pictures. Starting values are a formula that tests/joint.rs repeats; of every gradient the norm and the
products with two more such tensors are kept.
"""

import json
import pathlib
import sys

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from PIL import Image
from torch.nn.functional import conv2d, cross_entropy, gelu, layer_norm, linear

HERE = pathlib.Path(__file__).parent
FOLDER = pathlib.Path(sys.argv[1])
DIM, HEADS, DEPTH, RANK, ROWS, CLASSES = 192, 3, 12, 4, 8, 4
PICTURES = ["n01440764_tench", "n02123045_tabby", "n02690373_airliner", "n07753592_banana"]
WIDTHS = {"q": (DIM, DIM), "k": (DIM, DIM), "v": (DIM, DIM), "o": (DIM, DIM), "fc1": (DIM, 4 * DIM), "fc2": (4 * DIM, DIM)}

model = onnx.load(FOLDER / "vit_tiny_patch16_224.augreg_in21k_ft_in1k.onnx")
W = {t.name: torch.from_numpy(numpy_helper.to_array(t).astype(np.float64)) for t in model.graph.initializer
     if numpy_helper.to_array(t).dtype == np.float32}


def formula(index, shape, scale):
    """The fraction of a large multiple of a sine, in -scale/2..scale/2, rounded to f32."""
    rows, cols = (1, shape[0]) if len(shape) == 1 else shape
    i, j = np.meshgrid(np.arange(rows), np.arange(cols), indexing="ij")
    x = np.sin(12.9898 * i + 78.233 * j + 37.719 * index) * 43758.5453
    return (scale * (x - np.floor(x) - 0.5)).astype(np.float32).astype(np.float64).reshape(shape)


def shapes():
    out = {"head_weight": (ROWS, DIM), "head_bias": (ROWS,)}
    for block in range(DEPTH):
        for role, (inputs, outputs) in WIDTHS.items():
            out[f"block{block}.{role}.lora_a"] = (RANK, inputs)
            out[f"block{block}.{role}.lora_b"] = (outputs, RANK)
    return out


def features(p, images):
    def dense(x, name):
        return x @ W[f"{name}.weight_t"] + W[f"{name}.bias"]

    def lora(layer, x, site):
        return layer + linear(linear(x, p[f"{site}.lora_a"]), p[f"{site}.lora_b"]) if p else layer

    def norm(x, name):
        return layer_norm(x, (DIM,), W[f"{name}.weight"], W[f"{name}.bias"], 1e-6)

    x = conv2d(images, W["patch_embed.proj.weight"], W["patch_embed.proj.bias"], stride=16).flatten(2).transpose(1, 2)
    x = torch.cat([W["cls_token"].expand(len(x), -1, -1), x], 1) + W["pos_embed"]
    for b in range(DEPTH):
        n = norm(x, f"blocks.{b}.norm1")
        q, k, v = dense(n, f"blocks.{b}.attn.qkv").chunk(3, -1)
        q, k, v = (lora(t, n, f"block{b}.{r}").unflatten(-1, (HEADS, -1)).transpose(1, 2)
                   for t, r in ((q, "q"), (k, "k"), (v, "v")))
        context = ((q @ k.transpose(-2, -1) * (DIM // HEADS) ** -0.5).softmax(-1) @ v).transpose(1, 2).flatten(2)
        x = x + lora(dense(context, f"blocks.{b}.attn.proj"), context, f"block{b}.o")
        n = norm(x, f"blocks.{b}.norm2")
        hidden = gelu(lora(dense(n, f"blocks.{b}.mlp.fc1"), n, f"block{b}.fc1"))
        x = x + lora(dense(hidden, f"blocks.{b}.mlp.fc2"), hidden, f"block{b}.fc2")
    return norm(x, "norm")[:, 0]


def main():
    torch.set_num_threads(1)
    expected = json.loads((FOLDER / "parity/expected.json").read_text())
    stored = np.fromfile(FOLDER / "parity/features_10x192.f32", "<f4").reshape(-1, DIM)
    rows = [[e["file"] for e in expected].index(f"{p}.png") for p in PICTURES]
    pixels = np.stack([np.asarray(Image.open(FOLDER / f"parity/{p}.png").convert("RGB")) for p in PICTURES])
    # As f32, which is what the engine is given.
    images = torch.from_numpy(((pixels.astype(np.float32) / np.float32(255) - 0.5) / 0.5).transpose(0, 3, 1, 2).astype(np.float64))
    off = np.abs(features(None, images).numpy() - stored[rows]).max()
    assert off < 1e-3, f"another model: features differ by {off}"

    names = shapes()
    p = {n: torch.from_numpy(formula(i, s, 0.1)).requires_grad_() for i, (n, s) in enumerate(names.items())}
    labels = torch.arange(4)
    weights = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
    hidden = torch.where(torch.arange(ROWS) < CLASSES, 0.0, -torch.inf)
    optimizer = torch.optim.AdamW(p.values(), lr=0.0002, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
    losses, gradients = [], {}
    for step in range(10):
        optimizer.zero_grad()
        logits = linear(features(p, images), p["head_weight"], p["head_bias"]) + hidden
        loss = (weights * cross_entropy(logits, labels, reduction="none")).sum()
        loss.backward()
        if step == 0:
            for i, (n, t) in enumerate(p.items()):
                g = t.grad.numpy()
                probes = [float((g * formula(1000 * k + i, g.shape, 2.0)).sum()) for k in (1, 2)]
                gradients[n] = [float(np.linalg.norm(g))] + probes
        losses.append(float(loss.detach()))
        optimizer.step()
    print("features off by", off, "losses", losses)
    head = {"command": "python tests/golden/real_vit_golden.py VIT_FOLDER", "torch": torch.__version__.split("+")[0],
            "pictures": PICTURES, "losses": losses, "gradients": gradients}
    (HERE / "real_vit_golden.json").write_text(json.dumps(head, indent=0) + "\n")


main()
