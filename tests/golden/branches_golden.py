"""Writes branches_golden.json: NTK-CL's objective over two branches (joint::Branches) and its gradients in PyTorch and f64.

    python tests/golden/branches_golden.py

Needs torch only. The fused view is made by a whole attention of five heads over one key, dissimilarity by a loop over pairs. The last row
pads its batch. `images` holds the features of both branches side by side.
"""

import json
import pathlib

import torch
from torch.nn.functional import cross_entropy, normalize

BATCH, WIDTH, ROWS, CLASSES, OLD, DIRECTIONS, HEADS = 5, 5, 8, 3, 4, 2, 5
ETA, NU, LAMBDA, TAU = 0.3, 0.05, 0.01, 0.2
g = torch.Generator().manual_seed(4)
E = 3 * WIDTH


def random(*shape):
    """f32 values, so that both sides start from the same numbers."""
    return torch.randn(shape, generator=g).double()


labels, prototype_labels, live = torch.tensor([0, 2, 1, 2, 1]), torch.tensor([3, 4, 5, 2]), 4
data = {
    "images": random(BATCH, 2 * WIDTH),
    "beside": random(BATCH, E),
    "prototypes": normalize(random(OLD, E), dim=1).float().double(),
    "subspace": torch.linalg.qr(random(E, DIRECTIONS))[0].float().double(),
    "sample_weights": torch.tensor([0.25, 0.25, 0.25, 0.25, 0.0]).double(),
    "fusion_weight_found": 0.3 * random(E, E),
    "fusion_bias_found": 0.3 * random(E),
}
trained = {
    "head_weight": random(ROWS, E),
    "head_scale": torch.tensor([1.5]).double(),
    "fusion_weight": 0.3 * random(E, E),
    "fusion_bias": 0.3 * random(E),
}
# f32 values stay f32 values.
data = {name: t.float().double() for name, t in data.items()}
trained = {name: t.float().double().requires_grad_() for name, t in trained.items()}
w_q, w_k = random(E, E), random(E, E)


def attention(z_p, z_c):
    """One query, one key, one value: [batch, heads, 1, width of a head]."""
    heads = lambda x: x.reshape(BATCH, HEADS, 1, E // HEADS)
    values = z_c @ trained["fusion_weight"] + trained["fusion_bias"]
    scores = heads(z_p @ w_q) @ heads(z_c @ w_k).transpose(2, 3) / (E // HEADS) ** 0.5
    return (torch.softmax(scores, -1) @ heads(values)).reshape(BATCH, E)


def contrast(z, prototypes):
    """As released: the sum over pairs of one class inside the logarithm, and the sign turned around."""
    rows = torch.cat([z[:live], prototypes])
    of = torch.cat([labels[:live], prototype_labels])
    s = normalize(rows, dim=1) @ normalize(rows, dim=1).T / TAU
    n = len(of)
    same = sum(torch.exp(s[i, j]) for i in range(n) for j in range(n) if i != j and of[i] == of[j])
    each = [torch.logsumexp(torch.stack([s[i, j] for j in range(n) if j != i]), 0) for i in range(n)]
    return torch.log(same) - torch.stack(each).mean()


def loss(released):
    frozen, slow_c, slow_p = data["beside"].split(WIDTH, 1)
    c, p = data["images"].split(WIDTH, 1)
    z_c, z_p = torch.cat([frozen, slow_c, c], 1), torch.cat([frozen, slow_p, p], 1)
    z_m = 0.5 * attention(z_p, z_c) + 1.0 * z_c + 0.1 * z_p
    hidden = torch.where(torch.arange(ROWS) < CLASSES, 0.0, -torch.inf)
    proxies = normalize(trained["head_weight"], dim=1)
    w, total = data["sample_weights"], 0.0
    for view in (z_c, z_p, z_m):
        logits = trained["head_scale"] * normalize(view, dim=1) @ proxies.T + hidden
        total = total + (w * cross_entropy(logits, labels, reduction="none")).sum()
    if released:
        total = total + ETA * contrast(z_m, data["prototypes"])
    else:
        total = total + ETA * (w * torch.logsumexp(normalize(z_m, dim=1) @ data["prototypes"].T / TAU, 1)).sum()
    for view in (z_c, z_p):
        unit, u = normalize(view, dim=1), data["subspace"]
        rows = (unit - unit @ u @ u.T).sum(1) if released else (unit @ u).square().sum(1)
        total = total + NU * (w * rows).sum()
    for name in ("fusion_weight", "fusion_bias"):
        total = total + LAMBDA * (trained[name] - data[f"{name}_found"]).square().sum()
    return total


def tensor(t):
    return {"shape": list(t.shape), "data": [float(f"{x:.9g}") for x in t.detach().flatten().tolist()]}


forms = {}
for name, released in {"released": True, "mended": False}.items():
    total = loss(released)
    gradients = torch.autograd.grad(total, list(trained.values()))
    forms[name] = {"loss": float(total.detach()), "gradients": {n: tensor(t) for n, t in zip(trained, gradients)}}
document = {
    "command": "python tests/golden/branches_golden.py",
    "torch": torch.__version__.split("+")[0],
    "labels": labels.tolist(),
    "prototype_labels": prototype_labels.tolist(),
    "classes": CLASSES,
    "weights": [ETA, NU, LAMBDA, TAU],
    "inputs": {n: tensor(t) for n, t in {**data, **trained}.items()},
    **forms,
}
out = pathlib.Path(__file__).with_suffix(".json")
out.write_text("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in document.items()) + "\n}\n")
print({name: form["loss"] for name, form in forms.items()})
