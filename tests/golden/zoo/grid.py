"""Random numbers on a coarse grid, drawn by name."""

import math
import zlib

import numpy as np

LEVELS = {"four": np.array([-1.5, -0.5, 0.5, 1.5], np.float32), "two": np.array([-1.0, 1.0], np.float32)}
MANY = 50_000


def generator(name):
    """Random numbers that depend on the parameter's name only."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def matrix(rng, shape, levels):
    """A few levels with a standard deviation of about 1 / sqrt(fan in); the step is a power of two.

    Convolutions get twice the variance: an activation follows, and signals must reach the last stage.
    """
    fan_in = max(1, math.prod(shape[1:])) / (2 if len(shape) == 4 else 1)
    step = 2.0 ** round(math.log2(1.0 / math.sqrt(1.25 * fan_in)))
    return rng.choice(LEVELS[levels], shape) * step


def noise(rng, shape, step):
    """Five levels around zero: -2 .. 2 steps."""
    return rng.integers(-2, 3, shape).astype(np.float32) * step
