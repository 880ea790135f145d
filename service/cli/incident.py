"""``medtrain incident``: a leak, tampering or loss, as PIPL article 57 wants it told."""

from typing import Annotated

import typer

from service.cli.connection import connect
from service.cli.options import AsJson, Server, TokenFile
from service.cli.screen import show, table

app = typer.Typer(no_args_is_help=True, help="Incidents: a leak, tampering or loss.")

Told = Annotated[
    list[str] | None, typer.Option(help="FIELD=TEXT: categories, causes, harm, remedies, advice, contact.")
]


@app.command()
def record(
    kind: Annotated[str, typer.Argument(help="leak, tampering or loss.")],
    dataset: Annotated[list[str] | None, typer.Option(help="A dataset it concerns; may be repeated.")] = None,
    told: Told = None,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Record an incident; the owners of the data are told at once."""
    body = {"kind": kind, "datasets": dataset or [], "told": _told(told)}
    with connect(server, None, token_file) as service:
        show(service.post("/incidents", body), as_json=as_json)


@app.command()
def advance(
    incident: str,
    state: Annotated[str, typer.Argument(help="contained, notified or closed.")],
    told: Told = None,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Take an incident one step on."""
    with connect(server, None, token_file) as service:
        show(service.post(f"/incidents/{incident}/steps", {"state": state, "told": _told(told)}), as_json=as_json)


@app.command("list")
def listing(server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """List the incidents you may see."""
    with connect(server, None, token_file) as service:
        found = service.get("/incidents")
    show(found if as_json else table(found["items"], ["id", "kind", "state", "at", "datasets"]), as_json=as_json)


@app.command()
def subjects(incident: str, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """List the patients of your own hospital whom it concerns."""
    with connect(server, None, token_file) as service:
        found = service.get(f"/incidents/{incident}/subjects")
    show(found if as_json else table(found["items"], ["dataset", "pseudonym"]), as_json=as_json)


@app.command()
def notification(incident: str, server: Server = None, token_file: TokenFile = None) -> None:
    """Print what people and the authority are told, gaps marked."""
    with connect(server, None, token_file) as service:
        show([service.fetch(f"/incidents/{incident}/notification").decode()], as_json=False)


def _told(pairs: list[str] | None) -> dict[str, str]:
    return {name: text for name, _, text in (pair.partition("=") for pair in pairs or ())}
