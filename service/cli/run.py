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


@app.command()
def submit(
    model: Annotated[Path, typer.Argument(help="Folder written by medtrain-client pack.")],
    permit: Annotated[str, typer.Option(help="Permit to train under.")],
    epsilon: Annotated[str, typer.Option(help="Epsilon of this run, as a decimal number.")],
    settings: Annotated[
        Path | None, typer.Option(help="JSON file with steps, sampling_rate, clip, optimiser ...")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Idempotency key.")] = None,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Submit a packed model for training. What it costs is reserved at once."""
    chosen = _settings(settings)
    try:
        files = {name: (name, (model / name).read_bytes()) for name in ("graph.json", "init.safetensors")}
    except OSError:
        raise Misuse("the folder holds no packed model: run medtrain-client pack first") from None
    spec = json.dumps({"permit": permit, "epsilon": epsilon, "training": chosen})
    with connect(server, None, token_file) as service:
        show(service.post("/runs", files=files, data={"spec": spec}, key=key), as_json=as_json)


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
            if found["state"] != last:
                last = found["state"]
                say(last)
            if last in ENDED:
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
