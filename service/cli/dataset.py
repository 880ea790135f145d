"""``medtrain dataset``: the catalogue."""

from typing import Annotated

import typer

from service.cli.connection import connect
from service.cli.options import AsJson, Server, TokenFile
from service.cli.screen import show, table

app = typer.Typer(no_args_is_help=True, help="The catalogue of datasets and their versions.")


@app.command("list")
def listing(server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """List the datasets you may know of."""
    with connect(server, None, token_file) as service:
        found = service.get("/datasets")
    show(found if as_json else table(found["items"], ["id", "owner", "data_class", "versions"]), as_json=as_json)


@app.command("show")
def one(
    dataset: str,
    version: Annotated[int | None, typer.Option(help="A version's number; default: the dataset itself.")] = None,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show a dataset, or one of its versions."""
    with connect(server, None, token_file) as service:
        path = f"/datasets/{dataset}" + (f"/versions/{version}" if version else "")
        show(service.get(path), as_json=as_json)


@app.command()
def diff(
    dataset: str, old: int, new: int, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False
) -> None:
    """Show what changed between two versions: schema, rows, patients."""
    with connect(server, None, token_file) as service:
        show(service.get(f"/datasets/{dataset}/versions/{new}/diff", since=old), as_json=as_json)
