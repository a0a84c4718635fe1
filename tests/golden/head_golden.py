"""Writes head.json: class means, ridge with GCV, shrunk LDA and novelty on a small set, from numpy, scipy and scikit-learn.

    python tests/golden/head_golden.py        (numpy, scipy, scikit-learn)
"""
import json
import pathlib

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.spatial.distance import cdist
from sklearn.covariance import oas
from sklearn.linear_model import Ridge

rng = np.random.default_rng(11)
E, C, N = 7, 5, 90
centres = rng.standard_normal((C, E)) * 1.5
mix = rng.standard_normal((E, E)) * 0.6
labels = rng.integers(0, C, N)
x = (centres[labels] + rng.standard_normal((N, E)) @ mix + 0.8).astype(np.float32)
test = (centres[rng.integers(0, C, 12)] + rng.standard_normal((12, E)) @ mix + 0.8).astype(np.float32)
means = np.stack([x[labels == c].astype(float).mean(0) for c in range(C)])


def unit(a):
    return a / np.linalg.norm(a, axis=1, keepdims=True)


# Ridge: the lambda of least GCV from the eigenvalues, the weights from scikit-learn.
phi, phi_test = (np.c_[a.astype(float), np.ones(len(a))] for a in (x, test))
y = np.eye(C)[labels]
values, vectors = np.linalg.eigh(phi.T @ phi)


def gcv(log10):
    lam = 10.0 ** log10
    w = vectors @ ((vectors.T @ (phi.T @ y)) / (values + lam)[:, None])
    return ((y - phi @ w) ** 2).sum() / N / (1 - (values / (values + lam)).sum() / N) ** 2


best = minimize_scalar(gcv, bounds=(-4, 4), method="bounded", options={"xatol": 1e-8})
lam = 10.0 ** best.x
weights = Ridge(alpha=lam, fit_intercept=False, solver="cholesky").fit(phi, y).coef_.T

# LDA: pooled within-class covariance, oracle-approximating shrinkage (equation 23 of arXiv 0907.4698; scikit-learn drops
# the 2/p terms, so its value is kept only as a neighbour).
freedom = N - C


def shrunk(rows, means):
    centred = rows - means[labels]
    cov = centred.T @ centred / freedom
    squares, trace = (cov ** 2).sum(), np.trace(cov)
    share = ((1 - 2 / E) * squares + trace ** 2) / ((freedom + 1 - 2 / E) * (squares - trace ** 2 / E))
    print("shrinkage", share, "scikit-learn's", oas(centred, assume_centered=True)[1])
    return (1 - share) * cov + share * trace / E * np.eye(E)


inverse = np.linalg.inv(shrunk(x.astype(float), means))
lda = test @ inverse @ means.T - 0.5 * np.einsum("ce,ef,cf->c", means, inverse, means)

# Novelty: relative Mahalanobis distance of unit rows, scipy's distances.
ux, ut = unit(x.astype(float)), unit(test.astype(float))
unit_means = np.stack([ux[labels == c].mean(0) for c in range(C)])
within = shrunk(ux, unit_means)
everything = within + np.cov(unit_means.T, fweights=np.bincount(labels), ddof=0)
to_classes = cdist(ut, unit_means, "mahalanobis", VI=np.linalg.inv(within)) ** 2
to_all = cdist(ut, ux.mean(0)[None], "mahalanobis", VI=np.linalg.inv(everything)) ** 2
novelty = to_classes.min(1) - to_all[:, 0]

out = {"width": E, "classes": C, "x": x.ravel().tolist(), "labels": labels.tolist(), "test": test.ravel().tolist(),
       "class_means": (unit(test.astype(float)) @ unit(means).T).ravel().tolist(),
       "gcv": best.fun, "lambda": lam, "ridge": (phi_test @ weights).ravel().tolist(), "lda": lda.ravel().tolist(),
       "novelty": novelty.tolist()}
path = pathlib.Path(__file__).with_name("head.json")
path.write_text(json.dumps(out))
print(path, path.stat().st_size, "bytes; lambda", lam)
