"""Writes views_golden.json: NTK-CL's corrected objective (joint::Views) and its gradients in PyTorch and f64.

    python tests/golden/views_golden.py

Needs torch only. Features are an input here; what they come from is not this file's matter.
"""

import json
import pathlib

import torch
from torch.nn.functional import cross_entropy, normalize

BATCH, BESIDE, WIDTH, ROWS, CLASSES, OLD, DIRECTIONS = 4, 6, 5, 8, 3, 4, 2
ETA, NU, TAU = 0.1, 0.05, 0.1
g = torch.Generator().manual_seed(3)
E = BESIDE + WIDTH


def random(*shape):
    """f32 values, so that both sides start from the same numbers."""
    return torch.randn(shape, generator=g).double()


data = {
    "images": random(BATCH, WIDTH),
    "beside": random(BATCH, BESIDE),
    "prototypes": normalize(random(OLD, E), dim=1).float().double(),
    "subspace": torch.linalg.qr(random(E, DIRECTIONS))[0].float().double(),
    "sample_weights": torch.tensor([0.4, 0.3, 0.2, 0.1]).double(),
}
trained = {"head_weight": random(ROWS, E), "head_scale": torch.tensor([1.5]).double(), "head_gate": 0.3 * random(E)}
for t in trained.values():
    t.requires_grad_()
labels = torch.tensor([0, 2, 1, 2])

z = torch.cat([data["beside"], data["images"]], 1)
fused = 1.1 * z + 0.5 * trained["head_gate"] * z
hidden = torch.where(torch.arange(ROWS) < CLASSES, 0.0, -torch.inf)
proxies = normalize(trained["head_weight"], dim=1)
rows = torch.zeros(BATCH).double()
for view in (z, fused):
    logits = trained["head_scale"] * normalize(view, dim=1) @ proxies.T + hidden
    rows = rows + cross_entropy(logits, labels, reduction="none")
unit = normalize(fused, dim=1)
rows = rows + ETA * torch.logsumexp(unit @ data["prototypes"].T / TAU, 1)
rows = rows + NU * (unit @ data["subspace"]).square().sum(1)
loss = (data["sample_weights"] * rows).sum()
loss.backward()


def tensor(t):
    return {"shape": list(t.shape), "data": [float(f"{x:.9g}") for x in t.detach().flatten().tolist()]}


document = {
    "command": "python tests/golden/views_golden.py",
    "torch": torch.__version__.split("+")[0],
    "labels": labels.tolist(),
    "classes": CLASSES,
    "weights": [ETA, NU, TAU],
    "loss": float(loss.detach()),
    "inputs": {n: tensor(t) for n, t in {**data, **trained}.items()},
    "gradients": {n: tensor(t.grad) for n, t in trained.items()},
}
out = pathlib.Path(__file__).with_suffix(".json")
out.write_text("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in document.items()) + "\n}\n")
print("loss", document["loss"])
