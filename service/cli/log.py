"""``medtrain log``: search the access log, and prove that it was not changed."""

from pathlib import Path
from typing import Annotated

import typer

from service.cli.connection import connect
from service.cli.options import AsJson, Server, TokenFile
from service.cli.screen import show, table

app = typer.Typer(no_args_is_help=True, help="Search the access log; prove that it was not changed.")


@app.command()
def search(
    actor: Annotated[str | None, typer.Option(help="Who.")] = None,
    action: Annotated[str | None, typer.Option(help="What.")] = None,
    object_: Annotated[str | None, typer.Option("--object", help="To what.")] = None,
    decision: Annotated[str | None, typer.Option(help="allow, deny or system.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many entries, newest first.")] = 100,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Search entries, newest first."""
    with connect(server, None, token_file) as service:
        found = service.get("/log/entries", actor=actor, action=action, object=object_, decision=decision, limit=limit)
    show(found if as_json else table(found["items"], ["at", "actor", "action", "object", "decision"]), as_json=as_json)


@app.command()
def verify(
    since: Annotated[Path | None, typer.Option(help="An older checkpoint that was kept elsewhere.")] = None,
    save: Annotated[Path | None, typer.Option(help="Write today's checkpoint to this file, to keep elsewhere.")] = None,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Check that no entry was changed, lost or slipped in; exit 4 when one was."""
    body = {"since": since.read_text("utf-8") if since else None}
    with connect(server, None, token_file) as service:
        found = service.post("/log/verification", body)
    if save is not None:
        save.write_text(found["checkpoint"], "utf-8")
    show(found, as_json=as_json)


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="File to write: one entry on each line.")],
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Write every entry as a line of canonical JSON."""
    with connect(server, None, token_file) as service:
        raw = service.fetch("/log/export")
    out.write_bytes(raw)
    show({"file": str(out), "entries": raw.count(b"\n")}, as_json=as_json)
