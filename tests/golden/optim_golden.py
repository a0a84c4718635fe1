"""Writes optim.json: 20 steps of torch.optim.AdamW and SGD on recorded gradients.

    python tests/golden/optim_golden.py        (torch 2.x, numpy)
"""
import json
import pathlib

import numpy as np
import torch

torch.set_num_threads(1)
rng = np.random.default_rng(7)
STEPS, SHAPES = 20, [(3, 4), (2, 3)]
start = [rng.standard_normal(s).astype(np.float32) for s in SHAPES]
# Some gradients are tiny, so that eps matters, and scales differ between entries.
scale = [10.0 ** rng.uniform(-6, 1, s) for s in SHAPES]
grads = [[(rng.standard_normal(s) * k).astype(np.float32) for s, k in zip(SHAPES, scale)] for _ in range(STEPS)]

CASES = {
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-2, weight_decay=0.0),
    "adamw_decay": lambda p: torch.optim.AdamW(p, lr=3e-3, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1),
    "sgd": lambda p: torch.optim.SGD(p, lr=1e-2),
    "sgd_momentum": lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, weight_decay=0.05),
    "sgd_nesterov": lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, nesterov=True, weight_decay=0.05),
}

out = {"start": [p.ravel().tolist() for p in start], "shapes": SHAPES,
       "grads": [[g.ravel().tolist() for g in step] for step in grads], "cases": {}}
for name, make in CASES.items():
    params = [torch.nn.Parameter(torch.tensor(p)) for p in start]
    optimizer, track = make(params), []
    for step in grads:
        for p, g in zip(params, step):
            p.grad = torch.tensor(g)
        optimizer.step()
        track.append([p.detach().numpy().ravel().tolist() for p in params])
    out["cases"][name] = track

# Clipping by the global norm.
params = [torch.nn.Parameter(torch.tensor(p)) for p in start]
for p, g in zip(params, grads[0]):
    p.grad = torch.tensor(g)
norm = torch.nn.utils.clip_grad_norm_(params, 0.5)
out["clip"] = {"norm": float(norm), "grads": [p.grad.numpy().ravel().tolist() for p in params]}

path = pathlib.Path(__file__).with_name("optim.json")
path.write_text(json.dumps(out))
print(path, path.stat().st_size, "bytes, torch", torch.__version__)
