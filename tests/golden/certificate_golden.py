"""Writes certificate.json: delta, kappa, sig2, M and threshold of the error certificate (methods.md 3.8) in f64 numpy.

    python tests/golden/certificate_golden.py        (numpy 2)

Three tasks in three dimensions. Each task has its own embedding of the samples (`embeddings[k][i]`: samples of task k as
task i sees them). The mixtures are given to both sides as hard-assigned points (`train`, `labels`); the covariances that
the theorem is about are those that the other side fitted, so this script gets means and covariances from the same
closed-form posterior of one M-step, written out here: Normal-Wishart, weights unused.
"""

import json
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).parent
JITTER, EPS = 1e-4, 0.01


def grid(x):
    return np.round(np.asarray(x) * 64) / 64


def posterior(x, labels, k, nu0, beta0):
    """Means and covariances after one M-step from hard labels, zero prior mean and identity prior scatter."""
    d = x.shape[1]
    means, covariances = [], []
    for j in range(k):
        own = x[labels == j]
        n, mean = len(own), own.mean(axis=0)
        scatter = (own - mean).T @ (own - mean)
        c = np.eye(d) + scatter + n * beta0 / (beta0 + n) * np.outer(mean, mean)
        means.append(n * mean / (beta0 + n))
        covariances.append(c / (nu0 + n))
    return np.array(means), np.array(covariances)


def certificate(k, mixtures, embeddings, members):
    d = embeddings[0].shape[1]
    tau = sum(len(m) for m, _ in mixtures)
    odds = ((len(mixtures) - 1) * tau + 1) / EPS
    out = []
    for t in range(len(mixtures[k][0])):
        rows = members == t
        own = np.linalg.slogdet(mixtures[k][1][t] + JITTER * np.eye(d))[1]
        deltas, kappas, spreads = {}, [], []
        for i, (means, covariances) in enumerate(mixtures):
            if i == k:
                continue
            h = embeddings[i][rows]
            spreads.append(h.var(axis=0).max())
            for s in range(len(means)):
                c = covariances[s] + JITTER * np.eye(d)
                diff = h - means[s]
                deltas[i, s] = np.mean(np.diag(diff @ np.linalg.inv(c) @ diff.T)) / d - 1
                kappas.append(np.linalg.slogdet(c)[1] - own)
        rival = min(deltas, key=deltas.get)
        delta, kappa, sig2 = deltas[rival], min(kappas), max(spreads)
        m = 3 * d * sig2 - kappa
        root = m**2 - 24 * d * sig2 * kappa
        thr = None
        if root >= 0:
            first = np.log(odds * (1 + np.sqrt(1 + 4 * d / np.log(odds))))
            thr = 2 / d * max(first, 0.25 * (m + np.sqrt(root)) - kappa)
        out.append(dict(delta=delta, kappa=kappa, sig2=sig2, m=m, threshold=thr, rival=list(rival)))
    return out


def main():
    rng = np.random.default_rng(5)
    k, d, per = 2, 3, 30
    centres = rng.normal(0, 1, (3, k, d)) * np.array([12.0, 12.0, 9.0])[:, None, None]
    centres[1] = centres[0] + 1.0  # tasks that cannot be told apart well
    spread = np.array([[1.0, 0.2], [0.5, 0.3], [2.0, 0.5]])
    labels = np.repeat(np.arange(k), per)
    train = [grid(centres[t][labels] + spread[t][labels][:, None] * rng.normal(0, 1, (2 * per, d))) for t in range(3)]
    mixtures = [posterior(x, labels, k, nu0=5.0, beta0=0.5) for x in train]
    tasks = []
    for t in range(3):
        seen = [train[t] if i == t else grid(train[t] + 0.5 * rng.normal(0, 1, train[t].shape)) for i in range(3)]
        own = [np.linalg.inv(c) for c in mixtures[t][1]]
        far = [np.einsum("nd,de,ne->n", train[t] - m, p, train[t] - m) for m, p in zip(mixtures[t][0], own)]
        assert (np.argmin(far, axis=0) == labels).all(), "clusters of a task must not overlap"
        result = certificate(t, mixtures, seen, labels)
        tasks.append(dict(train=train[t].tolist(), embeddings=[e.tolist() for e in seen], components=result))
        print(t, [(round(c["delta"], 3), c["threshold"]) for c in result])
    text = json.dumps(dict(eps=EPS, labels=labels.tolist(), degrees=5.0, mean_precision=0.5, tasks=tasks))
    (HERE / "certificate.json").write_text(text + "\n")


main()
