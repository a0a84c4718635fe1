#!/usr/bin/env python3
"""scikit-learn's AUROC and false positive rate at 95 % recall: auroc_golden.json beside this script.

    python tests/golden/auroc_golden.py          (scikit-learn, numpy)

Scores are novelty (higher is stranger); the known ones are the positives that must be recalled, so they are negated.
"""
import json
import os

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve

rng = np.random.default_rng(7)
CASES = {
    "overlapping": (rng.normal(0, 1, 200), rng.normal(1.5, 1, 150)),
    "ties": (rng.integers(0, 6, 120), rng.integers(2, 9, 80)),
    "separate": (rng.uniform(0, 1, 40), rng.uniform(2, 3, 10)),
    "worse than chance": (rng.normal(1, 1, 33), rng.normal(0, 1, 57)),
    "all equal": (np.zeros(20), np.zeros(30)),
    "one each": (np.array([0.25]), np.array([0.5])),
}
out = []
for name, (known, unknown) in CASES.items():
    known, unknown = np.round(known, 6).astype(float), np.round(unknown, 6).astype(float)
    labels = np.r_[np.ones(len(known)), np.zeros(len(unknown))]
    accept = -np.r_[known, unknown]
    fpr, tpr, _ = roc_curve(labels, accept, drop_intermediate=False)
    out.append({"name": name, "known": known.tolist(), "unknown": unknown.tolist(),
                "auroc": 100 * roc_auc_score(labels, accept),
                "false_accept_at_95": 100 * fpr[np.argmax(tpr >= 0.95)]})
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "auroc_golden.json")
with open(path, "w") as f:
    json.dump(out, f)
print(path, os.path.getsize(path), "bytes")
