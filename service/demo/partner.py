"""The partner's own machine in the demonstration: an environment without the server, where the model is packed."""

import json
import os
import subprocess
import sysconfig
import venv
from pathlib import Path

from policies.errors import MedtrainError
from service.demo.scenes import Scene

CLIENT = Path(__file__).resolve().parents[2] / "client"
ABSENT = ("policies", "deid", "datasets", "training_sandbox", "service")


class PackFailed(MedtrainError):
    """The partner's model could not be packed."""

    code = "pack-failed"


def pack(folder: Path, scene: Scene, features: int) -> Path:
    """Return the folder of the packed model, made by ``medtrain-client`` in an environment without the server.

    Raises:
        PackFailed: with the client's own sentence.
    """
    out = folder / "packed"
    if (out / "pack.json").is_file():
        return out
    python = environment(folder / "environment")
    (folder / "my_models.py").write_text(scene.module(features), "utf-8")
    command = ["pack", "my_models:make_model", "--input", f"float32[1,{features}]", str(out)]
    made = subprocess.run(  # noqa: S603  # the partner's interpreter, arguments of our own
        [python, "-c", "import sys; from medtrain_client.main import main; sys.exit(main())", *command],
        cwd=folder,
        env={"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise PackFailed(f"medtrain-client pack failed: {(made.stderr.strip().splitlines() or ['no words'])[-1]}")
    return out


def environment(folder: Path) -> Path:
    """Return the interpreter of an environment that has torch and the client, and none of the server's packages.

    The libraries are those of this environment, found by a path file that carries nothing else along.
    """
    python = folder / "bin" / "python"
    if not (folder / "ready").is_file():
        venv.create(folder, with_pip=False, clear=True)
        site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
        libraries = sysconfig.get_path("purelib")
        (site / "partner.pth").write_text(f"{libraries}\n{CLIENT}\n", "utf-8")
        check = f"import importlib.util as u, json; print(json.dumps([n for n in {ABSENT!r} if u.find_spec(n)]))"
        said = subprocess.run(  # noqa: S603  # as above
            [python, "-c", check], cwd=folder, env={}, capture_output=True, text=True, check=True
        )
        if json.loads(said.stdout):
            raise PackFailed("the partner's environment is not free of the server's packages")
        (folder / "ready").touch()
    return python
