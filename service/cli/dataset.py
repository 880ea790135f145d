"""``medtrain dataset``: the catalogue."""

import json
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
import yaml

from policies.errors import Misuse
from service.cli.connection import connect
from service.cli.options import AsJson, Server, TokenFile
from service.cli.screen import say, show, table

app = typer.Typer(no_args_is_help=True, help="The catalogue of datasets and their versions.")


@app.command("list")
def listing(server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """List the datasets you may know of."""
    with connect(server, None, token_file) as service:
        found = service.get("/datasets")
    show(found if as_json else table(found["items"], ["id", "owner", "data_class", "versions"]), as_json=as_json)


@app.command("show")
def one(
    dataset: str,
    version: Annotated[int | None, typer.Option(help="A version's number; default: the dataset itself.")] = None,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show a dataset, or one of its versions."""
    with connect(server, None, token_file) as service:
        path = f"/datasets/{dataset}" + (f"/versions/{version}" if version else "")
        show(service.get(path), as_json=as_json)


@app.command()
def diff(
    dataset: str, old: int, new: int, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False
) -> None:
    """Show what changed between two versions: schema, rows, patients."""
    with connect(server, None, token_file) as service:
        show(service.get(f"/datasets/{dataset}/versions/{new}/diff", since=old), as_json=as_json)


@app.command()
def search(
    text: Annotated[str, typer.Argument(help="Words, Chinese or English; all of them must occur.")] = "",
    theme: Annotated[str, typer.Option(help="Health theme.")] = "",
    purpose: Annotated[str, typer.Option(help="Data use code that the consent must cover.")] = "",
    owner: Annotated[str, typer.Option(help="Owning organisation.")] = "",
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Find datasets."""
    with connect(server, None, token_file) as service:
        found = service.get("/search", q=text, theme=theme, purpose=purpose, owner=owner)
    show(found if as_json else table(found["items"], ["id", "title", "owner", "level", "purposes"]), as_json=as_json)


@app.command()
def fit(
    purpose: Annotated[str, typer.Argument(help="GA4GH data use code of your purpose.")],
    commercial: Annotated[bool, typer.Option("--commercial", help="The result is sold.")] = False,
    disease: Annotated[list[str] | None, typer.Option(help="ICD-10 prefix; may be repeated.")] = None,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show which datasets fit a purpose, and what is unmet where one does not."""
    body = {"purpose": purpose, "commercial": commercial, "for_profit": commercial, "diseases": disease or []}
    with connect(server, None, token_file) as service:
        found = service.post("/fit", body)
    show(found if as_json else table(found["items"], ["id", "fits", "unmet", "title"]), as_json=as_json)


@app.command()
def describe(
    dataset: str,
    about: Annotated[Path, typer.Argument(help="A YAML or JSON file with the parts to change.")],
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Describe a dataset: texts, keywords, data dictionary, consent, classification level."""
    said = yaml.safe_load(about.read_text("utf-8"))
    with connect(server, None, token_file) as service:
        answer = service.ask("PUT", f"/datasets/{dataset}/description", json={"about": said}).json()
    show(answer, as_json=as_json)


@app.command()
def statistics(
    dataset: str,
    release: Annotated[bool, typer.Option("--release", help="Measure and charge them now, if never done.")] = False,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show the charged statistics of the newest version; its owner releases them once."""
    path = f"/datasets/{dataset}/statistics"
    with connect(server, None, token_file) as service:
        show(service.post(path) if release else service.get(path), as_json=as_json)


@app.command()
def preview(
    dataset: str,
    recipe: Annotated[str, typer.Option(help="Feature recipe.")],
    out: Annotated[Path | None, typer.Option(help="Write the rows to this CSV file.")] = None,
    release: Annotated[bool, typer.Option("--release", help="Make and charge it now, if never done.")] = False,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show or save the synthetic preview for a recipe; the dataset's owner releases it once."""
    path = f"/datasets/{dataset}/preview"
    with connect(server, None, token_file) as service:
        found = service.post(f"{path}?recipe={quote(recipe)}") if release else service.get(path, recipe=recipe)
    if out is not None:
        out.write_text(found.pop("csv"), "utf-8")
    show(found, as_json=as_json)


@app.command()
def count(
    dataset: str,
    cohort: Annotated[str, typer.Argument(help='JSON: [{"table", "column", "prefix": [...]}, ...]')],
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Ask how many patients are in a cohort: with noise, charged, and only so often."""
    with connect(server, None, token_file) as service:
        show(service.post(f"/datasets/{dataset}/counts", {"cohort": _json(cohort)}), as_json=as_json)


@app.command()
def card(
    dataset: str,
    form: Annotated[str, typer.Option(help="croissant or healthdcat-ap.")] = "croissant",
    server: Server = None,
    token_file: TokenFile = None,
) -> None:
    """Print a dataset's card as JSON-LD."""
    with connect(server, None, token_file) as service:
        show(service.get(f"/datasets/{dataset}/card", form=form), as_json=True)


@app.command()
def lineage(
    dataset: str,
    form: Annotated[str, typer.Option(help="prov or openlineage.")] = "prov",
    server: Server = None,
    token_file: TokenFile = None,
) -> None:
    """Print where the data came from and where they went."""
    with connect(server, None, token_file) as service:
        show(service.get(f"/datasets/{dataset}/lineage", form=form), as_json=True)


@app.command()
def assess(
    dataset: str,
    language: Annotated[str, typer.Option(help="zh or en.")] = "zh",
    server: Server = None,
    token_file: TokenFile = None,
) -> None:
    """Print the impact assessment and the statement on de-identification, gaps marked."""
    with connect(server, None, token_file) as service:
        show([service.fetch(f"/datasets/{dataset}/assessment?language={quote(language)}").decode()], as_json=False)


@app.command("withdraw-patient")
def withdraw_patient(
    who: Annotated[str, typer.Argument(help='JSON: {"token": …}, or {"dataset", "pseudonym"}, or an identity.')],
    receipt: Annotated[Path | None, typer.Option(help="Write the signed receipt to this file.")] = None,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Withdraw a patient of your hospital from all of its datasets."""
    with connect(server, None, token_file) as service:
        made = service.post("/rights", {"kind": "withdrawal", "who": _json(who)})
        done = service.post(f"/rights/{made['id']}/fulfilment")
        if receipt is not None:
            receipt.write_bytes(service.fetch(f"/rights/{made['id']}/receipt"))
    show(done, as_json=as_json)


@app.command("merge-patients")
def merge_patients(
    dataset: str, kept: str, gone: str, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False
) -> None:
    """Make two pseudonyms that are one patient one (ADT A40)."""
    with connect(server, None, token_file) as service:
        show(service.post(f"/datasets/{dataset}/merges", {"kept": kept, "gone": gone}), as_json=as_json)


@app.command()
def leave(
    confirm: Annotated[str, typer.Argument(help="The name of your organisation, to be sure.")],
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Leave, with all of your hospital's data: every version, upload and key of them is destroyed."""
    with connect(server, None, token_file) as service:
        show(service.post("/departure", {"confirm": confirm}), as_json=as_json)


@app.command("take-out")
def take_out(
    recipient: Annotated[str, typer.Argument(help="Your hospital's X25519 public key, base64.")],
    out: Annotated[Path, typer.Argument(help="The file to write; only the private key opens it.")],
    form: Annotated[str, typer.Option(help="omop (CDM v5.4 as CSV), parquet, or delta.")] = "omop",
    server: Server = None,
    token_file: TokenFile = None,
) -> None:
    """Take all data of your own hospital out, sealed to its key; leaving afterwards destroys what is here."""
    with connect(server, None, token_file) as service:
        out.write_bytes(service.ask("POST", "/takeout", json={"recipient": recipient, "form": form}).content)
    say(f"written to {out}")


@app.command("open-parcel")
def open_parcel(
    parcel: Path,
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
    organisation: Annotated[str, typer.Argument(help="The hospital that took its data out.")],
    key: Annotated[Path, typer.Option(help="File with the X25519 private key: 32 bytes, base64.")],
) -> None:
    """Open a parcel that was taken out, on your own machine: no service is asked."""
    import base64

    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    from datasets.parcel import unpack
    from service.takeout import info

    try:
        private = X25519PrivateKey.from_private_bytes(base64.b64decode(key.read_text()))
    except ValueError:
        raise Misuse("the key file does not hold an X25519 private key: 32 bytes, base64") from None
    show({"files": unpack(parcel, folder, private, info(organisation))}, as_json=False)


@app.command()
def use(server: Server = None, token_file: TokenFile = None) -> None:
    """Print how your hospital's patients' data were used, and what was spent."""
    with connect(server, None, token_file) as service:
        show(service.get("/use"), as_json=True)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise Misuse("that argument is JSON") from None
