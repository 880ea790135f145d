"""Utility under differential privacy on real medical data, beside baselines tuned by the same rule.

    python bench/utility.py CORPORA [--sets breast-cancer,...] [--methods ...] [--epsilons 1,3,8] [--seeds 5]

CORPORA is the folder of public sets. The rule for all methods alike, non-private ones too: a method's settings are
those with the best mean AUC over epsilon 1, 3 and 8 on ONE synthetic table that is drawn here (600 rows, 12 features,
a noisy rule), among the few listed beside it; they are then the same for every set, epsilon and seed. Nothing of a
real set is looked at for the choice, so there is nothing to charge. Bounds of features are those of the sets'
descriptions, not the data's own. A seed is a split by row (25 % test) and a run key. Opacus and DP-EBM see the same
scaled rows and bounds.

Images: scattering features, settings chosen in the same way on scikit-learn's digits (3 and 8 against the rest); the
set's own test part, which nobody looked at before; seeds are run keys. ``pip install scikit-learn interpret-core`` for
the sets and baselines that need them: they are no part of the product.
"""

import argparse
import csv
import hashlib
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from scipy.stats import rankdata

from training_sandbox import accountant
from training_sandbox.algorithms import registry, scattering
from training_sandbox.algorithms.additive import Additive
from training_sandbox.algorithms.regression import Logistic
from training_sandbox.algorithms.rows import rows, scaled
from training_sandbox.graph.run import bind

EPSILONS = (1.0, 3.0, 8.0)
TEST = 0.25
IMAGE_SETTINGS = (
    Logistic(steps=50, clip=0.3, learning_rate=16.0, row_norm=2**0.5),
    Logistic(steps=150, clip=0.3, learning_rate=4.0, row_norm=2**0.5),
)
Table = tuple[np.ndarray, np.ndarray]
Fit = Callable[[Table, np.ndarray, float, float, int], np.ndarray]
"""(training rows and labels, test rows, epsilon, delta, seed) -> scores of the test rows."""


def main() -> None:
    """Print the tables, row by row as they are measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--sets", default="breast-cancer,heart-cleveland,heart-failure,brfss-diabetes,diabetes130")
    parser.add_argument("--methods", default="non-private,logistic,additive,opacus,dp-ebm")
    parser.add_argument("--epsilons", default="1,3,8")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--images", action="store_true", help="PneumoniaMNIST instead of the tables")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    epsilons = [float(e) for e in options.epsilons.split(",")]
    if options.images:
        images(options.corpora, epsilons, options.seeds)
        return
    wanted = options.sets.split(",")
    data = dict(tables(options.corpora, wanted))
    print(
        "| set | rows | method | epsilon | test AUC | standard error | seconds a fit |\n|---|---|---|---|---|---|---|"
    )
    for method in options.methods.split(","):
        fit = chosen(method)
        for name in wanted:
            for epsilon in epsilons if method != "non-private" else [0.0]:
                found, before = [], time.process_time()
                for seed in range(options.seeds):
                    train, test = split(data[name], seed)
                    delta = 1 / (10 * len(train[1]))
                    found.append(auc(fit(train, test[0], epsilon, delta, seed), test[1]))
                seconds = (time.process_time() - before) / options.seeds
                error = np.std(found, ddof=1) / len(found) ** 0.5
                spent = f"{epsilon:g}" if epsilon else "-"
                row = (
                    name,
                    len(data[name][1]),
                    method,
                    spent,
                    f"{np.mean(found):.3f}",
                    f"{error:.3f}",
                    f"{seconds:.1f}",
                )
                print("|", " | ".join(map(str, row)), "|", flush=True)


def chosen(method: str) -> Fit:
    """Return the method with the settings that are best on the synthetic table."""
    table = synthetic()
    best, most = None, -1.0
    for settings in CANDIDATES[method]:
        fit = METHODS[method](*settings)
        score = np.mean(
            [
                auc(fit(train, test[0], epsilon, 1e-4, 0), test[1])
                for epsilon in EPSILONS
                for train, test in [split(table, 99)]
            ]
        )
        if score > most:
            best, most, kept = fit, float(score), settings
    assert best is not None
    print(f"{method}: {kept}, {most:.3f} on the synthetic table", file=sys.stderr)
    return best


def ours(algorithm: Logistic | Additive) -> Fit:
    """Return one of the product's algorithms."""

    def fit(train: Table, test: np.ndarray, epsilon: float, delta: float, seed: int) -> np.ndarray:
        data = rows(*train, 2)
        plan = registry.calibrate(
            algorithm, epsilon, delta, width=data.x.shape[1], classes=2, public_patients=len(data)
        )
        key = hashlib.sha256(f"utility/{seed}/{epsilon}".encode()).digest()
        params = {n: torch.from_numpy(v) for n, v in registry.fit(algorithm, data, plan, key).items()}
        forward = bind(algorithm.graph(data.x.shape[1], 2))
        with torch.no_grad():
            found = torch.func.vmap(lambda x: forward(params, x.unsqueeze(0))[0])(torch.from_numpy(test).float())
        return (found[:, 1] - found[:, 0]).numpy()

    return fit


