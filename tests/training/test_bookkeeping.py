"""The default engine: equal to a plain loop, one patient's contribution untouched by others, wrong engines refused."""

import math
from dataclasses import replace
from importlib import util
from pathlib import Path

import pytest
import torch

from medtrain_client.pack import pack
from policies.errors import Misuse, TrainingFailed
from training_sandbox import losses
from training_sandbox.engines import choice as choices
from training_sandbox.engines import flat, heard, norms, plain, vmap
from training_sandbox.engines.bookkeeping import Bookkeeping, Settings, blank, chunks
from training_sandbox.engines.heard import Layout
from training_sandbox.engines.uses import find_uses
from training_sandbox.graph import reader
from training_sandbox.graph.run import bind
from training_sandbox.plan import Speed
from training_sandbox.settings import Task

_spec = util.spec_from_file_location("partner_models", Path(__file__).parents[1] / "client/partner_models.py")
models = util.module_from_spec(_spec)
_spec.loader.exec_module(models)

MODELS = {
    "mlp": "float32[1,12]",
    "Cnn": "float32[1,1,8,8]",
    "Transformer": "int64[1,6]",
    "Attention": "float32[1,5,4]",
    "Mixed": "float32[1,12]",
    "Recurrent": "int64[1,6]",
    "ViT": "float32[1,1,8,8]",
    "Tabular": "float32[1,12]",
    "signal": "float32[1,2,20]",
    "Adapter": "float32[1,12]",
    "TwoInputs": "int64[1,3]+float32[1,5]",
    "Padded": "int64[1,6]",
    "Windows": "float32[1,1,8,8]",
    "Tied": "int64[1,6]",
}
CROSS_ENTROPY = losses.function("cross-entropy")
BINARY = Task(kind="binary")


class Padded(torch.nn.Module):
    """An embedding with a padding index, used twice."""

    def __init__(self):
        super().__init__()
        self.embed, self.head = torch.nn.Embedding(12, 4, padding_idx=0), torch.nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.embed(x).mean(1) + self.embed(x[:, :2]).sum(1))


class Windows(torch.nn.Module):
    """Convolutions over one and two dimensions, dilated, padded on one side more than on the other, and in groups."""

    def __init__(self):
        super().__init__()
        self.wide = torch.nn.Conv2d(1, 4, (3, 2), padding=(1, 2), dilation=(2, 1))
        self.even, self.groups = torch.nn.Conv2d(4, 4, 2, padding="same"), torch.nn.Conv2d(4, 4, 3, groups=2)
        self.line, self.head = torch.nn.Conv1d(4, 3, 4, dilation=2, padding=1), torch.nn.Linear(3, 2)

    def forward(self, x):
        x = torch.tanh(self.groups(torch.tanh(self.even(torch.tanh(self.wide(x))))))
        return self.head(torch.tanh(self.line(x.flatten(2))).mean(2))


def model(name):
    torch.manual_seed(0)
    module = {"Padded": Padded, "Windows": Windows}.get(name) or getattr(models, name)
    module = module()
    packed = pack(module, MODELS[name])
    graph = reader.read_graph(packed.graph)
    return graph, reader.read_weights(graph, packed.weights)


def request(**overrides):
    terms = {"task": BINARY, "loss": "cross-entropy", "patients": 7, "records": 3, "steps": 5}
    return choices.Request(**(terms | overrides))


def flatten(tensors):
    return torch.cat([value.flatten() for value in tensors.values()])


def made(graph, params, layout, traced=False, **options):
    return Bookkeeping(graph, CROSS_ENTROPY, params, layout, label=torch.tensor(0), traced=traced, **options)


def summed(engine, graph, params, batch, clip):
    return flatten(engine(bind(graph), CROSS_ENTROPY, params, batch, clip, microbatch=99))


@pytest.mark.parametrize("layout", [Layout(12, 4, 3), Layout(8, 4, 3)])
@pytest.mark.parametrize("name", MODELS)
def test_sums_equal_the_loop_and_the_oracle_for_every_model(name, layout):
    graph, params = model(name)
    batch = choices.random_batch(graph, request(), 7)
    engine = made(graph, params, layout)
    for clip in (1e-2, 10.0):
        found = summed(engine, graph, params, batch, clip)
        terms = {"trained": graph.trained}
        loop = plain.loop_sum(bind(graph), CROSS_ENTROPY, params, batch, clip, bound=engine.bound, **terms)
        oracle = vmap.clipped_sum(bind(graph), CROSS_ENTROPY, params, batch, clip, microbatch=3, **terms)
        assert float((found - flatten(loop)).abs().max()) < 1e-6 * len(batch)
        assert float((found - flatten(oracle)).abs().max()) < 1e-4


