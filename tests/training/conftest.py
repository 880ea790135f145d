"""Factories with overrides, as fixtures: small graphs, patients and plans."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from training_sandbox.graph.format import Graph, Node, Ref, Tensor
from training_sandbox.patients import Patients
from training_sandbox.plan import DPPlan


def graph(features: int = 5, hidden: int = 4, outputs: int = 2) -> Graph:
    shapes = {
        "a.weight": (hidden, features),
        "a.bias": (hidden,),
        "b.weight": (outputs, hidden),
        "b.bias": (outputs,),
    }
    return Graph(
        inputs=(Tensor("x", "float32", (1, features)),),
        parameters=tuple(Tensor(name, "float32", shape) for name, shape in shapes.items()),
        nodes=(
            Node("linear.default", (Ref("x"), Ref("a.weight"), Ref("a.bias")), (), ("h",)),
            Node("tanh.default", (Ref("h"),), (), ("r",)),
            Node("linear.default", (Ref("r"), Ref("b.weight"), Ref("b.bias")), (), ("o",)),
        ),
        output="o",
    )


def params(of: Graph, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {t.name: torch.randn(t.shape, generator=generator) * 0.5 for t in of.parameters}


def patients(count: int = 8, records: int = 2, features: int = 5, classes: int = 2, seed: int = 1) -> Patients:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, records, features, generator=generator)
    held = 1 + torch.arange(count).unsqueeze(1) % records
    weights = torch.where(torch.arange(records) < held, 1.0 / held, 0.0)
    return Patients(x, torch.randint(0, classes, (count, records), generator=generator), weights)


def plan(**overrides: Any) -> DPPlan:
    terms: dict[str, Any] = {
        "sampling_rate": 0.5,
        "cap": 16,
        "clip": 0.5,
        "noise_multiplier": 1.0,
        "steps": 3,
        "delta": 1e-5,
        "public_patients": 20,
        "records_per_patient": 2,
    }
    return DPPlan(**(terms | overrides))


@pytest.fixture
def make_graph() -> Callable[..., Graph]:
    return graph


@pytest.fixture
def make_params() -> Callable[..., dict[str, torch.Tensor]]:
    return params


@pytest.fixture
def make_patients() -> Callable[..., Patients]:
    return patients


@pytest.fixture
def make_plan() -> Callable[..., DPPlan]:
    return plan
