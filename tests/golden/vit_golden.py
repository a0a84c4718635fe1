"""Writes vit_golden.json: gradients and ten AdamW steps of a fixture with LoRA, in PyTorch and f64.

    python tests/golden/vit_golden.py

Needs torch, and what export_fixtures.py needs, whose model it takes; checks that the model is the one of
tests/fixtures. LoRA of rank 2 and scaling 1.5 on q, v, o, fc1 and fc2 of both blocks, bottlenecks of the same rank and
scaling beside and behind the feed-forward part, a linear head of 16 rows of which 5 take part, weighted cross-entropy.
The images are the two stored ones and their negatives. "prefix" and "prompt" hold the same for two such tokens a block
beside LoRA on q and o.
"""

import json
import pathlib

import numpy as np
import torch
from torch.nn.functional import cross_entropy, gelu, linear

from export_fixtures import DIM, HEADS, MODELS

torch.set_num_threads(1)
HERE = pathlib.Path(__file__).parent
FIXTURE = "fused_legacy_op17_dynamic"
RANK, SCALING, ROWS, CLASSES, SEED = 2, 1.5, 16, 5, 12
WIDTHS = {"q": (DIM, DIM), "v": (DIM, DIM), "o": (DIM, DIM), "fc1": (DIM, 2 * DIM), "fc2": (2 * DIM, DIM)}
WIDTHS |= {"parallel": (DIM, DIM), "series": (DIM, DIM)}
PREFIX = {"q": (DIM, DIM), "o": (DIM, DIM), "prefix": (DIM, DIM)}
PROMPT = {"q": (DIM, DIM), "o": (DIM, DIM), "prompt": (DIM, None)}


def start(widths):
    """Head and adapters, of nine digits, so that the file holds them exactly."""
    # With this seed no bottleneck is off for all four images.
    g = torch.Generator().manual_seed(SEED)
    shapes = {"head_weight": (ROWS, DIM), "head_bias": (ROWS,)}
    for block in range(2):
        for role, (inputs, outputs) in widths.items():
            shapes[f"block{block}.{role}.lora_a"] = (RANK, inputs)
            if outputs:
                shapes[f"block{block}.{role}.lora_b"] = (outputs, RANK)
    # f32 values, so that both sides start from the same numbers.
    return {n: (0.2 * torch.randn(s, generator=g)).double().requires_grad_() for n, s in shapes.items()}


def features(model, p, images):
    """The fixture's forward pass, written out with the adapters in it."""

    def lora(layer, x, site):
        if f"{site}.lora_a" not in p:
            return layer
        return layer + SCALING * linear(linear(x, p[f"{site}.lora_a"]), p[f"{site}.lora_b"])

    def bottleneck(x, site):
        if f"{site}.lora_a" not in p:
            return 0
        return linear((SCALING * linear(x, p[f"{site}.lora_a"])).relu(), p[f"{site}.lora_b"])

    def tokens(block, i, k, v):
        """Prefixes bring keys and values, prompts pass the layers that make them."""
        if f"block{i}.prefix.lora_a" in p:
            more = p[f"block{i}.prefix.lora_a"], p[f"block{i}.prefix.lora_b"].T
        elif f"block{i}.prompt.lora_a" in p:
            _, *more = block.attention.qkv(p[f"block{i}.prompt.lora_a"]).chunk(3, -1)
        else:
            return k, v
        return (torch.cat([t, m.expand(len(t), -1, -1)], 1) for t, m in zip((k, v), more))

    x = model.patch(images).flatten(2).transpose(1, 2)
    x = torch.cat([model.cls.expand(len(x), -1, -1), x], 1) + model.position
    for i, block in enumerate(model.blocks):
        n = block.norm1(x)
        q, k, v = block.attention.qkv(n).chunk(3, -1)
        q, v = lora(q, n, f"block{i}.q"), lora(v, n, f"block{i}.v")
        k, v = tokens(block, i, k, v)
        q, k, v = (t.unflatten(-1, (HEADS, -1)).transpose(1, 2) for t in (q, k, v))
        context = (q @ k.transpose(-2, -1) * (DIM // HEADS) ** -0.5).softmax(-1) @ v
        context = context.transpose(1, 2).flatten(2)
        x = x + lora(block.attention.o(context), context, f"block{i}.o")
        n = block.norm2(x)
        hidden = gelu(lora(block.fc1(n), n, f"block{i}.fc1"))
        y = lora(block.fc2(hidden), hidden, f"block{i}.fc2")
        x = x + y + bottleneck(n, f"block{i}.parallel") + bottleneck(y, f"block{i}.series")
    return model.norm(x)[:, 0]


def tensor(t):
    return {"shape": list(t.shape), "data": [float(f"{x:.9g}") for x in t.detach().flatten().tolist()]}


def main():
    fixtures = HERE.parent / "fixtures"
    two = torch.from_numpy(np.fromfile(fixtures / "images_2x3x32x32.f32", "<f4").reshape(2, 3, 32, 32)).double()
    model = MODELS["fused"]().double().requires_grad_(False)
    stored = json.loads((fixtures / "expected.json").read_text())["fixtures"][FIXTURE]["outputs"]["features"]
    frozen = {n: torch.zeros_like(t) for n, t in start(WIDTHS).items()}
    assert np.allclose(features(model, frozen, two).numpy().ravel(), stored["data"], atol=1e-5), "another model"

    head = json.dumps({"command": "python tests/golden/vit_golden.py", "torch": torch.__version__.split("+")[0]})[:-1]
    rows = {"fixture": FIXTURE, **course(model, two, WIDTHS), "prefix": course(model, two, PREFIX), "prompt": course(model, two, PROMPT)}
    text = head + "".join(f",\n{json.dumps(k)}: {json.dumps(v)}" for k, v in rows.items()) + "}\n"
    (HERE / "vit_golden.json").write_text(text)


def course(model, two, widths):
    """Losses of ten steps, parameters before the first and gradients of the first."""
    images, labels = torch.cat([two, -two]), torch.arange(4)
    weights = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
    hidden = torch.where(torch.arange(ROWS) < CLASSES, 0.0, -torch.inf)
    p = start(widths)
    initial = {n: tensor(t) for n, t in p.items()}
    optimizer = torch.optim.AdamW(p.values(), lr=0.01, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
    losses, gradients = [], {}
    for step in range(10):
        optimizer.zero_grad()
        logits = linear(features(model, p, images), p["head_weight"], p["head_bias"]) + hidden
        loss = (weights * cross_entropy(logits, labels, reduction="none")).sum()
        loss.backward()
        if step == 0:
            gradients = {n: tensor(t.grad) for n, t in p.items()}
            assert all(t.grad.any() for t in p.values()), "a bottleneck is off"
        losses.append(float(loss.detach()))
        optimizer.step()
    print("losses", losses)
    return {"losses": losses, "initial": initial, "gradients": gradients}


main()
