"""The partner's side: what packs, what is refused and with which words, and what a released model gives."""

import json
import subprocess
import sys
from importlib import util
from pathlib import Path

import pytest
import torch
from safetensors.torch import load as load_weights

from medtrain_client import load
from medtrain_client.graph import format as client_format
from medtrain_client.graph import weights as client_weights
from medtrain_client.main import main
from medtrain_client.pack import pack
from policies.errors import GraphRefused
from training_sandbox.graph import reader
from training_sandbox.graph.check import preflight
from training_sandbox.graph.run import bind

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
SHARED = ("format.py", "ops.py", "weights.py", "run.py", "recurrent.py")
_spec = util.spec_from_file_location("partner_models", HERE / "partner_models.py")
models = util.module_from_spec(_spec)
_spec.loader.exec_module(models)

GOOD = {
    "mlp": ("float32[1,12]", torch.randn(3, 12)),
    "Cnn": ("float32[1,1,8,8]", torch.randn(3, 1, 8, 8)),
    "Transformer": ("int64[1,6]", torch.randint(0, 20, (3, 6))),
    "Attention": ("float32[1,5,4]", torch.randn(3, 5, 4)),
    "Tied": ("int64[1,6]", torch.randint(0, 20, (3, 6))),
    "Mixed": ("float32[1,12]", torch.rand(3, 12) * 19),
    "Recurrent": ("int64[1,6]", torch.randint(0, 20, (3, 6))),
    "UNet": ("float32[1,1,8,8]", torch.randn(3, 1, 8, 8)),
    "Adapter": ("float32[1,12]", torch.randn(3, 12)),
    "ViT": ("float32[1,1,8,8]", torch.randn(3, 1, 8, 8)),
    "Tabular": ("float32[1,12]", torch.randn(3, 12)),
    "signal": ("float32[1,2,20]", torch.randn(3, 2, 20)),
}
BAD = {
    "batch_norm": ("MT-BUFFER", "GroupNorm"),
    "dropout": ("MT-RNG", "use nn.Dropout"),
    "rnn": ("MT-OP", "use nn.GRU"),
    "stretched": ("MT-SHAPE", "whole scale_factor"),
    "double": ("MT-SHAPE", "use float32"),
    "frozen": ("MT-IR", "nothing is left to train"),
    "buffer": ("MT-BUFFER", "seen"),
    "Indexing": ("MT-DYNSHAPE", r"partner_models\.py line \d+"),
    "Random": ("MT-RNG", "randomness"),
    "Branching": ("MT-DYNSHAPE", "torch.where"),
    "Constant": ("MT-CONST", "nn.Parameter"),
    "TwoOutputs": ("MT-SHAPE", "exactly one tensor"),
    "Unused": ("MT-IR", "spare is never used"),
    "Half": ("MT-SHAPE", "float16"),
    "WritesInput": ("MT-MUTATION", "changes its input"),
}


@pytest.mark.parametrize("name", SHARED)
def test_both_sides_carry_the_same_rules_byte_for_byte(name):
    theirs, ours = ROOT / "client/medtrain_client/graph" / name, ROOT / "training_sandbox/graph" / name
    assert theirs.read_bytes() == ours.read_bytes()


@pytest.mark.parametrize("name", GOOD)
def test_a_model_that_fits_is_accepted_by_the_server_and_gives_the_same_numbers(name):
    spec, records = GOOD[name]
    module = getattr(models, name)()
    packed = pack(module, spec)
    graph = reader.read_graph(packed.graph)
    params = reader.read_weights(graph, packed.weights)
    assert preflight(graph).parameters == packed.values == sum(p.numel() for p in module.parameters())
    forward = bind(graph)
    found = torch.func.vmap(lambda x: forward(params, x.unsqueeze(0))[0])(records)
    torch.testing.assert_close(found, module.eval()(records.clone()), atol=1e-5, rtol=1e-5)


def test_several_inputs_are_fed_one_row_of_numbers():
    module = models.TwoInputs()
    packed = pack(module, "int64[1,3]+float32[1,5]")
    graph = reader.read_graph(packed.graph)
    params = reader.read_weights(graph, packed.weights)
    assert [t.name for t in graph.inputs] == ["input0", "input1"]
    codes, numbers = torch.tensor([[1, 8, 4]]), torch.randn(1, 5)
    found = bind(graph)(params, torch.cat((codes.float(), numbers), 1))
    torch.testing.assert_close(found, module(codes, numbers))


def test_a_frozen_base_is_named_and_kept():
    graph = reader.read_graph(pack(models.Adapter(), "float32[1,12]").graph)
    assert graph.frozen == ("base.weight", "base.bias")
    assert graph.trained == ("a.weight", "b.weight", "head.weight", "head.bias")


