"""``medtrain release``: let a trained model leave, or not."""

from pathlib import Path
from typing import Annotated

import typer

from service.cli.connection import connect
from service.cli.options import AsJson, Server, TokenFile
from service.cli.screen import show, table

app = typer.Typer(no_args_is_help=True, help="Decide on releases; fetch a released model.")


@app.command("list")
def listing(server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """List the runs that await or have had a release."""
    with connect(server, None, token_file) as service:
        found = service.get("/releases")
    show(found if as_json else table(found["items"], ["run", "state", "approvals"]), as_json=as_json)


@app.command()
def review(run: str, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Show everything that the decision rests on."""
    with connect(server, None, token_file) as service:
        show(service.get(f"/releases/{run}"), as_json=as_json)


@app.command()
def attacks(
    run: str,
    page: Annotated[Path | None, typer.Option(help="Also write the report with its plots to this HTML file.")] = None,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what attacks on the model found. For compliance."""
    with connect(server, None, token_file) as service:
        found = service.get(f"/releases/{run}/attacks")
    html = found.pop("html")
    if page is not None:
        page.write_text(html, "utf-8")
    show(found, as_json=as_json)


@app.command()
def audit(run: str, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Audit the run's mechanism with canary patients: a lower bound on epsilon, beside the claim."""
    with connect(server, None, token_file) as service:
        show(service.post(f"/releases/{run}/canaries"), as_json=as_json)


@app.command()
def approve(run: str, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Approve a release. The model leaves after the second approval of somebody who is not the author."""
    with connect(server, None, token_file) as service:
        show(service.post(f"/releases/{run}/approvals"), as_json=as_json)


@app.command()
def refuse(run: str, reason: str, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Refuse a release, with a reason."""
    with connect(server, None, token_file) as service:
        show(service.post(f"/releases/{run}/refusal", {"reason": reason}), as_json=as_json)


@app.command()
def fetch(
    run: str,
    out: Annotated[Path, typer.Argument(help="Folder to write; it must not exist yet.")],
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Download a released model with its certificate and receipt."""
    with connect(server, None, token_file) as service:
        names = service.get(f"/releases/{run}/files")["items"]
        content = {name: service.fetch(f"/releases/{run}/files/{name}") for name in names}
    out.mkdir(parents=True, exist_ok=False)
    for name, raw in content.items():
        (out / Path(name).name).write_bytes(raw)
    show({"folder": str(out), "files": sorted(content)}, as_json=as_json)
