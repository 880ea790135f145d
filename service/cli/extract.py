"""``medtrain extract``: data that leave, under a permit that says so, sealed to the recipient's key."""

from pathlib import Path
from typing import Annotated

import typer

from service.cli.connection import connect
from service.cli.options import AsJson, Server, TokenFile
from service.cli.screen import say, show, table

app = typer.Typer(no_args_is_help=True, help="Extracts that leave, under a permit that says so.")


@app.command()
def prepare(
    permit: str,
    recipient: Annotated[str, typer.Argument(help="Your X25519 public key, base64.")],
    column: Annotated[list[str] | None, typer.Option(help="A feature to take; all of them without.")] = None,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Prepare an extract of a permit's recipe."""
    body = {"permit": permit, "recipient": recipient, "columns": column or []}
    with connect(server, None, token_file) as service:
        show(service.post("/extracts", body), as_json=as_json)


@app.command("list")
def listing(server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """List the extracts you may see."""
    with connect(server, None, token_file) as service:
        found = service.get("/extracts")
    show(found if as_json else table(found["items"], ["id", "dataset", "version", "state", "expires"]), as_json=as_json)


@app.command()
def fetch(extract: str, out: Path, server: Server = None, token_file: TokenFile = None) -> None:
    """Write an extract, sealed, to a file."""
    with connect(server, None, token_file) as service:
        out.write_bytes(service.fetch(f"/extracts/{extract}/content"))
    say(f"written to {out}")
