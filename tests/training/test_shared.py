"""Several processes on one step, over a real process group: the same model as one process, to the bit."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import os, sys, torch, torch.distributed as dist
sys.path.insert(0, {tests!r})
from conftest import graph, params, patients
from training_sandbox import losses
from training_sandbox.engines.bookkeeping import Bookkeeping
from training_sandbox.engines.heard import Layout
from training_sandbox.engines.shared import Shared
from training_sandbox.graph.run import bind
g = graph()
p, batch, loss = params(g), patients(count=7), losses.function("cross-entropy")
engine = Bookkeeping(g, loss, p, Layout(2, 1, 2), label=torch.tensor(0), traced=False)
rank = int(sys.argv[1])
store = dist.FileStore({store!r}, 2)
dist.init_process_group("gloo", store=store, rank=rank, world_size=2)
shared = Shared(engine)(bind(g), loss, p, batch, 0.1, microbatch=9)
alone = engine(bind(g), loss, p, batch, 0.1, microbatch=9)
off = max(float((shared[n] - alone[n]).abs().max()) for n in alone)
print(off <= 7 * 2**-24, Shared(engine).bound == engine.bound)
dist.destroy_process_group()
"""


def test_two_processes_give_the_sum_that_one_gives(tmp_path):
    program = PROGRAM.format(tests=str(Path(__file__).parent), store=str(tmp_path / "store"))
    started = [
        subprocess.Popen([sys.executable, "-c", program, str(rank)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    assert [process.communicate(timeout=300)[0].split() for process in started] == [["True", "True"]] * 2
    assert [process.returncode for process in started] == [0, 0]
