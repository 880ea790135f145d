"""The report of a run's attacks: made inside the jail beside the data, shown to compliance, never to a partner.

It holds figures of attacks on the model and no value of a record. Some of them are exact functions of patient data, so
they are no part of a release, of its certificate or of anything a partner sees.
"""

import json
import math
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import numpy as np

from policies.canonical import strict_json
from policies.errors import Tampered
from training_sandbox.attacks import inversion, membership
from training_sandbox.attacks.membership import Attack

SCHEMA = "medtrain.attacks/1"
MAXIMUM_BYTES = 1 << 20
MISTAKE = 1e-4
"""The chance by which an honest run may be stopped."""

ATTRIBUTES = 4

Predict = Callable[[np.ndarray], np.ndarray]
"""(patients, features) -> (patients,) log-odds of label 1, or (patients, classes) logits."""


def examine(
    predict: Predict,
    train: tuple[np.ndarray, np.ndarray],
    holdout: tuple[np.ndarray, np.ndarray],
    *,
    sigma: float,
    shadows: Callable[[np.ndarray], np.ndarray] | None = None,
    shadow_sets: np.ndarray | None = None,
) -> dict[str, Any]:
    """Return the figures of every attack.

    Args:
        train, holdout: One record and label of each patient: (patients, features) float, (patients,) int.
        sigma: Noise multiplier of a step.
        shadows: Trains a shadow model on the patients where its argument is true, of train and holdout in that order,
            and returns its confidences in all of them.
        shadow_sets: (models, patients) bool; see ``membership.halves``.
    """
    inside = membership.confidence(predict(train[0]), train[1])
    outside = membership.confidence(predict(holdout[0]), holdout[1])
    attacks = [membership.by_score("loss", inside, outside)]
    if shadows is not None and shadow_sets is not None:
        held = np.stack([shadows(mask) for mask in shadow_sets])
        ratio = membership.likelihood_ratio(np.concatenate((inside, outside)), held, shadow_sets)
        attacks.append(membership.by_score("lira", ratio[: len(inside)], ratio[len(inside) :]))
    guessed = {}
    for feature in range(min(ATTRIBUTES, train[0].shape[1])):
        for name, (x, y) in (("member", train), ("other", holdout)):
            score = lambda changed, y=y: membership.confidence(predict(changed), y)  # noqa: E731
            guessed[f"feature {feature}, {name}"] = inversion.attribute_advantage(score, x, feature)
    return {
        "schema": SCHEMA,
        "membership": [attack.as_dict() for attack in attacks],
        "inversion": inversion.summary(inversion.gradient_leak(train[0].shape[1], sigma), guessed),
        "spread": [round(float(v), 4) for v in np.quantile(inside, (0.01, 0.1, 0.5, 0.9, 0.99))] if len(inside) else [],
    }


def nothing() -> dict[str, Any]:
    """Return the report of a run with nothing to attack: no labels, or nothing trained."""
    return {"schema": SCHEMA, "membership": [], "inversion": {}, "spread": []}


