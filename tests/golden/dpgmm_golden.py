"""Writes dpgmm.json and dpgmm_full.json: what scikit-learn's BayesianGaussianMixture (Dirichlet process, covariance_type
"diag" and "full") makes of five data sets.

    python tests/golden/dpgmm_golden.py        (scikit-learn 1.9.1, numpy 2)

Data are rounded to 1/64 so that they are exact in JSON. Initial responsibilities are hard assignments (`labels`),
by scikit-learn's own k-means, and both sides start from them. The 64-dimensional set is not stored: both sides draw
it from the same integer generator (`lcg`), so only labels and results are.
"""

import json
import pathlib

import numpy as np
from sklearn.cluster import KMeans
from sklearn.mixture import BayesianGaussianMixture

HERE = pathlib.Path(__file__).parent


class FromResponsibilities(BayesianGaussianMixture):
    """Starts from given labels instead of its own k-means."""

    labels = None

    def _initialize_parameters(self, X, random_state, xp=None):
        self._initialize(X, np.eye(self.n_components)[self.labels])


def grid(x):
    return np.round(np.asarray(x) * 64) / 64


def lcg(n, seed):
    """n numbers in [-1, 1): the top bits of Knuth's 64-bit congruential generator."""
    state, out = seed, []
    for _ in range(n):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append((state >> 40) / 2**23 - 1.0)
    return np.array(out)


def wide(n=240, d=64):
    """Four clusters in 64 dimensions: uniform noise around corners given by the generator."""
    corners = lcg(4 * d, 7).reshape(4, d)
    noise = lcg(n * d, 11).reshape(n, d)
    return corners[np.arange(n) % 4] + 0.5 * noise


def data():
    rng = np.random.default_rng(3)
    blobs = np.concatenate([rng.normal(c, 0.4, (60, 2)) for c in ([0, 0], [5, 0], [0, 5])])
    overlap = np.concatenate([rng.normal(c, 1.0, (80, 2)) for c in ([0, 0], [1.5, 1.0])])
    aniso = np.concatenate([rng.normal([0, 0, 0], [3, 0.2, 1], (70, 3)), rng.normal([1, 2, 0], [0.2, 1.5, 4], (90, 3))])
    small = rng.normal(0, 1, (12, 3)) + 4 * np.repeat(np.eye(3), 4, axis=0)
    return {
        "blobs": (grid(blobs), dict(n_components=8)),
        "overlap": (grid(overlap), dict(n_components=6, weight_concentration_prior=0.01)),
        "anisotropic": (grid(aniso), dict(n_components=5, mean_precision_prior=0.1, degrees_of_freedom_prior=5.5)),
        "small": (grid(small), dict(n_components=4, covariance_prior=[0.5, 0.5, 1.0], reg_covar=1e-3)),
        "wide": (wide(), dict(n_components=8, weight_concentration_prior=0.1)),
    }


def case(name, x, params, covariance_type):
    params = dict(params)
    if covariance_type == "full":
        params.pop("covariance_prior", None)
        params["mean_precision_prior"] = params.get("mean_precision_prior", 0.5)
    labels = KMeans(params["n_components"], n_init=1, random_state=0).fit(x).labels_
    model = FromResponsibilities(
        covariance_type=covariance_type,
        weight_concentration_prior_type="dirichlet_process",
        max_iter=500,
        tol=1e-6,
        **params,
    )
    model.labels = labels
    model.fit(x)
    return {
        "name": name,
        "params": params,
        "x": None if name == "wide" else x.tolist(),
        "shape": x.shape,
        "labels": labels.tolist(),
        "weights": model.weights_.tolist(),
        # Of the wide set three columns are enough to compare; the log-likelihoods depend on all.
        "means": model.means_[:, :3].tolist(),
        "covariances": model.covariances_[:, :3, ...][..., :3].tolist(),
        "active": int((model.weights_ > 0.01).sum()),
        "lower_bound": model.lower_bound_,
        "n_iter": model.n_iter_,
        "score_samples": model.score_samples(x).tolist(),
        "predict": model.predict(x).tolist(),
    }


for covariance_type, file in [("diag", "dpgmm.json"), ("full", "dpgmm_full.json")]:
    cases = [case(name, x, params, covariance_type) for name, (x, params) in data().items()]
    (HERE / file).write_text(json.dumps(cases) + "\n")
    for c in cases:
        print(f"{file:16} {c['name']:12} active {c['active']}  iterations {c['n_iter']}  bound {c['lower_bound']:.6f}")
