#!/usr/bin/env python3
"""The learner's work as PyTorch does it: ViT with LoRA on the fused qkv, a linear head, AdamW.

    torch_lora.py {eager|compile} [--model vit_tiny_patch16_224]

Speaks the protocol of `perennial bench --peer` (src/cli/bench/process.rs): a case as one line of JSON, then `run` lines,
each answered with seconds; the peak at the end. Weights are random: they cost as much as trained ones. Frozen weights
need no gradient, and a prefix that is not adapted runs under no_grad, as a careful user writes it.
"""
import argparse
import json
import resource
import sys
import time

START = time.perf_counter()

import torch  # noqa: E402
from timm import create_model  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402


class Lora(torch.nn.Module):
    """y = W x + b + scaling B A x, with W and b frozen."""

    def __init__(self, linear, rank, scaling):
        super().__init__()
        self.linear, self.scaling = linear, scaling
        self.a = torch.nn.Parameter(torch.empty(rank, linear.in_features))
        self.b = torch.nn.Parameter(torch.zeros(linear.out_features, rank))
        torch.nn.init.kaiming_uniform_(self.a, a=5**0.5)

    def forward(self, x):
        delta = torch.nn.functional.linear(torch.nn.functional.linear(x, self.a), self.b)
        return self.linear(x) + self.scaling * delta


class PerImage(Lora):
    """One adapter an image."""

    def forward(self, x):
        batch = x.shape[0]
        a, b = self.a.expand(batch, -1, -1), self.b.expand(batch, -1, -1)
        return self.linear(x) + self.scaling * (x @ a.mT) @ b.mT


class Network(torch.nn.Module):
    """Prefix, suffix and head of a timm vision transformer."""

    def __init__(self, model, classes):
        super().__init__()
        self.model, self.head = model, torch.nn.Linear(model.embed_dim, classes)

    def prefix(self, images, first):
        m = self.model
        x = m.norm_pre(m.patch_drop(m._pos_embed(m.patch_embed(images))))
        for block in m.blocks[:first]:
            x = block(x)
        return x

    def suffix(self, tokens, first):
        m = self.model
        for block in m.blocks[first:]:
            tokens = checkpoint(block, tokens, use_reentrant=False) if self.recomputes else block(tokens)
        return m.norm(tokens)[:, 0]


def build(case, name):
    torch.manual_seed(0)
    torch.set_num_threads(case["threads"])
    model = create_model(name, pretrained=False, num_classes=0).eval().requires_grad_(False)
    network = Network(model, case["classes"])
    network.recomputes = case["work"] == "step-all-recomputed"
    lora, blocks = case["lora"], len(model.blocks)
    last = lora["blocks"]["Last"] if case["work"] in ("step-last", "step-cached") else blocks
    kind = PerImage if case["work"] == "per-image" else Lora
    if case["work"] not in ("forward", "merged"):
        for block in model.blocks[blocks - last :]:
            block.attn.qkv = kind(block.attn.qkv, lora["rank"], lora["alpha"] / lora["rank"])
    return network, blocks - last


def work(case, network, first, compiled):
    """A function that does the work once."""
    images = torch.randn(case["batch"], 3, *network.model.patch_embed.img_size)
    wrap = torch.compile if compiled else lambda f: f
    if not case["work"].startswith("step"):
        forward = wrap(lambda x: network.suffix(network.prefix(x, 0), 0))

        def predict():
            with torch.no_grad():
                forward(images)

        return predict
    labels = torch.arange(case["batch"]) % case["classes"]
    trained = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-3, weight_decay=0.0)
    prefix = wrap(lambda x: network.prefix(x, first))
    loss = wrap(lambda t: torch.nn.functional.cross_entropy(network.head(network.suffix(t, first)), labels))
    with torch.no_grad():
        cached = network.prefix(images, first)

    def step():
        if case["work"] == "step-cached":
            tokens = cached
        else:
            # Nothing is trained before the first adapted block.
            with torch.no_grad():
                tokens = prefix(images)
        optimizer.zero_grad(set_to_none=True)
        loss(tokens).backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()

    return step


def say(**answer):
    print(json.dumps(answer), flush=True)


def peak():
    """VmHWM; ru_maxrss would count the parent's memory before exec."""
    try:
        for line in open("/proc/self/status"):
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=["eager", "compile"])
    parser.add_argument("--model", default="vit_tiny_patch16_224")
    args = parser.parse_args()
    case = json.loads(sys.stdin.readline())
    try:
        network, first = build(case, args.model)
        load = time.perf_counter() - START
        run = work(case, network, first, args.mode == "compile")
        if args.mode == "compile":
            run()
        say(load=load, compile=time.perf_counter() - START - load)
        for _ in sys.stdin:
            start = time.perf_counter()
            run()
            say(seconds=time.perf_counter() - start)
    except Exception as error:  # the parent prints it beside the case
        say(error=f"{type(error).__name__}: {error}"[:300])
        return
    say(peak_bytes=peak())


main()
