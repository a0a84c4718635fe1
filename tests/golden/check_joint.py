#!/usr/bin/env python3
"""Gradients of a compiled training step against central differences, on ONNX Runtime.

    perennial compile MODEL --blocks 4 --rank 8 --batch 2 --out DIR
    python tests/golden/check_joint.py DIR        (needs numpy and onnxruntime)

Nothing of Perennial runs here: the file is standard ONNX. For every trainable input, a direction (half along the
gradient, half random) and several steps; printed is the best relative error, as the valley between truncation and
the rounding of an f32 loss depends on the input. Exit status 1 above 1e-3.
"""
import json
import sys

import numpy as np
import onnxruntime as ort

TOLERANCE = 1e-3


def main(folder):
    manifest = json.load(open(f"{folder}/manifest.json"))["files"]["joint.onnx"]
    session = ort.InferenceSession(f"{folder}/joint.onnx", providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    feed = {p["name"]: sample(p, rng) for p in manifest["inputs"]}
    outputs = [p["name"] for p in manifest["outputs"]]
    values = dict(zip(outputs, session.run(outputs, feed)))
    loss = lambda f: float(session.run(["loss"], f)[0])
    worst = 0.0
    for name in outputs:
        if not name.endswith(".grad"):
            continue
        x, g = name.removesuffix(".grad"), values[name].astype(np.float64)
        d = unit(unit(g) + unit(rng.standard_normal(g.shape)))
        analytic = float((g * d).sum())
        largest = min(1.0, 0.05 / max(abs(analytic), 1e-3))
        error, central = min(compare(loss, feed, x, d, analytic, s * largest) for s in (1.0, 0.3, 0.1, 0.03))
        worst = max(worst, error)
        print(f"{x:28} analytic {analytic:12.5e}  central {central:12.5e}  relative {error:.1e}")
    print(f"onnxruntime {ort.__version__}: worst relative error {worst:.1e}")
    return worst > TOLERANCE


def compare(loss, feed, x, d, analytic, h):
    at = lambda t: loss({**feed, x: (feed[x].astype(np.float64) + t * d).astype(np.float32)})
    slope = lambda t: (at(t) - at(-t)) / (2 * t)
    central = (4 * slope(h / 2) - slope(h)) / 3
    return abs(analytic - central) / max(abs(analytic), abs(central), 1e-30), central


def sample(port, rng):
    name, shape = port["name"], [int(n) if n.isdigit() else 2 for n in port["shape"]]
    if name == "labels":
        return (np.arange(shape[0]) % 3).astype(np.int64)
    if name == "class_mask":
        return (np.arange(shape[0]) < 5).astype(np.float32)
    if name == "sample_weights":
        return np.full(shape, 1 / shape[0], np.float32)
    scale = shape[-1] ** -0.5 if ".lora_" in name else 0.1 if name.startswith("head_") else 1.0
    return (rng.standard_normal(shape) * scale).astype(np.float32)


def unit(a):
    return a / max(np.linalg.norm(a), 1e-30)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
