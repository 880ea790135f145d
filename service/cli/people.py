"""``medtrain people``: who may sign in."""

from pathlib import Path
from typing import Annotated

import typer

from service.cli.connection import connect
from service.cli.options import AsJson, Server, TokenFile
from service.cli.screen import show, table

app = typer.Typer(no_args_is_help=True, help="Who may sign in, and as what.")


@app.command()
def add(
    person: Annotated[str, typer.Argument(help="A stable, pseudonymous name: it is what the access log shows.")],
    org: Annotated[str, typer.Option(help="Organisation the person acts for.")],
    role: Annotated[list[str], typer.Option(help="May be given more than once.")],
    token_out: Annotated[Path, typer.Option(help="File to write the new bearer token to, readable by you alone.")],
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Add a person and write their token."""
    with connect(server, None, token_file) as service:
        made = service.post("/people", {"id": person, "org": org, "roles": role})
    token_out.touch(mode=0o600)
    token_out.write_text(made.pop("token") + "\n", "utf-8")
    show(made, as_json=as_json)


@app.command("list")
def listing(server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """List the people."""
    with connect(server, None, token_file) as service:
        found = service.get("/people")
    show(found if as_json else table(found["items"], ["id", "org", "roles"]), as_json=as_json)
