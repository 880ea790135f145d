"""``medtrain permit``: apply for the use of a dataset, decide on an application."""

from typing import Annotated

import typer

from service.cli.connection import connect
from service.cli.options import AsJson, Server, TokenFile
from service.cli.screen import show, table

app = typer.Typer(no_args_is_help=True, help="Apply for the use of a dataset; decide on applications.")


@app.command()
def request(
    dataset: Annotated[str, typer.Option(help="Dataset to use.")],
    recipe: Annotated[str, typer.Option(help="Feature recipe to train on.")],
    purpose: Annotated[str, typer.Option(help="GA4GH data use code, for example DUO:0000042.")],
    legal_basis: Annotated[str, typer.Option(help="Legal basis of the use.")],
    ethics: Annotated[str, typer.Option(help="Number of the ethics approval.")],
    epsilon: Annotated[str, typer.Option(help="Privacy budget asked for, as a decimal number.")],
    not_after: Annotated[str, typer.Option(help="Last moment of use, ISO 8601 with a time zone.")],
    runs: Annotated[int, typer.Option(help="How many runs.")] = 1,
    delta: Annotated[str, typer.Option(help="Delta, as a decimal number.")] = "0.00001",
    key: Annotated[str | None, typer.Option(help="Idempotency key.")] = None,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Apply for a permit and submit the application."""
    body = {
        "dataset": dataset,
        "recipe": recipe,
        "purpose": purpose,
        "legal_basis": legal_basis,
        "ethics": ethics,
        "epsilon": epsilon,
        "delta": delta,
        "runs": runs,
        "not_after": not_after,
    }
    with connect(server, None, token_file) as service:
        made = service.post("/permits", body, key=key)
        show(service.post(f"/permits/{made['id']}/submission"), as_json=as_json)


@app.command()
def review(permit: str, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Show an application."""
    with connect(server, None, token_file) as service:
        show(service.get(f"/permits/{permit}"), as_json=as_json)


@app.command("list")
def listing(server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """List the applications you may see."""
    with connect(server, None, token_file) as service:
        found = service.get("/permits")
    show(
        found if as_json else table(found["items"], ["id", "dataset", "holder", "state", "not_after"]), as_json=as_json
    )


@app.command()
def approve(permit: str, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Approve an application; it becomes active once enough people have."""
    with connect(server, None, token_file) as service:
        show(service.post(f"/permits/{permit}/approvals"), as_json=as_json)


@app.command()
def reject(
    permit: str, reason: str, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False
) -> None:
    """Reject an application, with a reason."""
    with connect(server, None, token_file) as service:
        show(service.post(f"/permits/{permit}/rejection", {"reason": reason}), as_json=as_json)


@app.command()
def revoke(
    permit: str, reason: str, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False
) -> None:
    """Take a permit back; its running jobs are stopped."""
    with connect(server, None, token_file) as service:
        show(service.post(f"/permits/{permit}/revocation", {"reason": reason}), as_json=as_json)
