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
    permit: Annotated[str | None, typer.Option(help="Under which permit.")] = None,
    decision: Annotated[str | None, typer.Option(help="allow, deny or system.")] = None,
    since: Annotated[str | None, typer.Option(help="From this moment on, ISO 8601 in UTC.")] = None,
    until: Annotated[str | None, typer.Option(help="Until before this moment.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many entries, newest first.")] = 100,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Search entries, newest first."""
    with connect(server, None, token_file) as service:
        asked = {"actor": actor, "action": action, "object": object_, "permit": permit, "decision": decision}
        found = service.get("/log/entries", **asked, since=since, until=until, limit=limit)
    show(found if as_json else table(found["items"], ["at", "actor", "action", "object", "decision"]), as_json=as_json)


@app.command()
def alerts(
    since: Annotated[str | None, typer.Option(help="From this moment on, ISO 8601 in UTC.")] = None,
    until: Annotated[str | None, typer.Option(help="Until before this moment.")] = None,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """List what looks unusual: odd hours, volume, first uses, bursts of refusals."""
    with connect(server, None, token_file) as service:
        found = service.get("/log/alerts", since=since, until=until)
    show(found if as_json else table(found["items"], ["at", "rule", "actor", "action", "count"]), as_json=as_json)


@app.command()
def retention(server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """List what is kept for how long, and how much of it is due."""
    with connect(server, None, token_file) as service:
        found = service.get("/log/retention")
    columns = ["kind", "days", "there", "due", "oldest", "free_at"]
    show(found if as_json else table(found["items"], columns), as_json=as_json)


@app.command()
def report(
    out: Annotated[Path, typer.Argument(help="File to write; its ending, .pdf or .csv, says in which form.")],
    since: Annotated[str, typer.Option(help="From this moment on, ISO 8601 in UTC.")],
    until: Annotated[str, typer.Option(help="Until before this moment.")],
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Write a report on a period, for a regulator."""
    with connect(server, None, token_file) as service:
        raw = service.fetch("/log/report", since=since, until=until, form=out.suffix.lstrip("."))
    out.write_bytes(raw)
    show({"file": str(out), "bytes": len(raw)}, as_json=as_json)


@app.command()
def receipt(
    entry: Annotated[int, typer.Argument(help="Id of the entry, as a search shows it.")],
    out: Annotated[Path, typer.Argument(help="Folder to write entry.json and entry.tlog-proof into.")],
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Fetch the proof that an entry is in the log: for keeping, and for checking offline."""
    with connect(server, None, token_file) as service:
        found = service.get(f"/log/entries/{entry}/receipt")
    out.mkdir(parents=True, exist_ok=True)
    (out / "entry.json").write_text(found["entry"], "utf-8")
    (out / "entry.tlog-proof").write_text(found["proof"], "utf-8")
    show({"folder": str(out)}, as_json=as_json)


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
