"""Speed and memory of one private step against the ordinary one, engines interleaved in one process.

    python bench/training.py [MODEL ...] [--rounds N] [--compile] [--memory] [--opacus]

A private step is all of it: Poisson draw, padding, clipped sums, secure noise, update. An ordinary step is forward,
backward and the same update on as many records of a plain PyTorch module. Every figure is a ratio to the ordinary
eager step of the same round; the median over rounds is printed, and the least in brackets. One thread.
"""

import argparse
import ctypes
import gc
import json
import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812  # as everybody writes it

from training_sandbox import losses
from training_sandbox.engines import choice as choices
from training_sandbox.engines import tune, uses
from training_sandbox.engines.flat import compiler_settings
from training_sandbox.engines.heard import Layout
from training_sandbox.graph import reader
from training_sandbox.graph.run import bind
from training_sandbox.optimisers import Updates
from training_sandbox.patients import Patients
from training_sandbox.plan import DEFAULT_SPEED, DPPlan
from training_sandbox.settings import Optimiser, Task
from training_sandbox.step import gradient

KEY = bytes(range(32))
RECORDS = 4
WARM = 3


class Cnn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 16, 8, 2, padding=3), nn.Conv2d(16, 32, 4, 2)
        self.c, self.d = nn.Linear(512, 32), nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(torch.tanh(self.a(x)), 2, 1)
        x = F.max_pool2d(torch.tanh(self.b(x)), 2, 1)
        return self.d(torch.tanh(self.c(x.flatten(1))))


class GroupNormCnn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (
            nn.Conv2d(1, 32, 3, padding=1),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.Conv2d(64, 128, 3, padding=1),
        )
        self.na, self.nb, self.nc = nn.GroupNorm(8, 32), nn.GroupNorm(8, 64), nn.GroupNorm(8, 128)
        self.head = nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.na(self.a(x))), 2)
        x = F.max_pool2d(F.relu(self.nb(self.b(x))), 2)
        return self.head(F.relu(self.nc(self.c(x))).mean((2, 3)))


class Block(nn.Module):
    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.a = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.b = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.na, self.nb = nn.GroupNorm(8, outside), nn.GroupNorm(8, outside)
        same = stride == 1 and inside == outside
        self.short = nn.Identity() if same else nn.Conv2d(inside, outside, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.nb(self.b(F.relu(self.na(self.a(x))))) + self.short(x))


def resnet() -> nn.Module:
    stem = (nn.Conv2d(1, 16, 3, 1, 1, bias=False), nn.GroupNorm(8, 16), nn.ReLU())
    blocks = (Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2))
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