@pytest.mark.parametrize("name", BAD)
def test_a_model_that_does_not_fit_is_refused_with_what_to_change(name, capfd):
    code, words = BAD[name]
    with pytest.raises(client_format.Refusal, match=words) as refused:
        pack(getattr(models, name)(), "float32[1,12]")
    assert refused.value.code == code
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("spec", ["12", "float64[1,12]", "float32[2,12]", "float32[1]", "float32[1,n]"])
def test_an_input_that_is_not_one_record_is_refused(spec):
    with pytest.raises(client_format.Refusal, match="MT-SHAPE"):
        pack(models.mlp(), spec)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda v: v,
        lambda v: v | {"output": "nobody"},
        lambda v: v | {"schema": "medtrain.graph/9"},
        lambda v: v | {"nodes": v["nodes"][::-1]},
        lambda v: v | {"nodes": [{**v["nodes"][0], "op": "randn_like.default"}, *v["nodes"][1:]]},
        lambda v: v | {"inputs": []},
        lambda v: v | {"nodes": [{**v["nodes"][0], "op": "relu_.default"}, *v["nodes"][1:]]},
        lambda v: v | {"nodes": [{**v["nodes"][0], "op": "own.default"}, *v["nodes"][1:]]},
        lambda v: v | {"nodes": [{**v["nodes"][0], "args": [True, 1.5, [1]]}, *v["nodes"][1:]]},
        lambda v: v | {"extra": float("nan")},
        lambda _: "[",
    ],
)
def test_client_and_server_give_the_same_verdict(spoil):
    raw = json.dumps(spoil(json.loads(pack(models.mlp(), "float32[1,12]").graph))).encode()

    def verdict(read, refusal):
        try:
            read(raw)
        except refusal as refused:
            return str(refused)
        return "accepted"

    assert verdict(client_format.read, client_format.Refusal) == verdict(reader.read_graph, GraphRefused)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: raw,
        lambda raw: raw[:7],
        lambda raw: raw + b"x",
        lambda raw: raw[:-4] + b"\x00\x00\xc0\x7f",
        lambda raw: raw.replace(b"F32", b"F16", 1),
        lambda raw: raw.replace(b'"0.bias"', b'"0.base"', 1),
        lambda raw: raw.replace(b"data_offsets", b"date_offsets", 1),
    ],
)
def test_client_and_server_give_the_same_verdict_on_weights(spoil):
    packed = pack(models.mlp(), "float32[1,12]")
    raw = spoil(packed.weights)

    def verdict(read, graph, refusal):
        try:
            read(graph, raw)
        except refusal as refused:
            return str(refused)
        return "accepted"

    ours = verdict(reader.check_weights, reader.read_graph(packed.graph), GraphRefused)
    assert verdict(client_weights.read, client_format.read(packed.graph), client_format.Refusal) == ours


def test_packing_twice_gives_the_same_bytes():
    one, other = (pack(models.mlp(), "float32[1,12]") for _ in range(2))
    assert (one.graph, one.weights, one.manifest) == (other.graph, other.weights, other.manifest)


def run(*arguments, path=HERE):
    """Run the command in a process that can import nothing of the server."""
    code = "import sys; from medtrain_client.main import main; sys.exit(main())"
    environment = {"PYTHONPATH": str(ROOT / "client"), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    blocked = "import sys; [sys.modules.__setitem__(n, None) for n in ('policies', 'training_sandbox', 'service')];"
    return subprocess.run(
        [sys.executable, "-P", "-c", blocked + code, *arguments],
        cwd=path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_packs_without_the_servers_packages(tmp_path):
    done = run("pack", "partner_models:mlp", "--input", "float32[1,12]", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"graph.json", "init.safetensors", "pack.json"}
    reader.read_graph((tmp_path / "out/graph.json").read_bytes())
    assert json.loads(done.stdout)["parameters"] == 122


def test_a_refused_model_ends_with_exit_code_3(tmp_path):
    done = run("pack", "partner_models:batch_norm", "--input", "float32[1,12]", str(tmp_path / "out"))
    assert done.returncode == 3
    assert "GroupNorm" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.fixture
def packed(tmp_path):
    pack(models.mlp(), "float32[1,12]").write(tmp_path)
    return tmp_path


@pytest.mark.parametrize("factory", ["partner_models", "partner_models:nobody", "no_such_module:mlp", ":mlp"])
def test_a_factory_that_does_not_exist_is_a_usage_error(factory, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(HERE)
    assert main(["pack", factory, "--input", "float32[1,12]", str(tmp_path / "out")]) == 2
    assert "MODULE:FACTORY" in capsys.readouterr().err


def test_the_command_packs_in_this_process_too(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(HERE)
    assert main(["pack", "partner_models:mlp", "--input", "float32[1,12]", str(tmp_path / "out")]) == 0
    assert json.loads(capsys.readouterr().out)["parameters"] == 122


def test_a_pack_can_be_checked_again(packed, capsys):
    assert main(["check", str(packed)]) == 0
    assert json.loads(capsys.readouterr().out) == {"nodes": 3, "verdict": "accepted"}


def test_a_changed_pack_fails_its_check(packed, capsys):
    weights = packed / "init.safetensors"
    weights.write_bytes(weights.read_bytes() + b"x")
    assert main(["check", str(packed)]) == 3
    assert "MT-SHAPE" in capsys.readouterr().err


def test_a_missing_folder_is_a_usage_error(tmp_path):
    assert main(["check", str(tmp_path / "nowhere")]) == 2


@pytest.mark.parametrize("name", GOOD)
def test_a_released_model_loads_and_runs(tmp_path, name):
    spec, records = GOOD[name]
    module = getattr(models, name)()
    pack(module, spec).write(tmp_path)
    (tmp_path / "init.safetensors").rename(tmp_path / "model.safetensors")
    torch.testing.assert_close(load(tmp_path)(records), module.eval()(records.clone()), atol=1e-5, rtol=1e-5)
    assert load_weights((tmp_path / "model.safetensors").read_bytes())


@pytest.mark.parametrize("name", ["mlp", "Adapter", "Recurrent", "UNet"])
def test_a_packed_model_can_be_rehearsed(tmp_path, name, capsys):
    pack(getattr(models, name)(), GOOD[name][0]).write(tmp_path)
    assert main(["rehearse", str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "runs"
    assert found["without_gradient"] == []
    assert found["frozen"] == (104 if name == "Adapter" else 0)


def test_a_model_with_values_out_of_range_fails_its_rehearsal(tmp_path, capsys):
    module = models.mlp()
    with torch.no_grad():
        module[0].weight.fill_(1e30)
    pack(module, "float32[1,12]").write(tmp_path)
    assert main(["rehearse", str(tmp_path)]) == 3
    assert "not finite" in capsys.readouterr().err
