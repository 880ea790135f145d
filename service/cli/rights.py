"""``medtrain rights``: what patients ask through their hospital."""

import json
from pathlib import Path
from typing import Annotated

import typer

from policies.errors import Misuse
from service.cli.connection import connect
from service.cli.options import AsJson, Server, TokenFile
from service.cli.screen import say, show, table

app = typer.Typer(no_args_is_help=True, help="Patients' requests: withdrawal, objection, access, correction.")


@app.command()
def file(
    kind: Annotated[str, typer.Argument(help="withdrawal, objection, access or correction.")],
    who: Annotated[str, typer.Argument(help='JSON: {"token": …}, or {"dataset", "pseudonym"}, or an identity.')],
    purpose: Annotated[str, typer.Option(help="Of an objection: a data use code; empty means all research.")] = "",
    note: Annotated[str, typer.Option(help="Of a correction: what is wrong, without the patient's name.")] = "",
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """File a patient's request."""
    try:
        named = json.loads(who)
    except ValueError:
        raise Misuse("say who the patient is, as JSON") from None
    body = {"kind": kind, "who": named, "said": {"purpose": purpose, "note": note}}
    with connect(server, None, token_file) as service:
        show(service.post("/rights", body), as_json=as_json)


@app.command("list")
def listing(server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """List requests, the most urgent first."""
    with connect(server, None, token_file) as service:
        found = service.get("/rights")
    show(found if as_json else table(found["items"], ["id", "kind", "state", "due", "org"]), as_json=as_json)


@app.command("show")
def one(request: str, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Show a request and what came of it."""
    with connect(server, None, token_file) as service:
        show(service.get(f"/rights/{request}"), as_json=as_json)


@app.command()
def fulfil(
    request: str,
    submission: Annotated[str, typer.Option(help="Of a correction: the submission that corrected the records.")] = "",
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Carry a request out."""
    with connect(server, None, token_file) as service:
        show(service.post(f"/rights/{request}/fulfilment", {"submission": submission}), as_json=as_json)


@app.command()
def refuse(
    request: str, reason: str, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False
) -> None:
    """Refuse a request, with the reason that the patient is told."""
    with connect(server, None, token_file) as service:
        show(service.post(f"/rights/{request}/refusal", {"reason": reason}), as_json=as_json)


@app.command()
def receipt(request: str, out: Path, server: Server = None, token_file: TokenFile = None) -> None:
    """Write the signed receipt of a withdrawal to a file."""
    with connect(server, None, token_file) as service:
        out.write_bytes(service.fetch(f"/rights/{request}/receipt"))
    say(f"written to {out}")