def non_private(penalty: float) -> Fit:
    """Return logistic regression without privacy."""

    def fit(train: Table, test: np.ndarray, *_: float) -> np.ndarray:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=penalty, max_iter=2000).fit(*train).decision_function(test)

    return fit


def opacus(steps: int, rate: float) -> Fit:
    """Return logistic regression by Opacus' DP-SGD at a sampling rate of 1/4; secure mode off, as it comes."""

    def fit(train: Table, test: np.ndarray, epsilon: float, delta: float, seed: int) -> np.ndarray:
        from opacus import PrivacyEngine
        from torch.utils.data import DataLoader, TensorDataset

        torch.manual_seed(seed)
        model = torch.nn.Linear(train[0].shape[1], 1)
        torch.nn.init.zeros_(model.weight)
        torch.nn.init.zeros_(model.bias)
        tensors = TensorDataset(torch.from_numpy(train[0]).float(), torch.from_numpy(train[1]).float())
        loader = DataLoader(tensors, batch_size=-(-len(tensors) // 4))
        optimiser = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
        engine = PrivacyEngine(accountant="prv")
        model, optimiser, loader = engine.make_private_with_epsilon(
            module=model, optimizer=optimiser, data_loader=loader, target_epsilon=epsilon, target_delta=delta,
            epochs=steps // 4, max_grad_norm=1.0,
        )  # fmt: skip
        for _ in range(steps // 4):
            for x, y in loader:
                if len(x):
                    optimiser.zero_grad()
                    torch.nn.functional.binary_cross_entropy_with_logits(model(x)[:, 0], y).backward()
                    optimiser.step()
        with torch.no_grad():
            return model(torch.from_numpy(test).float())[:, 0].numpy()

    return fit


def dp_ebm(rounds: int) -> Fit:
    """Return interpret's DP-EBM with public bounds."""

    def fit(train: Table, test: np.ndarray, epsilon: float, delta: float, seed: int) -> np.ndarray:
        from interpret.privacy import DPExplainableBoostingClassifier

        model = DPExplainableBoostingClassifier(
            epsilon=epsilon, delta=delta, max_rounds=rounds, random_state=seed, n_jobs=1,
            privacy_bounds=np.array([[-1.0, 1.0]] * train[0].shape[1]),
        )  # fmt: skip
        return model.fit(*train).predict_proba(test)[:, 1]

    return fit


METHODS: dict[str, Callable[..., Fit]] = {
    "non-private": non_private,
    "logistic": lambda *s: ours(Logistic(steps=s[0], learning_rate=s[1], clip=s[2])),
    "additive": lambda *s: ours(Additive(bins=s[0], rounds=s[1], learning_rate=s[2])),
    "opacus": opacus,
    "dp-ebm": dp_ebm,
}
CANDIDATES: dict[str, list[tuple[float, ...]]] = {
    "non-private": [(0.1,), (1.0,), (10.0,)],
    "logistic": [(30, 4.0, 0.5), (30, 16.0, 0.5), (80, 8.0, 0.5), (80, 8.0, 1.0)],
    "additive": [(4, 2, 0.5), (8, 2, 0.5), (8, 4, 0.25), (4, 4, 0.5)],
    "opacus": [(40, 0.3), (40, 1.0), (120, 0.3), (120, 1.0)],
    "dp-ebm": [(100,), (300,)],
}


def synthetic() -> Table:
    """Return the table that all choices are made on."""
    random = np.random.default_rng(2024)
    x = random.uniform(-1, 1, (600, 12))
    score = 2 * x[:, 0] - 1.5 * x[:, 1] + x[:, 2] * (x[:, 2] > 0) + 0.8 * np.abs(x[:, 3]) + random.normal(size=600)
    return x, (score > 0.4).astype(int)


def split(table: Table, seed: int) -> tuple[Table, Table]:
    """Return (train, test) by row."""
    order = np.random.default_rng(seed).permutation(len(table[1]))
    cut = int(len(order) * TEST)
    train, test = order[cut:], order[:cut]
    return (table[0][train], table[1][train]), (table[0][test], table[1][test])


def auc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the area under the ROC curve."""
    ranks, positive = rankdata(scores), int((labels == 1).sum())
    return float((ranks[labels == 1].sum() - positive * (positive + 1) / 2) / (positive * (len(labels) - positive)))


def tables(corpora: Path, wanted: list[str]) -> Iterator[tuple[str, Table]]:
    """Yield the sets asked for, scaled to their public bounds."""
    if "breast-cancer" in wanted:
        from sklearn.datasets import load_breast_cancer

        raw = load_breast_cancer()
        # Mean, error and worst of ten measurements; round bounds that any such nucleus fits in.
        most = np.array([30, 40, 200, 2500, 0.2, 0.5, 0.6, 0.3, 0.4, 0.12])
        high = np.concatenate((most, most / 8, most * 1.4))
        yield "breast-cancer", (scaled(raw.data, np.zeros(30), high), raw.target)
    if "heart-cleveland" in wanted:
        lines = (corpora / "train-heart-cleveland/processed.cleveland.data").read_text().split()
        values = np.array([[float(v) if v != "?" else 0.0 for v in line.split(",")] for line in lines])
        low = np.array([20, 0, 1, 80, 100, 0, 0, 60, 0, 0, 1, 0, 3])
        high = np.array([90, 1, 4, 220, 600, 1, 2, 220, 1, 7, 3, 3, 7])
        yield "heart-cleveland", (scaled(values[:, :13], low, high), (values[:, 13] > 0).astype(int))
    if "heart-failure" in wanted:
        values = _numbers(corpora / "train-heart-failure/heart_failure.csv")
        # The last feature, days of follow-up, is known only afterwards and is left out.
        low = np.array([20, 0, 0, 0, 10, 0, 0, 0, 110, 0, 0])
        high = np.array([100, 1, 8000, 1, 80, 1, 900_000, 10, 150, 1, 1])
        yield "heart-failure", (scaled(values[:, :11], low, high), values[:, 12].astype(int))
    if "brfss-diabetes" in wanted:
        values = _numbers(corpora / "train-brfss-diabetes/brfss2015_head.csv")
        high = np.array([1, 1, 1, 60, 1, 1, 1, 1, 1, 1, 1, 1, 1, 5, 30, 30, 1, 1, 13, 6, 8])
        yield "brfss-diabetes", (scaled(values[:, 1:], np.zeros(21), high), values[:, 0].astype(int))
    if "diabetes130" in wanted:
        yield "diabetes130", _diabetes130(corpora / "train-diabetes130/diabetic_data_uasb.csv")


def _numbers(path: Path) -> np.ndarray:
    text = path.read_text()
    lines = text[: text.rfind("\n")].splitlines()  # the last row of a file that was cut is no row
    width = lines[0].count(",")
    kept = [line for line in lines[1:] if line.count(",") == width and all(line.split(","))]
    return np.array([[float(v) for v in line.split(",")] for line in kept])


def _diabetes130(path: Path) -> Table:
    """Return one encounter of each patient, the first: the numbers, age, and whether medication changed."""
    with path.open() as file:
        first = {row["patient_nbr"]: row for row in reversed(list(csv.DictReader(file)))}
    names = ("time_in_hospital", "num_lab_procedures", "num_procedures", "num_medications", "number_outpatient",
             "number_emergency", "number_inpatient", "number_diagnoses")  # fmt: skip
    high = np.array([14, 130, 6, 80, 20, 20, 20, 16, 95, 1, 1, 1])
    values = [
        [*(float(row[n]) for n in names), float(row["age"].strip("[)").split("-")[0]),
         row["change"] == "Ch", row["diabetesMed"] == "Yes", row["gender"] == "Male"]
        for row in first.values()
    ]  # fmt: skip
    label = np.array([row["readmitted"] == "<30" for row in first.values()], int)
    return scaled(np.array(values, float), np.zeros(12), high), label


def images(corpora: Path, epsilons: list[float], seeds: int) -> None:
    """Print the table of PneumoniaMNIST."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    grown = np.kron(digits.images / 16, np.ones((1, 3, 3)))
    table = scattering.centred(scattering.features(grown)), np.isin(digits.target, (3, 8)).astype(int)
    train, test = split(table, 0)
    scores = [np.mean([auc(ours(s)(train, test[0], e, 1e-4, 0), test[1]) for e in EPSILONS]) for s in IMAGE_SETTINGS]
    best = IMAGE_SETTINGS[int(np.argmax(scores))]
    print(f"chosen on digits ({', '.join(f'{s:.3f}' for s in scores)}): {best}", file=sys.stderr, flush=True)
    with np.load(corpora / "train-pneumoniamnist/pneumoniamnist.npz") as raw:
        x = {part: scattering.centred(scattering.features(raw[f"{part}_images"] / 255)) for part in ("train", "test")}
        y = {part: raw[f"{part}_labels"].ravel().astype(int) for part in ("train", "test")}
    print("| epsilon | accounted (PLD) at delta 1e-4 | test AUC | standard error |\n|---|---|---|---|")
    for epsilon in epsilons:
        found = [
            auc(ours(best)((x["train"], y["train"]), x["test"], epsilon, 1e-4, seed), y["test"])
            for seed in range(seeds)
        ]
        plan = registry.calibrate(
            best, epsilon, 1e-4, width=x["train"].shape[1], classes=2, public_patients=len(y["train"])
        )
        error = np.std(found, ddof=1) / len(found) ** 0.5
        print(f"| {epsilon:g} | {accountant.epsilon(plan).pld:.3f} | {np.mean(found):.3f} | {error:.4f} |", flush=True)


if __name__ == "__main__":
    main()
