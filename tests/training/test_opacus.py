"""Opacus as an engine: other people's gradients, equal to the plain loop; what it does not run is refused by name."""

from dataclasses import replace

import pytest
import torch

from policies.errors import TrainingFailed
from training_sandbox import losses
from training_sandbox.engines import choice as choices
from training_sandbox.engines import plain
from training_sandbox.graph import reader
from training_sandbox.graph.format import Graph, Node, Ref, Tensor
from training_sandbox.graph.run import bind
from training_sandbox.plan import Speed
from training_sandbox.settings import Task

LOSS = losses.function("cross-entropy")


class Layers(torch.nn.Module):
    """One of each layer that Opacus knows, with what lies between."""

    def __init__(self):
        super().__init__()
        self.embed, self.line = torch.nn.Embedding(9, 4, padding_idx=0), torch.nn.Conv1d(4, 4, 2, bias=False)
        self.group, self.layer = torch.nn.GroupNorm(2, 4), torch.nn.LayerNorm(5)
        self.picture, self.head = torch.nn.Conv2d(1, 2, 2, padding=1, groups=1), torch.nn.Linear(5, 2)

    def forward(self, x):
        h = torch.tanh(self.group(self.line(self.embed(x).transpose(1, 2))))
        a, b = torch.cat((h, h.flip(1)), 2).chunk(2, 2)
        h = self.picture(self.layer(a * torch.ones(1, device=x.device) + b).unsqueeze(1))
        return self.head(h[:, :, :-1, :-1].mean((1, 2)))


