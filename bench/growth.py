"""How a run's time and memory grow: linearly with its steps, and not with the dataset beyond the cap of a batch.

    python bench/growth.py

Each case is the product's trainer in a process of its own; time is processor time without imports and self-check,
memory is the peak above what the process held before training. Patients grow with a sampling rate that keeps the cap
the same.
"""

import resource
import subprocess
import sys
import time

CASES = {
    "steps": [(2_000, steps) for steps in (50, 100, 200)],
    "patients": [(patients, 100) for patients in (2_000, 16_000, 128_000)],
}
EXPECTED, WIDTH = 100, 30


def main() -> None:
    """Print one table for each kind of growth."""
    if len(sys.argv) > 1:
        one(int(sys.argv[1]), int(sys.argv[2]))
        return
    for kind, cases in CASES.items():
        print(f"| {kind} | patients | steps | cap | seconds | ms a step | peak MiB above the data |")
        print("|---|---|---|---|---|---|---|")
        for patients, steps in cases:
            done = subprocess.run(
                [sys.executable, __file__, str(patients), str(steps)], capture_output=True, text=True, check=True
            )
            print(f"| {kind} | {done.stdout.strip()} |", flush=True)


def one(patients: int, steps: int) -> None:
    """Train once and print what it took."""
    import torch

    from training_sandbox import trainer
    from training_sandbox.graph.format import Graph, Node, Ref, Tensor
    from training_sandbox.patients import Patients
    from training_sandbox.plan import DPPlan, smallest_cap
    from training_sandbox.settings import Optimiser, Task

    torch.set_num_threads(1)
    rate = EXPECTED / patients
    plan = DPPlan(
        sampling_rate=rate, cap=smallest_cap(3.0, 1e-5, sampling_rate=rate, steps=steps, public_patients=patients),
        clip=1.0, noise_multiplier=1.0, steps=steps, delta=1e-5, public_patients=patients, records_per_patient=1,
    )  # fmt: skip
    shapes = {"a.weight": (64, WIDTH), "a.bias": (64,), "b.weight": (2, 64), "b.bias": (2,)}
    graph = Graph(
        inputs=(Tensor("x", "float32", (1, WIDTH)),),
        parameters=tuple(Tensor(name, "float32", shape) for name, shape in shapes.items()),
        nodes=(
            Node("linear.default", (Ref("x"), Ref("a.weight"), Ref("a.bias")), (), ("h",)),
            Node("relu.default", (Ref("h"),), (), ("r",)),
            Node("linear.default", (Ref("r"), Ref("b.weight"), Ref("b.bias")), (), ("o",)),
        ),
        output="o",
    )
    draw = torch.Generator().manual_seed(0)
    params = {name: torch.randn(shape, generator=draw) * 0.1 for name, shape in shapes.items()}
    data = Patients(
        torch.randn(patients, 1, WIDTH, generator=draw),
        torch.randint(0, 2, (patients, 1), generator=draw),
        torch.ones(patients, 1),
    )
    marks: list[float] = []
    trainer.train(  # the self-check and the first step warm everything up
        graph, params, data, plan=plan, task=Task(kind="binary"), loss="cross-entropy", optimiser=Optimiser(),
        run_key=bytes(32), on_step=lambda _: marks.append(time.process_time()),
    )  # fmt: skip
    seconds = (marks[-1] - marks[0]) / (len(marks) - 1) * steps
    held = data.features.numel() * 4 * 2 / 2**20  # the table, and its copy with the empty patient
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - held
    print(f"{patients} | {steps} | {plan.cap} | {seconds:.2f} | {1000 * seconds / steps:.2f} | {peak:.0f}")


if __name__ == "__main__":
    main()