def test_a_model_of_whole_numbers_is_fed_a_row_of_floats_by_the_choice():
    graph, params = model("Transformer")
    engine = choices.choose(graph, params, request(), Speed())
    assert engine.choice.engine == "bookkeeping"


@pytest.mark.parametrize("name", ["Cnn", "Padded"])
def test_the_traced_graph_gives_what_the_step_gives_as_it_is_written(name):
    graph, params = model(name)
    batch = choices.random_batch(graph, request(), 7)
    one, other = (made(graph, params, Layout(12, 4, 3), traced=t) for t in (True, False))
    torch.testing.assert_close(
        summed(one, graph, params, batch, 0.1), summed(other, graph, params, batch, 0.1), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("name", ["Cnn", "Transformer", "Recurrent", "Attention"])
@pytest.mark.parametrize("records", [1, 3])
def test_nothing_of_other_patients_reaches_ones_contribution_not_even_a_bit(name, records):
    """The clip norm is a vector: one-hot, it lets one patient alone through."""
    graph, params = model(name)
    batch = choices.random_batch(graph, request(records=records), 4)
    layout = Layout(4 * records, 4, records)
    engine = made(graph, params, layout)
    values = [params[t.name] for t in graph.parameters]
    poison = (math.nan, math.inf, 1e30, 3.0) if batch.features.is_floating_point() else (-(2**62), 2**62, 3)
    for one in range(4):
        seen = []
        for value in (None, *poison):
            features, labels = batch.features.clone(), batch.labels.clone()
            if value is not None:
                others = torch.arange(4) != one
                features[others], labels[others] = value, 1
            (chunk,) = chunks(replace(batch, features=features, labels=labels), layout)
            used = (torch.arange(4) == one).float()
            norm, total = engine.run(values, replace(chunk, used=used), 0.05)
            seen.append((norm[one], total))
        assert all(torch.equal(norm, seen[0][0]) and torch.equal(total, seen[0][1]) for norm, total in seen[1:])
        assert 0 < float(seen[0][1].double().norm()) <= 0.05


@pytest.mark.parametrize("layout", [Layout(12, 4, 3), Layout(9, 4, 3)])
@pytest.mark.parametrize("kernel", ["ghost", "product", "grouped", "shifted"])
@pytest.mark.parametrize("name", ["Cnn", "Windows"])
def test_every_kernel_gives_the_same_sum(name, kernel, layout):
    graph, params = model(name)
    kernels = {use: kernel for use, of in find_uses(graph, params).ruled.items() if kernel in norms.kernels(of)}
    engine = made(graph, params, layout, settings=Settings(kernels=tuple(kernels.items())))
    batch = choices.random_batch(graph, request(), 4)
    loop = plain.loop_sum(bind(graph), CROSS_ENTROPY, params, batch, 0.1, bound=engine.bound)
    assert kernels
    assert float((summed(engine, graph, params, batch, 0.1) - flatten(loop)).abs().max()) < 4e-6


def test_a_record_that_is_not_finite_is_as_if_its_patient_were_absent():
    graph, params = model("Cnn")
    batch = choices.random_batch(graph, request(), 4)
    batch.features[2, 0, 0, 0] = math.nan
    rest = replace(batch, weights=batch.weights.clone())
    rest.weights[2] = 0
    engine = made(graph, params, Layout(12, 4, 3))
    assert torch.equal(summed(engine, graph, params, batch, 0.1), summed(engine, graph, params, rest, 0.1))


@pytest.mark.parametrize("name", ["Cnn", "Recurrent", "Tabular"])
def test_automatic_clipping_scales_every_gradient(name):
    graph, params = model(name)
    batch = choices.random_batch(graph, request(), 7)
    engine = made(graph, params, Layout(12, 4, 3), automatic=True)
    terms = {"trained": graph.trained, "automatic": True}
    loop = plain.loop_sum(bind(graph), CROSS_ENTROPY, params, batch, 0.5, bound=engine.bound, **terms)
    found = summed(engine, graph, params, batch, 0.5)
    assert float((found - flatten(loop)).abs().max()) < 1e-5
    oracle = vmap.clipped_sum(bind(graph), CROSS_ENTROPY, params, batch, 0.5, microbatch=7, **terms)
    assert float((found - flatten(oracle)).abs().max()) < 1e-4


def test_dropout_depends_on_the_records_seed_alone():
    graph, params = model("signal")
    batch = choices.random_batch(graph, request(), 6)
    engine = made(graph, params, Layout(12, 4, 3))
    whole = summed(engine, graph, params, batch, 10.0)
    order = torch.tensor([5, 3, 0, 1, 4, 2])
    assert float((summed(engine, graph, params, batch.take(order), 10.0) - whole).abs().max()) < 1e-5
    other = replace(batch, seeds=batch.seeds + 1)
    assert float((summed(engine, graph, params, other, 10.0) - whole).abs().max()) > 1e-3


def test_about_as_many_numbers_are_dropped_as_asked_for():
    graph, _ = model("signal")
    from training_sandbox.graph.run import Runner, compiled

    run = Runner(graph, compiled(graph), torch.tensor(-(2**61) + 7))
    kept = [run.drop(torch.ones(20_000), 0.3) for _ in range(2)]
    assert all(abs(float((k == 0).float().mean()) - 0.3) < 0.015 for k in kept)
    assert abs(float(((kept[0] == 0) & (kept[1] == 0)).float().mean()) - 0.09) < 0.01
    assert float(kept[0].max()) == pytest.approx(1 / 0.7)
    assert not run.drop(torch.ones(3), 1.0).any()


def test_a_frozen_base_has_no_gradient_and_no_noise():
    graph, params = model("Adapter")
    engine = made(graph, params, Layout(12, 4, 3))
    found = engine(None, None, params, choices.random_batch(graph, request(), 4), 0.1, microbatch=4)
    assert tuple(found) == ("a.weight", "b.weight", "head.weight", "head.bias")


@pytest.mark.parametrize("layout", [Layout(12, 4, 3), Layout(8, 4, 3)])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["Windows", "Transformer", "Recurrent", "ViT", "TwoInputs", "Padded", "Tied"])
def test_nothing_of_a_step_is_left_on_the_cpu(name, precision, layout):
    """The other device here has no numbers at all (``meta``); what would mix devices is an error on it."""
    graph, params = model(name)
    uses, device = find_uses(graph, params), torch.device("meta")
    away = {n: v.to(device) for n, v in params.items()}
    engine = made(graph, away, layout, uses=uses, settings=Settings(precision=precision))
    chunk = blank(graph, layout, torch.tensor(0), device)
    norm, total = engine.run([away[t.name] for t in graph.parameters], chunk, 1.0)
    assert norm.device == total.device == device
    assert total.shape == (sum(params[n].numel() for n in graph.trained),)
    assert total.dtype == torch.float32


