"""``medtrain secrecy``: what is held for the secrecy officer, and how it comes back."""

from typing import Annotated

import typer

from service.cli.connection import connect
from service.cli.options import AsJson, Server, TokenFile
from service.cli.screen import show, table

app = typer.Typer(no_args_is_help=True, help="Restricted documents: held, readmitted, destroyed.")


@app.command("list")
def listing(server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """List the submissions that are held."""
    with connect(server, None, token_file) as service:
        found = service.get("/held")
    show(found if as_json else table(found["items"], ["id", "org", "dataset", "held"]), as_json=as_json)


@app.command("show")
def show_one(submission: str, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Show where the held documents stand and why they are held, not what they say."""
    with connect(server, None, token_file) as service:
        found = service.get(f"/held/{submission}")
    columns = ["number", "source", "file", "position", "reason"]
    show(found if as_json else table(found["documents"], columns), as_json=as_json)


@app.command()
def readmit(
    submission: str,
    reference: Annotated[
        list[str] | None,
        typer.Option(help="The originator's reference for all documents, or NUMBER=REFERENCE for one; repeatable."),
    ] = None,
    genetic_approval: Annotated[str, typer.Option(help="Number of the approval or filing for genomes.")] = "",
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Let a submission in again; its hospital may then have it processed."""
    references = {}
    for said in reference or []:
        number, equals, text = said.partition("=")
        references[number.strip() if equals else "all"] = (text if equals else said).strip()
    with connect(server, None, token_file) as service:
        body = {"references": references, "genetic_approval": genetic_approval}
        show(service.post(f"/held/{submission}/readmission", body), as_json=as_json)


@app.command()
def destroy(submission: str, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Destroy the isolated archive of a held submission."""
    with connect(server, None, token_file) as service:
        show(service.post(f"/held/{submission}/destruction"), as_json=as_json)
