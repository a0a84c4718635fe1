"""Seeded weights on a coarse grid, for every parameter of a PyTorch model.

No parameter keeps a 0 or a 1 that could hide an error: layer scales lie around 0.5, norm weights around 1,
biases and tables are small noise. Batch normalization gets the means and variances that the zoo's two images
give, rounded, so that activations neither vanish nor explode. The grid has few levels, so that the files
compress; models with many parameters get two levels instead of four. Every parameter is drawn from a generator
seeded by its own name: neither the order of the parameters nor another exporter changes a weight. Buffers that a
model computes (rotary tables, indices) stay.
"""

import math

import numpy as np
import torch
from torch import nn

from .grid import MANY, generator, matrix, noise


def draw(name, module, value, levels):
    """New values for one parameter, chosen by its module, its shape and its initial value."""
    rng, shape = generator(name), tuple(value.shape)
    leaf = name.rsplit(".", 1)[-1]
    if "Norm" in type(module).__name__ and leaf in ("weight", "bias"):
        return noise(rng, shape, 1 / 8) + (1.0 if leaf == "weight" else 0.0)
    if isinstance(module, nn.Embedding) or (value.ndim >= 2 and not leaf.endswith("weight") and value.std() > 0):
        return noise(rng, shape, 1 / 8)
    if value.ndim >= 2 and leaf.endswith("weight"):
        return matrix(rng, shape, levels)
    constant = value.numel() > 0 and bool((value == value.flatten()[0]).all())
    if leaf.endswith("bias") or not constant:
        return noise(rng, shape, 1 / 16)
    first = float(value.flatten()[0])
    if any(word in name for word in ("gamma", "scale", "lambda")) and 0.0 < abs(first) <= 1.0:
        return noise(rng, shape, 1 / 16) + 0.5
    return noise(rng, shape, 1 / 8) if abs(first) < 0.1 else (1.0 + noise(rng, shape, 1 / 16)) * first


def statistics(model, images):
    """Running variances of 3/4 to 3/2 of a layer's own, running means on a grid of an eighth of its deviation.

    The layer's own are those of `images`, rounded. One variance a layer: two images say too little about a channel.
    """
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.momentum = 1.0
        norm.train()
    if norms:
        model(images)
    for path, norm in model.named_modules():
        if norm in norms:
            norm.eval()
            level = float(2.0 ** torch.round(torch.log2(norm.running_var.mean().clamp(min=1 / 64))))
            step = 2.0 ** math.floor(math.log2(level) / 2) / 8
            rng, size = generator(path), norm.running_mean.shape
            norm.running_mean.copy_(torch.round(norm.running_mean / step) * step)
            norm.running_mean.add_(torch.from_numpy(noise(rng, size, step)))
            norm.running_var.copy_(torch.from_numpy(rng.integers(3, 7, size).astype(np.float32) / 4 * level))
            norm.momentum = 0.1


def fill(model, images):
    """Replaces the parameters and the running statistics of `model`, which is put in evaluation mode."""
    levels = "two" if sum(p.numel() for p in model.parameters()) > MANY else "four"
    model.eval()
    with torch.no_grad():
        for path, module in model.named_modules():
            for leaf, value in module.named_parameters(recurse=False):
                name = f"{path}.{leaf}"
                new = np.asarray(draw(name, module, value, levels), np.float32)
                value.copy_(torch.from_numpy(new.reshape(value.shape)))
        statistics(model, images)
    return model