def test_half_precision_keeps_the_bound_on_every_patient():
    graph, params = model("Cnn")
    engine = made(graph, params, Layout(3, 1, 3), settings=Settings(precision="bfloat16"))
    batch = choices.random_batch(graph, request(), 6)
    for one in range(6):
        found = summed(engine, graph, params, batch.take(torch.tensor([one])), 1e-3)
        assert 0.999 < float(found.norm()) <= 1
    whole = flatten(plain.loop_sum(bind(graph), CROSS_ENTROPY, params, batch, 1e-3))
    assert float((summed(engine, graph, params, batch, 1e-3) - whole).norm() / whole.norm()) < 0.05


def test_more_records_than_the_layout_holds_are_refused():
    graph, params = model("mlp")
    engine = made(graph, params, Layout(4, 4, 1))
    with pytest.raises(Misuse, match="1 records"):
        engine(None, None, params, choices.random_batch(graph, request(), 4), 0.1, microbatch=4)


def test_nobody_gives_zeros():
    graph, params = model("mlp")
    nobody = choices.random_batch(graph, request(), 4).take(torch.zeros(0, dtype=torch.int64))
    for layout in (Layout(12, 4, 3), Layout(8, 4, 3)):
        assert not summed(made(graph, params, layout), graph, params, nobody, 0.1).any()


def test_which_parameters_are_dense_is_found_by_following_them():
    assert find_uses(*model("Transformer")).dense == ()
    assert find_uses(*model("ViT")).dense == ("token", "place")
    assert find_uses(*model("Tied")).dense == ("embed.weight",)


@pytest.mark.parametrize(
    "what", ["a rule loses its bias", "pairs count once", "rows of one patient are not added", "records are patients"]
)
def test_a_wrong_engine_is_refused_before_the_run(what, monkeypatch):
    graph, params = model("mlp")
    layout = Layout(8, 4, 3)
    if what == "a rule loses its bias":
        monkeypatch.setattr(norms, "companion", lambda uses, kernels: {"0.bias": "0.weight", "2.bias": "0.weight"})
    if what == "pairs count once":
        right = heard.Heard.band
        monkeypatch.setattr(
            heard.Heard, "band", lambda self, pairs: right(self, [lambda d, p=p: p(d) / (2 if d else 1) for p in pairs])
        )
    if what == "records are patients":
        layout = Layout(12, 4, 3)
        monkeypatch.setattr(heard.Heard, "by_unit", lambda self, rows: rows[: self.layout.units])
        monkeypatch.setattr(norms, "companion", lambda uses, kernels: {})
    if what == "rows of one patient are not added":
        monkeypatch.setattr(heard.Heard, "by_patient", lambda self, rows: rows[: self.layout.patients])
        monkeypatch.setattr(norms, "companion", lambda uses, kernels: {})
    engine = choices.Engine(
        choices.Choice(engine="bookkeeping", layout=layout), e := made(graph, params, layout), e.bound, None
    )
    with pytest.raises(TrainingFailed, match="differs from a plain loop"):
        choices.verify(graph, params, request(), engine)