class TextCnn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(8000, 64)
        self.convs = nn.ModuleList(nn.Conv1d(64, 64, k) for k in (3, 4, 5))
        self.head = nn.Linear(192, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        e = self.embed(x).transpose(1, 2)
        return self.head(torch.cat([F.relu(c(e)).amax(2) for c in self.convs], 1))


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(64, 64) for _ in range(4))
        self.a, self.b, self.na, self.nb = nn.Linear(64, 256), nn.Linear(256, 64), nn.LayerNorm(64), nn.LayerNorm(64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n = self.na(x)
        q, k, v = (f(n).unflatten(2, (4, 16)).transpose(1, 2) for f in (self.q, self.k, self.v))
        seen = torch.softmax(q @ k.transpose(-2, -1) / 4, -1) @ v
        x = x + self.o(seen.transpose(1, 2).flatten(2))
        return x + self.b(F.gelu(self.a(self.nb(x))))


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.place = nn.Embedding(2000, 64), nn.Embedding(64, 64)
        self.layers, self.head = nn.Sequential(Layer(), Layer()), nn.Linear(64, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        place = (
            torch.arange(64, device=x.device).expand(x.shape[0], 64).contiguous()
        )  # Opacus wants a whole batch of places
        return self.head(self.layers(self.embed(x) + self.place(place)).mean(1))


class Gru(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.gru, self.head = nn.Embedding(500, 32), nn.GRU(32, 48, batch_first=True), nn.Linear(48, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.gru(self.embed(x))[0].mean(1))


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(30, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 2))


Make = Callable[[], nn.Module]
MODELS: dict[str, tuple[Make, str, int, int, float]] = {
    # name: module, one record, classes, records in a batch, target
    "mlp": (mlp, "float32[1,30]", 2, 512, 1.0),
    "cnn": (Cnn, "float32[1,1,28,28]", 10, 256, 0.9),
    "gn-cnn": (GroupNormCnn, "float32[1,1,28,28]", 10, 128, 1.1),
    "gn-resnet": (resnet, "float32[1,1,28,28]", 10, 64, 1.3),
    "text-cnn": (TextCnn, "int64[1,64]", 4, 64, 1.8),
    "transformer": (Transformer, "int64[1,64]", 4, 64, 1.0),
    "gru": (Gru, "int64[1,24]", 4, 256, 1.0),
}


def data(spec: str, classes: int, patients: int, records: int) -> Patients:
    """Return a table of random patients with 1 to ``records`` records."""
    generator = torch.Generator().manual_seed(0)
    shape = [int(n) for n in spec.split("[")[1].rstrip("]").split(",")][1:]
    x = torch.randn((patients, records, *shape), generator=generator)
    x = (x.abs() * 100).long() if spec.startswith("int64") else x
    held = 1 + torch.arange(patients).unsqueeze(1) % records
    weights = torch.where(torch.arange(records) < held, 1.0 / held, 0.0)
    labels = torch.randint(0, classes, (patients, records), generator=generator)
    return Patients(x, labels, weights)


class Ordinary:
    """The non-private step on as many records as a private step has on average."""

    def __init__(self, make: Make, table: Patients, batch: int, *, compiled: bool) -> None:
        torch.manual_seed(0)
        self.module = make()
        self.run = torch.compile(self.module, dynamic=False, options=compiler_settings()) if compiled else self.module
        real = table.weights > 0
        self.x, self.y, self.batch = table.features[real], table.labels[real], batch
        self.optimiser = torch.optim.SGD(self.module.parameters(), lr=1e-3, momentum=0.9, foreach=True)
        self.generator = torch.Generator().manual_seed(0)

    def __call__(self) -> None:
        index = torch.randint(0, len(self.x), (self.batch,), generator=self.generator)
        self.optimiser.zero_grad(set_to_none=True)
        F.cross_entropy(self.run(self.x[index]), self.y[index]).backward()
        self.optimiser.step()


class Private:
    """The whole private step of the product."""

    def __init__(self, make: Make, spec: str, table: Patients, plan: DPPlan, engine: str, rows: int) -> None:
        sys.path.append(str(Path(__file__).parents[1] / "client"))
        from medtrain_client.pack import pack  # the partner's side

        torch.manual_seed(0)
        packed = pack(make(), spec)
        self.graph = reader.read_graph(packed.graph)
        params = reader.read_weights(self.graph, packed.weights)
        classes = int(table.labels.max()) + 1
        task = Task(kind="binary" if classes == 2 else "multi-class", classes=classes)
        records = plan.records_per_patient
        request = choices.Request(task=task, loss="cross-entropy", patients=plan.cap, records=records, steps=1)
        padded = "packed" not in engine
        layout = Layout(plan.cap * records, plan.cap, records) if padded else Layout(rows, min(rows, plan.cap), records)
        kernels = tune.tune(uses.find_uses(self.graph, params), params, layout)
        name: Any = "vmap" if engine == "vmap" else "bookkeeping"
        made = choices.Choice(
            engine=name, layout=layout, kernels=() if name == "vmap" else kernels, compile="compiled" in engine
        )
        self.engine = choices.choose(self.graph, params, request, DEFAULT_SPEED, made)
        self.forward, self.loss = bind(self.graph), losses.function("cross-entropy")
        empty = table.take(torch.zeros(1, dtype=torch.int64))
        self.table = Patients(
            *(
                torch.cat((a, torch.zeros_like(b)))
                for a, b in zip(
                    (table.features, table.labels, table.weights),
                    (empty.features, empty.labels, empty.weights),
                    strict=True,
                )
            )
        )
        self.plan, self.step = plan, 0
        self.updates = Updates(Optimiser(learning_rate=1e-3), params, 10_000)

    def __call__(self) -> None:
        self.step += 1
        self.updates.apply(
            gradient(
                self.forward,
                self.loss,
                self.updates.now(),
                self.table,
                self.plan,
                run_key=KEY,
                step=self.step,
                engine=self.engine,
            )
        )


class Opacus:
    """Opacus as it is used: wrapped module, private optimiser, noise from torch's own generator (not secure)."""

    def __init__(self, make: Make, table: Patients, batch: int, mode: str) -> None:
        from opacus.grad_sample import GradSampleModule
        from opacus.grad_sample.grad_sample_module_fast_gradient_clipping import GradSampleModuleFastGradientClipping
        from opacus.optimizers import DPOptimizer
        from opacus.optimizers.optimizer_fast_gradient_clipping import DPOptimizerFastGradientClipping
        from opacus.utils.fast_gradient_clipping_utils import DPLossFastGradientClipping

        torch.manual_seed(0)
        module = make()
        if mode == "ghost":
            self.module: Any = GradSampleModuleFastGradientClipping(
                module, max_grad_norm=1.0, use_ghost_clipping=True, loss_reduction="mean"
            )
            wrapper: Any = DPOptimizerFastGradientClipping
        else:
            self.module = GradSampleModule(module, loss_reduction="mean")
            wrapper = DPOptimizer
        inner = torch.optim.SGD(self.module.parameters(), lr=1e-3, momentum=0.9)
        self.optimiser = wrapper(
            inner, noise_multiplier=1.0, max_grad_norm=1.0, expected_batch_size=batch, loss_reduction="mean"
        )
        loss = nn.CrossEntropyLoss(reduction="mean")
        self.loss: Any = (
            DPLossFastGradientClipping(self.module, self.optimiser, loss, "mean") if mode == "ghost" else loss
        )
        real = table.weights > 0
        self.x, self.y, self.batch = table.features[real], table.labels[real], batch
        self.generator = torch.Generator().manual_seed(0)

    def __call__(self) -> None:
        index = torch.randint(0, len(self.x), (self.batch,), generator=self.generator)
        self.optimiser.zero_grad()
        self.loss(self.module(self.x[index]), self.y[index]).backward()
        self.optimiser.step()


def contender(name: str, model: str, records: int) -> Callable[[], None]:
    """Return one step of an engine on a model, records of one patient 1 to ``records``."""
    make, spec, classes, batch, _ = MODELS[model]
    patients = 8 * batch
    table = data(spec, classes, patients, records)
    drawn = batch / ((1 + records) / 2)  # patients in a step, on average
    cap = int(drawn + 4 * drawn**0.5) if records == 1 else int(drawn * 1.15)
    plan = DPPlan(
        sampling_rate=drawn / patients, cap=cap, clip=1.0, noise_multiplier=1.0, steps=1000, delta=1e-5,
        public_patients=patients, records_per_patient=records,
    )  # fmt: skip
    if name.startswith("plain"):
        return Ordinary(make, table, batch, compiled=name.endswith("compiled"))
    if name.startswith("opacus"):
        return Opacus(make, table, batch, name.removeprefix("opacus-"))
    return Private(make, spec, table, plan, name, batch // 4 if name.endswith("small") else int(1.15 * batch))


def compare(model: str, names: list[str], records: int, rounds: int) -> dict[str, tuple[float, float]]:
    """Return, for each engine, (median, least) over rounds of its step time by that of the plain eager step."""
    steps: dict[str, Callable[[], None]] = {}
    for name in ["plain", *names]:
        try:
            steps[name] = contender(name, model, records)
            for _ in range(WARM):
                steps[name]()
        except Exception as problem:  # noqa: BLE001  # an engine that cannot run a model is left out, visibly
            print(f"  {model}: {name} does not run ({type(problem).__name__}: {str(problem)[:80]})", flush=True)
            steps.pop(name, None)
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            start = time.thread_time()
            step()
            times[name].append(time.thread_time() - start)
    base = times.pop("plain")
    found = {}
    for name, spent in times.items():
        found[name] = (statistics.median(spent) / statistics.median(base), min(spent) / min(base))
    print(f"  {model}, 1 to {records} records: plain step {1e3 * min(base):.2f} ms CPU at least", flush=True)
    for name, (median, least) in found.items():
        print(f"    {name:32s} {median:5.2f}  ({least:.2f})", flush=True)
    return found


def peak(name: str, model: str, records: int) -> float:
    """Return the most memory of five steps above what the process had before, in MiB; in a process of its own."""
    here = str(Path(__file__).parent)
    code = f"import sys; sys.path.insert(0, {here!r}); import training; "
    code += f"training.measure({name!r}, {model!r}, {records})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def measure(name: str, model: str, records: int) -> None:
    """Print the peak of :func:`peak`."""
    torch.set_num_threads(1)
    step = contender(name, model, records)
    step()
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # what the first step left behind is no part of the base
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident("VmRSS")
    for _ in range(5):
        step()
    print(json.dumps((_resident("VmHWM") - before) / 1024))


def _resident(what: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(what)).split()[1])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=list(MODELS))
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--opacus", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--engines", help="these, separated by commas, instead of those the other options name")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    print(
        f"torch {torch.__version__}, Python {platform.python_version()}, {platform.processor() or platform.machine()}"
    )
    names = ["bookkeeping-packed", "bookkeeping"] if options.records > 1 else ["bookkeeping"]
    if options.compile:
        names = ["plain-compiled", *[n.replace("bookkeeping", "bookkeeping-compiled") for n in names], *names]
    if options.opacus:
        names += ["opacus-ghost", "opacus-hooks"]
    if options.engines:
        names = options.engines.split(",")
    for model in options.models:
        if options.memory:
            base = peak("plain", model, options.records)
            for name in names:
                print(f"  {model} {name}: {peak(name, model, options.records) / base:.2f} x {base:.1f} MiB", flush=True)
        else:
            compare(model, names, options.records, options.rounds)


if __name__ == "__main__":
    main()
