"""``medtrain run``: train a model under a permit."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from policies.errors import Misuse
from service.cli.connection import connect
from service.cli.options import AsJson, Server, TokenFile
from service.cli.screen import say, show, table

app = typer.Typer(no_args_is_help=True, help="Train a packed model under a permit.")
ENDED = ("awaiting-release", "released", "refused", "failed", "cancelled")


Model = Annotated[
    Path | None, typer.Argument(help="Folder written by medtrain-client pack; left out for an algorithm.")
]
UnderPermit = Annotated[str, typer.Option("--permit", help="Permit to train under.")]
Epsilon = Annotated[str, typer.Option("--epsilon", help="Epsilon of this run, as a decimal number.")]
FromFile = Annotated[
    Path | None,
    typer.Option("--settings", help="JSON file: steps, optimiser ..., or an object with training, algorithm, search."),
]


@app.command()
def submit(
    permit: UnderPermit,
    epsilon: Epsilon,
    model: Model = None,
    settings: FromFile = None,
    key: Annotated[str | None, typer.Option(help="Idempotency key.")] = None,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Submit a packed model for training, or an algorithm. What it costs is reserved at once."""
    with connect(server, None, token_file) as service:
        spec = {"spec": _spec(permit, epsilon, settings)}
        show(service.post("/runs", files=_files(model), data=spec, key=key), as_json=as_json)


@app.command()
def estimate(
    permit: UnderPermit,
    epsilon: Epsilon,
    settings: FromFile = None,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what a run would cost. Nothing is reserved."""
    with connect(server, None, token_file) as service:
        show(service.post("/runs/estimates", data={"spec": _spec(permit, epsilon, settings)}), as_json=as_json)


@app.command()
def rehearse(
    permit: UnderPermit,
    epsilon: Epsilon,
    model: Model = None,
    settings: FromFile = None,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Try a run for a few steps on synthetic patients, in the jail. Nothing is charged."""
    with connect(server, None, token_file) as service:
        spec = {"spec": _spec(permit, epsilon, settings)}
        show(service.post("/runs/rehearsals", files=_files(model), data=spec), as_json=as_json)


def _files(model: Path | None) -> dict[str, tuple[str, bytes]]:
    if model is None:
        return {}
    try:
        return {name: (name, (model / name).read_bytes()) for name in ("graph.json", "init.safetensors")}
    except OSError:
        raise Misuse("the folder holds no packed model: run medtrain-client pack first") from None


def _spec(permit: str, epsilon: str, settings: Path | None) -> str:
    chosen = _settings(settings)
    whole = chosen if {"training", "algorithm", "search", "examination"} & set(chosen) else {"training": chosen}
    return json.dumps({**whole, "permit": permit, "epsilon": epsilon})


@app.command()
def watch(
    run: str,
    seconds: Annotated[int, typer.Option(help="Give up after so many seconds.")] = 3600,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Wait until a run has ended or awaits its release."""
    with connect(server, None, token_file) as service:
        last = ""
        for _ in range(seconds):
            found = service.get(f"/runs/{run}")
            here = f"{found['state']} {found['progress']['tenth']}/10"
            if here != last:
                last = here
                say(last)
            if found["state"] in ENDED:
                break
            time.sleep(1)
    show(found, as_json=as_json)


@app.command("list")
def listing(server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """List the runs you may see."""
    with connect(server, None, token_file) as service:
        found = service.get("/runs")
    show(found if as_json else table(found["items"], ["id", "permit", "state", "epsilon", "created"]), as_json=as_json)


@app.command()
def cancel(run: str, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Stop a run. What its worker has seen stays charged."""
    with connect(server, None, token_file) as service:
        show(service.post(f"/runs/{run}/cancellation"), as_json=as_json)


@app.command()
def certificate(run: str, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Show what a run's certificate says, or will say once it is released."""
    with connect(server, None, token_file) as service:
        show(service.get(f"/runs/{run}/certificate"), as_json=as_json)


def _settings(path: Path | None) -> Any:
    """Return the training settings of a JSON file.

    Raises:
        Misuse: there is no such file, or it is not JSON.
    """
    if path is None:
        return {}
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError:
        raise Misuse("the settings file cannot be read") from None
    except ValueError:
        raise Misuse("the settings file is not JSON") from None
