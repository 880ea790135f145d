"""``medtrain``: the command line. Each command parses, makes one call and prints the answer."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from policies.errors import MedtrainError, Misuse
from service.cli import (
    backup,
    dataset,
    deid,
    extract,
    incident,
    log,
    people,
    permit,
    release,
    rights,
    run,
    secrecy,
    submission,
)
from service.cli.connection import connect
from service.cli.options import AsJson, Server, TokenFile
from service.cli.screen import say, show
from service.defects import place

PARSER_ERRORS: tuple[Any, ...] = tuple(one for one in typer.BadParameter.__mro__ if one.__name__ == "ClickException")
"""What the parser raises. typer brings a click of its own, and this is how it can be named."""

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="De-identify hospital records, govern them as datasets, train partner models under differential privacy.",
)
for noun, commands in {
    "submission": submission.app,
    "secrecy": secrecy.app,
    "dataset": dataset.app,
    "permit": permit.app,
    "run": run.app,
    "release": release.app,
    "rights": rights.app,
    "extract": extract.app,
    "incident": incident.app,
    "log": log.app,
    "people": people.app,
    "backup": backup.app,
    "deid": deid.app,
}.items():
    app.add_typer(commands, name=noun)
budget = typer.Typer(no_args_is_help=True, help="The privacy budget.")
app.add_typer(budget, name="budget")
demo = typer.Typer(invoke_without_command=True, help="The main job, end to end, played by four people.")
app.add_typer(demo, name="demo")


def _say_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        show([version("medtrain")], as_json=False)
        raise typer.Exit


@app.callback()
def common(
    _version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """De-identify hospital records, govern them as datasets, train partner models under differential privacy."""


@demo.callback()
def play(
    context: typer.Context,
    records: Annotated[
        Path | None, typer.Option("--input", help="Folder of records to use instead of the bundled network.")
    ] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Fewer patients and steps.")] = False,
    epsilon: Annotated[str, typer.Option(help="Epsilon of the training run.")] = "3",
    as_json: AsJson = False,
) -> None:
    """Run the main job end to end on the bundled network of three hospitals, or on a folder of records."""
    if context.invoked_subcommand is None:
        from service.demo.story import play as play_story
        from service.demo.told import lines

        told = play_story(records=records, fast=fast, epsilon=epsilon, say=say)
        show(told if as_json else lines(told), as_json=as_json)


@demo.command()
def generate(
    out: Annotated[Path, typer.Argument(help="Folder to write; records and truth go into two folders below it.")],
    patients: Annotated[int, typer.Option(help="How many patients.")] = 1500,
    seed: Annotated[int, typer.Option(help="The same seed gives the same network.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Write the synthetic hospital network and, beside it, the truth about it."""
    from service.demo.network import generate as draw

    draw(out, patients=patients, seed=seed)
    show({"records": str(out / "records"), "truth": str(out / "truth")}, as_json=as_json)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; default: MEDTRAIN_HOST or 127.0.0.1.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on, 0 picks a free one; default: MEDTRAIN_PORT or 8420.")
    ] = None,
    database: Annotated[
        str | None, typer.Option(help="PostgreSQL or SQLite URL instead of the embedded default.")
    ] = None,
    store: Annotated[str | None, typer.Option(help="Where objects lie instead of the home folder.")] = None,
) -> None:
    """Run the API, the console and the workers."""
    from service.serving import serve as run_server
    from service.settings import read

    settings = read(database=database, store=store, host=host, port=port)
    run_server(settings, host=settings.host, port=settings.port, say=say)


@budget.command("show")
def budget_show(
    dataset: Annotated[str, typer.Argument(help="Dataset.")],
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what the patients of a dataset have been charged, as far as you may know."""
    with connect(server, None, token_file) as service:
        show(service.get("/budget", dataset=dataset), as_json=as_json)


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="A fetched release.")],
    trust: Annotated[Path, typer.Option(help="The facility's public keys, got from elsewhere than the release.")],
    as_json: AsJson = False,
) -> None:
    """Check a release offline: signatures, hashes, epsilon computed again, the log's receipt; exit 4 when it fails."""
    from training_sandbox.certificate import verify as check

    if not folder.is_dir():
        raise Misuse("there is no such folder of a release")
    show(check(folder, trust).as_dict(), as_json=as_json)


@app.command()
def freeze(
    reason: Annotated[str, typer.Option(help="One word for the log, for example incident-17.")],
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Emergency stop: nothing is read, trained or released until two people lift it."""
    with connect(server, None, token_file) as service:
        show(service.post("/freeze", {"reason": reason}), as_json=as_json)


@app.command()
def thaw(server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Lift the emergency stop; it takes two people."""
    with connect(server, None, token_file) as service:
        show(service.post("/thaw"), as_json=as_json)


def main() -> None:
    """Run one command and leave with its exit code.

    0 ok, 1 failed, 2 usage, 3 refused by policy, 4 tampered or verification failed, 5 bad input data, 130 interrupted.
    """
    from service.guard import check_import_names

    os.umask(0o077)  # databases, keys, reports, models: what this program writes is its owner's
    try:
        check_import_names()
        app(standalone_mode=False)
    except MedtrainError as problem:
        _explain(problem)
        sys.exit(problem.exit_code)
    except typer.Abort:
        sys.exit(130)
    except KeyboardInterrupt:
        sys.exit(130)
    except FileNotFoundError:
        _explain(Misuse("a file that you named does not exist"))
        sys.exit(Misuse.exit_code)
    except Exception as problem:  # noqa: BLE001  # the last line of defence: no traceback may show a record
        _usage_or_raise(problem)


def _explain(problem: MedtrainError) -> None:
    if "--json" in sys.argv:
        sys.stderr.write(json.dumps({"code": problem.code, "detail": str(problem)}, ensure_ascii=False) + "\n")
    else:
        say(f"{problem.code}: {problem}")


def _usage_or_raise(problem: Exception) -> None:
    """Leave with 2 for a usage error of the parser; anything else is a defect and says only its kind."""
    if isinstance(problem, PARSER_ERRORS):
        problem.show()
        sys.exit(problem.exit_code)
    say(f"internal: a defect of the program ({type(problem).__name__} at {place(problem)})")
    sys.exit(1)


if __name__ == "__main__":
    main()