def dump(found: Mapping[str, Any]) -> bytes:
    """Return the report as JSON."""
    return json.dumps(found, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def load(raw: bytes) -> dict[str, Any]:
    """Return the report in ``raw``.

    Raises:
        Tampered: it is not one.
    """
    found = strict_json(raw) if len(raw) <= MAXIMUM_BYTES else None
    if not isinstance(found, dict) or set(found) != {"schema", "membership", "inversion", "spread"}:
        raise Tampered("the report of the attacks is malformed")
    if found["schema"] != SCHEMA or not _figures(found["membership"]):
        raise Tampered("the report of the attacks is malformed")
    return found


def _figures(attacks: Any) -> bool:
    names = set(Attack.__dataclass_fields__)
    return isinstance(attacks, list) and all(isinstance(one, dict) and set(one) == names for one in attacks)


def refuted(found: Mapping[str, Any], epsilon: float, delta: float) -> str:
    """Return the name of the attack that did better than (epsilon, delta) allows; empty where none did.

    A private run lets no attack have a true positive rate above ``e^epsilon * false + delta``. The bound is broken only
    where a Clopper-Pearson interval at ``MISTAKE`` says so, shared among all points looked at.
    """
    from scipy.stats import beta

    for attack in found["membership"]:
        members, others = attack["members"], attack["others"]
        level = MISTAKE / max(1, 2 * len(attack["curve"]) * len(found["membership"]))
        for false, true in attack["curve"]:
            if not members or not others:
                continue
            hits, misses = round(true * members), round(false * others)
            least = float(beta.ppf(level, hits, members - hits + 1)) if hits else 0.0
            most = float(beta.ppf(1 - level, misses + 1, others - misses)) if misses < others else 1.0
            if least > math.exp(min(epsilon, 50)) * most + delta:
                return str(attack["name"])
    return ""


def page(found: Mapping[str, Any], *, run: str, epsilon: float, canaries: Mapping[str, Any] | None) -> str:
    """Return the report as one HTML page without scripts, in both languages."""
    rows = "".join(
        f"<tr><td>{escape(a['name'])}</td><td>{a['auc']:.3f}</td>"
        + "".join(f"<td>{rate:.3f}</td>" for rate in a["true_positive"])
        + f"<td>{a['members']} / {a['others']}</td></tr>"
        for a in found["membership"]
    )
    rates = "".join(f"<th>TPR @ FPR {rate:g}</th>" for rate in membership.LOW_RATES)
    leak = found["inversion"].get("gradient", {})
    read = "".join(
        f"<tr><td>{escape(name)}</td><td>{value['guessed']:.3f}</td><td>{value['common']:.3f}</td></tr>"
        for name, value in found["inversion"].get("attributes", {}).items()
    )
    audit = (
        f"<p>ε ≥ {canaries['lower_bound']:.3f} (95 %), claimed 声明 {canaries['claimed']:.3f}; "
        f"{canaries['correct']} / {canaries['guesses']}</p>{_bars(canaries['lower_bound'], canaries['claimed'])}"
        if canaries
        else "<p>not asked for 未要求</p>"
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>Attacks on {escape(run)}</title></head><body>"
        f"<h1>Attacks on run {escape(run)} · 对训练 {escape(run)} 的攻击测试</h1>"
        "<p>For compliance only; exact figures, not a part of the release. 仅供合规人员查看，不随模型发布。</p>"
        f"<h2>Membership 成员推断</h2><table><tr><th>attack 攻击</th><th>AUC</th>{rates}<th>n</th></tr>{rows}</table>"
        f"{roc(found['membership'], epsilon)}"
        f"<h2>Canaries, one run 金丝雀审计</h2>{audit}"
        "<h2>Gradient inversion 梯度反演</h2>"
        f"<p>correlation 相关 — bare 无噪声 {leak.get('bare', 0):.3f}, noisy 有噪声 {leak.get('noisy', 0):.3f}, "
        f"chance 随机 {leak.get('chance', 0):.3f}</p>"
        "<h2>Attributes 属性推断</h2><table><tr><th>sign of 符号</th><th>guessed 猜中</th><th>commoner 多数</th></tr>"
        f"{read}</table></body></html>"
    )


def roc(attacks: list[dict[str, Any]], epsilon: float) -> str:
    """Return the ROC curves on logarithmic axes from 1e-3 to 1, with the line no private run may cross, as SVG."""
    side, colours = 260, ("#1b6ca8", "#b5541c")

    def place(false: float, true: float) -> str:
        x, y = (1 + math.log10(max(v, 1e-3)) / 3 for v in (false, true))
        return f"{30 + x * side:.1f},{10 + (1 - y) * side:.1f}"

    limit = " ".join(place(f, min(1.0, math.exp(min(epsilon, 50)) * f)) for f in np.logspace(-3, 0, 40))
    lines = f'<polyline points="{limit}" fill="none" stroke="#888" stroke-dasharray="4 3"/>'
    for attack, colour in zip(attacks, colours, strict=False):
        points = " ".join(place(*point) for point in attack["curve"])
        lines += f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
    frame = f'<rect x="30" y="10" width="{side}" height="{side}" fill="none" stroke="#444"/>'
    words = (
        f'<text x="{30 + side / 2}" y="{side + 32}" font-size="11" text-anchor="middle">FPR 1e-3 … 1</text>'
        '<text x="6" y="16" font-size="11">TPR</text>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{side + 50}" height="{side + 40}">'
        f"<title>ROC of the membership attacks</title>{frame}{lines}{words}</svg>"
    )


def _bars(found: float, claimed: float) -> str:
    widest = max(found, claimed, 1e-9)
    bars = "".join(
        f'<rect x="90" y="{8 + 22 * row}" width="{220 * value / widest:.1f}" height="14" fill="{colour}"/>'
        f'<text x="0" y="{19 + 22 * row}" font-size="11">{word}</text>'
        for row, (word, value, colour) in enumerate(
            (("lower bound", found, "#b5541c"), ("claimed", claimed, "#1b6ca8"))
        )
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" role="img" width="320" height="56">'
        f"<title>Lower bound of epsilon beside the claim</title>{bars}</svg>"
    )
