"""Seeded weights on a coarse grid, for every parameter of a PyTorch model.

No parameter keeps a 0 or a 1 that could hide an error: layer scales lie around 0.5, norm weights around 1, biases and
tables are small noise, batch normalization has means and variances of its own. The grid has few levels, so
that the files compress. Every parameter is drawn from a generator seeded by its own name: neither the order of the
parameters nor another exporter changes a weight. Buffers that a model computes (rotary tables, indices) stay.
"""

import math
import zlib

import numpy as np
import torch
from torch import nn

LEVELS = np.array([-1.5, -0.5, 0.5, 1.5], np.float32)


def generator(name):
    """Random numbers that depend on the parameter's name only."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def matrix(rng, shape):
    """Four levels with a standard deviation of about 1 / sqrt(fan in); the step is a power of two."""
    fan_in = max(1, math.prod(shape[1:]))
    step = 2.0 ** round(math.log2(1.0 / math.sqrt(1.25 * fan_in)))
    return rng.choice(LEVELS, shape) * step


def noise(rng, shape, step):
    """Five levels around zero: -2 .. 2 steps."""
    return rng.integers(-2, 3, shape).astype(np.float32) * step


def draw(name, module, value):
    """New values for one parameter, chosen by its module, its shape and its initial value."""
    rng, shape = generator(name), tuple(value.shape)
    leaf = name.rsplit(".", 1)[-1]
    if "Norm" in type(module).__name__ and leaf in ("weight", "bias"):
        return noise(rng, shape, 1 / 8) + (1.0 if leaf == "weight" else 0.0)
    if isinstance(module, nn.Embedding) or (value.ndim >= 2 and not leaf.endswith("weight") and value.std() > 0):
        return noise(rng, shape, 1 / 8)
    if value.ndim >= 2 and leaf.endswith("weight"):
        return matrix(rng, shape)
    constant = value.numel() > 0 and bool((value == value.flatten()[0]).all())
    if leaf.endswith("bias") or not constant:
        return noise(rng, shape, 1 / 16)
    first = float(value.flatten()[0])
    if any(word in name for word in ("gamma", "scale", "lambda")) and 0.0 < abs(first) <= 1.0:
        return noise(rng, shape, 1 / 16) + 0.5
    return noise(rng, shape, 1 / 8) if abs(first) < 0.1 else (1.0 + noise(rng, shape, 1 / 16)) * first


def fill(model):
    """Replaces the parameters and the running statistics of `model`, which is put in evaluation mode."""
    with torch.no_grad():
        for path, module in model.named_modules():
            for leaf, value in module.named_parameters(recurse=False):
                name = f"{path}.{leaf}"
                new = np.asarray(draw(name, module, value), np.float32)
                value.copy_(torch.from_numpy(new.reshape(value.shape)))
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                rng = generator(path)
                size = module.running_mean.shape
                module.running_mean.copy_(torch.from_numpy(noise(rng, size, 1 / 8)))
                module.running_var.copy_(torch.from_numpy(rng.integers(2, 7, size).astype(np.float32) / 4))
    return model.eval()
