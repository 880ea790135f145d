"""``medtrain submission``: hand in records, see what was made of them, accept it."""

import hashlib
import io
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from datasets import delta
from policies.errors import BadInput
from service.cli.connection import connect
from service.cli.options import AsJson, Server, TokenFile
from service.cli.screen import say, show, table

app = typer.Typer(no_args_is_help=True, help="Hand in records, see what was made of them, accept it.")


@app.command()
def create(
    records: Annotated[Path, typer.Argument(help="A folder of records, or a zip archive of one.")],
    dataset: Annotated[str, typer.Option(help="Dataset the records go to.")],
    mapping: Annotated[str, typer.Option(help="Mapping file, or the name of one that ships with medtrain.")],
    declared_patients: Annotated[int, typer.Option(help="A public upper bound of the number of patients.")],
    profile: Annotated[str, typer.Option(help="De-identification profile.")] = "cn_enclave",
    data_class: Annotated[
        str, typer.Option(help="sensitive, or demonstration for synthetic or public data.")
    ] = "sensitive",
    genetic_approval: Annotated[
        str, typer.Option(help="Number of the approval or filing for human genetic resources among the records.")
    ] = "",
    key: Annotated[
        str | None, typer.Option(help="Idempotency key: the same key never makes a second submission.")
    ] = None,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Upload records; they are cleaned and de-identified, then wait for review."""
    body = pack(records)
    with connect(server, None, token_file) as service:
        made = service.post(
            "/submissions",
            {
                "dataset": dataset,
                "mapping": mapping_text(mapping),
                "profile": profile,
                "data_class": data_class,
                "declared_patients": declared_patients,
                "genetic_approval": genetic_approval,
            },
            key=key,
        )
        service.ask(
            "PUT",
            f"/submissions/{made['id']}/archive",
            content=body,
            headers={"Content-SHA256": hashlib.sha256(body).hexdigest(), "Content-Type": "application/zip"},
        )
        done = service.post(f"/submissions/{made['id']}/processing")
    show(done, as_json=as_json)


@app.command()
def status(submission: str, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Show where a submission stands."""
    with connect(server, None, token_file) as service:
        show(service.get(f"/submissions/{submission}"), as_json=as_json)


@app.command("list")
def listing(server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """List your organisation's submissions."""
    with connect(server, None, token_file) as service:
        found = service.get("/submissions")
    show(found if as_json else table(found["items"], ["id", "dataset", "state", "created"]), as_json=as_json)


@app.command()
def report(
    submission: str,
    html: Annotated[Path | None, typer.Option(help="Write the report as a page to this file.")] = None,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what was cleaned, what was found, what was refused, and why. Counts only."""
    with connect(server, None, token_file) as service:
        if html is not None:
            html.write_bytes(service.fetch(f"/submissions/{submission}/report.html"))
            say(f"written to {html}")
        show(service.get(f"/submissions/{submission}/report"), as_json=as_json)


@app.command()
def quarantine(submission: str, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """List the rows that were refused: source, file, position and reason, without their content."""
    with connect(server, None, token_file) as service:
        found = service.get(f"/submissions/{submission}/quarantine")
    show(found if as_json else table(found["items"], ["source", "file", "position", "reason"]), as_json=as_json)


@app.command()
def accept(submission: str, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Accept the result: it is published as the dataset's next version."""
    with connect(server, None, token_file) as service:
        show(service.post(f"/submissions/{submission}/acceptance"), as_json=as_json)


@app.command()
def reject(
    submission: str, reason: str, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False
) -> None:
    """Reject the result: nothing is published, the upload is shredded."""
    with connect(server, None, token_file) as service:
        show(service.post(f"/submissions/{submission}/rejection", {"reason": reason}), as_json=as_json)


def pack(records: Path) -> bytes:
    """Return a zip archive of a folder, or the bytes of an archive; the same folder gives the same bytes.

    A Delta table in it is handed in as one Parquet file of its newest state, named as its folder: what was removed from
    it still lies there, and is not sent.

    Raises:
        BadInput: there is nothing to send.
    """
    if records.is_file():
        return records.read_bytes()
    files = _files(records) if records.is_dir() else {}
    if not files:
        raise BadInput("there are no files to hand in")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name]())
    return out.getvalue()


def _files(records: Path) -> dict[str, Callable[[], bytes]]:
    tables = [found.parent for found in records.rglob(delta.LOG) if delta.is_table(found.parent)]
    named = {t: t.relative_to(records).as_posix() if t != records else records.resolve().name for t in tables}
    found: dict[str, Callable[[], bytes]] = {f"{named[t]}.parquet": partial(_newest, t) for t in tables}
    for path in records.rglob("*"):
        if path.is_file() and not path.is_symlink() and not named.keys() & set(path.parents):
            found[path.relative_to(records).as_posix()] = path.read_bytes
    return found


def _newest(table: Path) -> bytes:
    out = io.BytesIO()
    delta.read(table).write_parquet(out)
    return out.getvalue()


def mapping_text(name: str) -> str:
    """Return the text of a mapping file, given its path or the name of one that ships with medtrain.

    Raises:
        BadInput: there is no such mapping.
    """
    from policies.thresholds import FOLDER

    for path in (Path(name), FOLDER / "mappings" / f"{name}.yaml"):
        if path.is_file():
            return path.read_text("utf-8")
    raise BadInput("there is no such mapping file")
