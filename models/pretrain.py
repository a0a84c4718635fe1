"""Trains the weights of models/perennial-tiny.onnx with PyTorch: the network of vit.rs, the objective of objective.rs.

    cargo build --release --example pictures
    python models/pretrain.py target/release/examples/pictures weights.f32
    cargo run --release --example pretrain -- --weights weights.f32

Needs torch and numpy. Pictures come from the Rust program through a pipe and are never seen twice.
"""

import math
import subprocess
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

CLASSES, WIDTH, DEPTH, HEADS, HIDDEN = 296, 96, 6, 3, 384
STEPS, BATCH, WARMUP, RATE, DECAY, BETAS, CLIP, SKETCH = 4000, 32, 200, 2e-3, 0.05, (0.9, 0.98), 1.0, 5.0


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.qkv = nn.LayerNorm(WIDTH, eps=1e-6), nn.Linear(WIDTH, 3 * WIDTH)
        self.proj, self.norm2 = nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH, eps=1e-6)
        self.fc1, self.fc2 = nn.Linear(WIDTH, HIDDEN), nn.Linear(HIDDEN, WIDTH)

    def forward(self, x):
        n, t, w = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(n, t, 3, HEADS, w // HEADS).permute(2, 0, 3, 1, 4)
        x = x + self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, w))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class Vit(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Conv2d(3, WIDTH, 8, 8)
        self.cls = nn.Parameter(torch.randn(1, 1, WIDTH) * 0.02)
        self.pos = nn.Parameter(torch.randn(1, 65, WIDTH) * 0.02)
        self.blocks = nn.ModuleList([Block() for _ in range(DEPTH)])
        self.norm = nn.LayerNorm(WIDTH, eps=1e-6)
        self.head, self.pooled = nn.Linear(WIDTH, CLASSES), nn.Linear(WIDTH, CLASSES)
        self.sketch = nn.Linear(WIDTH, 32)
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.trunc_normal_(m.weight, std=0.02 if m is self.head else 0.7 * m.in_features**-0.5)
                nn.init.zeros_(m.bias)
        nn.init.normal_(self.embed.weight, std=192**-0.5)
        self.pos.data[0, 1:] = 0.3 * waves()

    def forward(self, images):
        x = self.embed(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], 1) + self.pos
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def exported(self):
        """Parameters in the order and orientation of vit.rs."""
        yield self.embed.weight.reshape(WIDTH, 192).T
        yield from (self.embed.bias, self.cls, self.pos)
        for b in self.blocks:
            for linear in (b.qkv, b.proj, b.fc1, b.fc2):
                yield from (linear.weight.T, linear.bias)
            for norm in (b.norm1, b.norm2):
                yield from (norm.weight, norm.bias)
        yield from (self.norm.weight, self.norm.bias, self.head.weight, self.head.bias)


def waves():
    quarter, at = WIDTH // 4, torch.arange(8.0)[:, None]
    angle = at / 100 ** (torch.arange(quarter) / quarter)
    line = torch.cat([angle.sin(), angle.cos()], 1)
    return torch.cat([line[:, None].expand(8, 8, -1), line[None].expand(8, 8, -1)], 2).reshape(64, WIDTH)


def batches(program):
    """Images, what their pixels show, labels; shuffled within six rounds over the classes."""
    pipe = subprocess.Popen([program, "lessons", "0", "0", "100000", "64", "shown"], stdout=subprocess.PIPE).stdout
    rng, n = np.random.default_rng(0), 6 * CLASSES
    labels = torch.from_numpy(np.tile(np.arange(CLASSES), 6))
    while True:
        rows = np.frombuffer(pipe.read(n * 16384), np.uint8).reshape(n, 16384)
        order = rng.permutation(n)
        for i in range(0, n - BATCH + 1, BATCH):
            pick = order[i : i + BATCH]
            rgb = rows[pick, :12288].reshape(-1, 64, 64, 3).transpose(0, 3, 1, 2)
            images = torch.from_numpy(np.ascontiguousarray(rgb)).float() / 127.5 - 1
            yield images, torch.from_numpy(rows[pick, 12288:].reshape(-1, 64, 64)), labels[pick]


def sketch(shown):
    ink, edge = (shown > 0).float(), torch.zeros(shown.shape)
    edge[:, :, :-1] = (shown[:, :, 1:] != shown[:, :, :-1]).float()
    edge[:, :-1] = torch.maximum(edge[:, :-1], (shown[:, 1:] != shown[:, :-1]).float())
    both = torch.cat([F.avg_pool2d(ink[:, None], 2), F.max_pool2d(edge[:, None], 2)], 1)
    return both.reshape(-1, 2, 8, 4, 8, 4).permute(0, 2, 4, 1, 3, 5).reshape(-1, 64, 32)


def main(program, out):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = Vit()
    matrix = [p for p in net.parameters() if p.dim() in (2, 4)]
    other = [p for p in net.parameters() if p.dim() not in (2, 4)]
    groups = [{"params": matrix, "weight_decay": DECAY}, {"params": other, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=BETAS)
    total = 0.0
    for step, (images, shown, labels) in enumerate(batches(program)):
        if step == STEPS:
            break
        cosine = 0.99 * 0.5 * (1 + math.cos(math.pi * step / STEPS)) + 0.01
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / WARMUP) * cosine
        tokens = net(images)
        patches = tokens[:, 1:]
        own = F.cross_entropy(net.head(tokens[:, 0]), labels)
        loss = own + F.cross_entropy(net.pooled(patches.mean(1)), labels)
        loss = loss + SKETCH * F.mse_loss(net.sketch(patches), sketch(shown))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), CLIP)
        optimizer.step()
        total += own.item()
        if (step + 1) % 100 == 0:
            print(f"step {step + 1:5}  loss {total / 100:.3f}", flush=True)
            total = 0.0
    with open(out, "wb") as file:
        for p in net.exported():
            file.write(p.detach().contiguous().numpy().astype("<f4").tobytes())


main(*sys.argv[1:])
