"""The settings: read once from the environment (prefix ``MEDTRAIN_``), then passed down."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from policies.errors import Misuse

_ORIGIN = r"^[A-Za-z0-9][A-Za-z0-9./_-]{0,127}$"  # a C2SP key name: no blanks, no plus sign


class Settings(BaseSettings):
    """Where the embedded state lives, and how the facility is run."""

    model_config = SettingsConfigDict(
        env_prefix="MEDTRAIN_", frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True
    )

    home: Path = Field(Path("~/.medtrain"), description="The folder of all embedded state; created with mode 0700.")
    database: str = Field("", description="Database URL; empty means SQLite in the home folder.")
    store: str = Field(
        "",
        description="Where encrypted objects lie: a folder or s3://bucket/prefix; empty means objects/ at home.",
    )
    store_endpoint: str = Field("", description="Address of the S3 API, such as https://s3.example.")
    store_region: str = Field("", description="Region of the bucket.")
    store_access_key: SecretStr = Field(
        SecretStr(""), description="Credentials of the bucket; empty: the machine's own."
    )
    store_secret_key: SecretStr = Field(SecretStr(""), description="The other half of the credentials.")
    passphrase: SecretStr = Field(SecretStr(""), description="Opens the key file; empty means a random one beside it.")
    suite: Literal["intl", "gm"] = Field("intl", description="Ciphers for wrapping keys made from now on.")
    seal: str = Field(
        "",
        description="Seal of the root key: pkcs11:MODULE?token=T&key=K or a key service's address?key=K; empty: none.",
    )
    seal_secret: SecretStr = Field(
        SecretStr(""), description="The PIN of the hardware module, or the token of the key service."
    )
    tier: Literal["", "T0", "T1", "T2", "T3"] = Field("", description="Isolation tier to insist on, beyond the rules.")
    runs_at_once: int = Field(2, ge=1, le=64, description="Training runs under way at a time; the others are queued.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="How much the program says.")
    log_origin: str = Field(
        "medtrain.local/log",
        pattern=_ORIGIN,
        description="The access log's public name.",
    )
    log_interval: float = Field(0.5, gt=0, le=1, description="Seconds between two looks for new entries.")
    witnesses: str = Field("", description="Witnesses of the log: address and verifier key of each, parted by blanks.")
    witness_logs: str = Field("", description="Verifier keys of the logs to witness, parted by blanks.")
    host: str = Field("127.0.0.1", description="The address to listen on.")
    port: int = Field(8420, ge=0, le=65_535, description="The port to listen on; 0 picks a free one.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        home = self.home.expanduser().absolute()
        values = {
            "home": home,
            "database": self.database or f"sqlite+pysqlite:///{home / 'medtrain.db'}",
            "store": self.store or str(home / "objects"),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        return self


def read(**overrides: object) -> Settings:
    """Return the settings; ``overrides`` (from the command line) win over the environment.

    Raises:
        Misuse: a setting has a value that it cannot have; names the setting, not the value.
    """
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type]  # checked by pydantic
    except ValidationError as problem:
        wrong = "; ".join(f"MEDTRAIN_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in problem.errors())
        raise Misuse(f"the settings cannot be used: {wrong}") from None