def test_a_forgotten_padding_index_is_refused(monkeypatch):
    graph, params = model("Padded")
    right = norms._rows
    monkeypatch.setattr(
        norms, "_rows", lambda uses, heard, parameter: right([replace(u, meta=-1) for u in uses], heard, parameter)
    )
    engine = made(graph, params, Layout(12, 4, 3))
    with pytest.raises(TrainingFailed):
        choices.verify(
            graph,
            params,
            request(),
            choices.Engine(choices.Choice(engine="bookkeeping", layout=Layout(12, 4, 3)), engine, engine.bound, None),
        )


def test_the_chosen_engine_is_book_keeping_and_can_be_named_again():
    graph, params = model("mlp")
    engine = choices.choose(graph, params, request(), Speed())
    assert engine.choice.engine == "bookkeeping"
    assert engine.seconds > 0
    assert choices.Choice.from_dict(engine.choice.as_dict()) == engine.choice
    again = choices.choose(graph, params, request(), Speed(), engine.choice)
    batch = choices.random_batch(graph, request(), 7)
    assert torch.equal(summed(engine, graph, params, batch, 0.1), summed(again, graph, params, batch, 0.1))
    assert choices.choose(graph, params, request(), Speed()) is engine


def test_a_long_run_pays_for_tracing_and_compiling(monkeypatch):
    graph, params = model("mlp")
    asked = []
    monkeypatch.setattr(choices, "_MADE", {})
    monkeypatch.setattr(choices, "compiler", lambda: asked.append(True))
    engine = choices.choose(graph, params, request(steps=10**8), Speed())
    assert engine.choice.traced
    assert not engine.choice.compile
    assert asked == [True]


def test_a_candidate_that_fails_is_passed_over(monkeypatch):
    graph, params = model("mlp")
    first = choices.choose(graph, params, request(), Speed())
    monkeypatch.setattr(norms, "companion", lambda uses, kernels: {"0.bias": "0.weight", "2.bias": "0.weight"})
    found = choices._fastest(graph, params, request(), first, [first.choice])
    assert found is first


def test_an_engine_that_fails_its_check_is_replaced_by_the_oracle(monkeypatch):
    graph, params = model("mlp")
    monkeypatch.setattr(norms, "companion", lambda uses, kernels: {"0.bias": "0.weight", "2.bias": "0.weight"})
    monkeypatch.setattr(choices, "_MADE", {})
    engine = choices.choose(graph, params, request(), Speed())
    assert engine.choice.engine == "vmap"
    assert not engine.half


def test_memory_decides_how_many_patients_go_through_at_once(monkeypatch):
    graph, params = model("Cnn")
    wanted = request(patients=100)
    assert choices._layout(graph, params, wanted, Speed()) == Layout(300, 100, 3)
    monkeypatch.setattr(choices, "MEMORY", 1 << 20)
    small = choices._layout(graph, params, wanted, Speed())
    assert small.patients < 100
    assert choices._layout(graph, params, wanted, Speed(packed=True)).rows == math.ceil(small.patients * 2)


def test_a_traced_graph_that_writes_in_place_is_made_functional():
    graph = torch.fx.Graph()
    x = graph.placeholder("x")
    y = graph.call_function(torch.ops.aten.neg.default, (x,))
    graph.output(graph.call_function(torch.ops.aten.exp_.default, (y,)))
    traced = torch.fx.GraphModule({}, graph)
    flat.functional(traced)
    assert [str(n.target) for n in traced.graph.nodes if n.op == "call_function"][-1] == "aten.exp.default"
    graph = torch.fx.Graph()
    graph.output(graph.call_function(torch.ops.aten.exp_.default, (graph.placeholder("x"),)))
    with pytest.raises(TrainingFailed, match="in place"):
        flat.functional(torch.fx.GraphModule({}, graph))


@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method")
@pytest.mark.skipif(choices.compiler() is None, reason="no C++ compiler on this machine")
def test_a_compiled_graph_gives_what_it_gave_before(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    graph = torch.fx.Graph()
    x = graph.placeholder("x")
    graph.output((graph.call_function(torch.ops.aten.mul.Tensor, (x, 3.0)),))
    traced = torch.fx.GraphModule({}, graph)
    call = flat.compiled(traced)
    for value in (torch.arange(5.0), torch.ones(5)):
        assert torch.equal(call(value)[0], traced(value)[0])
    settings = flat.compiler_settings()
    assert settings["layout_optimization"] is False
    assert settings.get("cpp.vec_isa_ok", False) == ("AVX" in torch.backends.cpu.get_cpu_capability())