class Twice(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = torch.nn.Linear(5, 5), torch.nn.Linear(5, 2)

    def forward(self, x):
        return self.b(torch.tanh(self.a(torch.tanh(self.a(x)))))


class Bare(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale, self.b = torch.nn.Parameter(torch.ones(5)), torch.nn.Linear(5, 2)

    def forward(self, x):
        return self.b(x * self.scale)


class Gru(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.gru, self.b = torch.nn.GRU(5, 3, batch_first=True), torch.nn.Linear(3, 2)

    def forward(self, x):
        return self.b(self.gru(x)[0].mean(1))


class Dropping(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.b = torch.nn.Linear(5, 2)

    def forward(self, x):
        return self.b(torch.nn.functional.dropout(x, 0.5, training=True))


def model(made, spec):
    from medtrain_client.pack import pack

    torch.manual_seed(0)
    packed = pack(made(), spec)
    graph = reader.read_graph(packed.graph)
    return graph, reader.read_weights(graph, packed.weights)


class Ids(torch.nn.Module):
    """Ids that arrive as floats, some of them below zero."""

    def __init__(self):
        super().__init__()
        self.embed, self.b = torch.nn.Embedding(6, 3), torch.nn.Linear(3, 2)

    def forward(self, x):
        return self.b(torch.tanh(self.embed(x.long())).mean(1))


def request(records=1, **overrides):
    terms = {"task": Task(kind="binary"), "loss": "cross-entropy", "patients": 7, "records": records, "steps": 5}
    return choices.Request(**(terms | overrides))


def flat(tensors):
    return torch.cat([value.flatten() for value in tensors.values()])


def summed(engine, graph, params, batch, clip, microbatch=99):
    return flat(engine(bind(graph), LOSS, params, batch, clip, microbatch=microbatch))


def stored_in_out():
    """A matrix product with the weight as (in, out), as a decomposed graph has it."""
    shapes = {"w": (5, 3), "v": (2, 3), "b": (2,)}
    graph = Graph(
        inputs=(Tensor("x", "float32", (1, 5)),),
        parameters=tuple(Tensor(name, "float32", shape) for name, shape in shapes.items()),
        nodes=(
            Node("mm.default", (Ref("x"), Ref("w")), (), ("h",)),
            Node("tanh.default", (Ref("h"),), (), ("r",)),
            Node("linear.default", (Ref("r"), Ref("v"), Ref("b")), (), ("o",)),
        ),
        output="o",
    )
    draw = torch.Generator().manual_seed(0)
    return graph, {name: torch.randn(shape, generator=draw) for name, shape in shapes.items()}


@pytest.mark.parametrize(
    ("engine", "records"), [("opacus-hooks", 1), ("opacus-hooks", 3), ("opacus-ghost", 1)], ids=str
)
@pytest.mark.parametrize("which", ["layers", "ids", "in-out"])
def test_sums_equal_a_plain_loop_over_patients(which, engine, records):
    graphs = {"layers": (Layers, "int64[1,6]"), "ids": (Ids, "float32[1,4]")}
    graph, params = model(*graphs[which]) if which in graphs else stored_in_out()
    made = choices.choose(graph, params, request(records), Speed(engine=engine))
    assert made.choice.engine == engine
    assert choices.Choice.from_dict(made.choice.as_dict()) == made.choice
    batch = choices.random_batch(graph, request(records), 7)
    for clip in (0.02, 10.0):
        loop = plain.loop_sum(bind(graph), LOSS, params, batch, clip, bound=made.bound)
        for size in (99, 3):
            assert float((summed(made, graph, params, batch, clip, size) - flat(loop)).abs().max()) < 2e-6
    one = batch.take(torch.tensor([3]))
    assert float(summed(made, graph, params, one, 1e-4).norm()) <= 1


@pytest.mark.parametrize("engine", ["opacus-hooks", "opacus-ghost"])
def test_a_record_that_is_not_finite_counts_as_nothing(engine):
    graph, params = stored_in_out()
    made = choices.choose(graph, params, request(), Speed(engine=engine))
    batch = choices.random_batch(graph, request(), 5)
    batch.features[2] = torch.nan
    rest = batch.take(torch.tensor([0, 1, 3, 4]))
    difference = summed(made, graph, params, batch, 0.1) - summed(made, graph, params, rest, 0.1)
    assert float(difference.abs().max()) < 1e-6
    nobody = batch.take(torch.zeros(0, dtype=torch.int64))
    assert not summed(made, graph, params, nobody, 0.1).any()


def test_automatic_clipping_scales_every_gradient():
    graph, params = stored_in_out()
    wanted = request(automatic=True)
    batch = choices.random_batch(graph, wanted, 5)
    for engine in ("opacus-hooks", "opacus-ghost"):
        made = choices.choose(graph, params, wanted, Speed(engine=engine))
        loop = plain.loop_sum(bind(graph), LOSS, params, batch, 0.5, bound=made.bound, automatic=True)
        assert float((summed(made, graph, params, batch, 0.5) - flat(loop)).abs().max()) < 1e-5


@pytest.mark.parametrize(
    ("made", "spec", "engine", "reason"),
    [
        (Twice, "float32[1,5]", "opacus-ghost", "used twice"),
        (Bare, "float32[1,5]", "opacus-hooks", "does not know how mul.Tensor"),
        (Gru, "float32[1,4,5]", "opacus-hooks", "does not run gru.input"),
        (Dropping, "float32[1,5]", "opacus-hooks", "drops at random"),
    ],
)
def test_what_opacus_does_not_run_is_refused(made, spec, engine, reason):
    with pytest.raises(TrainingFailed, match=reason):
        choices.choose(*model(made, spec), request(), Speed(engine=engine))


def test_a_layer_used_twice_is_added_up_by_hooks():
    graph, params = model(Twice, "float32[1,5]")
    assert choices.choose(graph, params, request(3), Speed(engine="opacus-hooks")).choice.engine == "opacus-hooks"


def test_ghost_clipping_of_several_records_is_refused():
    with pytest.raises(TrainingFailed, match="one record of a patient"):
        choices.choose(*stored_in_out(), request(2), Speed(engine="opacus-ghost"))


def test_parameters_that_no_layer_has_are_refused():
    graph, params = stored_in_out()
    loose = replace(graph, parameters=(*graph.parameters, Tensor("loose", "float32", (2,))))
    with pytest.raises(TrainingFailed, match="1 of the parameters"):
        choices.choose(loose, {**params, "loose": torch.ones(2)}, request(), Speed(engine="opacus-hooks"))


def test_an_engine_can_be_named():
    graph, params = stored_in_out()
    for name in ("vmap", "bookkeeping"):
        assert choices.choose(graph, params, request(3), Speed(engine=name)).choice.engine == name
