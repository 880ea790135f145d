"""Every error this project raises on purpose.

An error's ``code`` is stable and public: it is the API's problem type, the access log's reason and the key of the
command line's exit code. Messages are sentences a person can act on; they never contain a value of a record.
"""

from typing import ClassVar


class MedtrainError(Exception):
    """Base of every error raised on purpose. Subclasses set the contract; instances set the sentence."""

    code: ClassVar[str] = "internal"
    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1


class Refused(MedtrainError):
    """A policy said no."""

    code = "refused"
    http_status = 403
    exit_code = 3


class NotSignedIn(Refused):
    """No valid bearer token or session came with the request."""

    code = "not-signed-in"
    http_status = 401


class PermitExpired(Refused):
    """The permit's last moment has passed."""

    code = "permit-expired"


class BudgetExhausted(Refused):
    """At least one patient of the extract has too little privacy budget left, or the permit has."""

    code = "budget-exhausted"


class SeparationOfDuty(Refused):
    """The same person, or the author, tried to decide where another person must."""

    code = "separation-of-duty"


class IllegalTransition(Refused):
    """The object is in a state from which this step is not allowed."""

    code = "illegal-transition"
    http_status = 409


class Frozen(Refused):
    """The facility is frozen: nothing is read, trained or released until two people lift it."""

    code = "frozen"


class Sealed(Refused):
    """The facility was restored from a backup and waits for the witnessed log (``medtrain backup unseal``)."""

    code = "sealed"


class Shredded(Refused):
    """The data asked for were withdrawn and their keys destroyed. They cannot be brought back."""

    code = "shredded"
    http_status = 410


class Restricted(Refused):
    """Documents that the policy restricts are not taken in without their originator's declassification reference."""

    code = "restricted-content"


class JailTooWeak(Refused):
    """This machine cannot give the isolation tier that the policy asks for."""

    code = "jail-too-weak"


class GraphRefused(Refused):
    """A partner's model was refused. ``code`` is one of the ``MT-…`` codes of the graph reader."""

    code = "MT-IR"

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code  # type: ignore[misc]  # the reader's code is finer than the class's


class NotFound(MedtrainError):
    """Nothing of that name exists, or the asker may not know that it does."""

    code = "not-found"
    http_status = 404


class Conflict(MedtrainError):
    """Another change came first, or the same key was used for two different requests."""

    code = "conflict"
    http_status = 409


class Misuse(MedtrainError):
    """The command or request is not one this program understands."""

    code = "usage"
    http_status = 400
    exit_code = 2


class BadInput(MedtrainError):
    """The data handed in cannot be used as a whole. Single bad rows are quarantined instead."""

    code = "bad-input"
    http_status = 422
    exit_code = 5


class BadMapping(BadInput):
    """A mapping, profile or recipe file is not valid."""

    code = "bad-mapping"


class BadArchive(BadInput):
    """An uploaded archive is broken, too large once unpacked, or holds names that are not plain files."""

    code = "bad-archive"


class LeakFound(BadInput):
    """The independent second look found an identifier in what was about to be published."""

    code = "leak-found"


class RiskTooHigh(BadInput):
    """The re-identification risk stays above the profile's limit after generalisation and suppression."""

    code = "risk-too-high"


class Tampered(MedtrainError):
    """A signature, hash or proof does not fit: what is shown is not what was signed."""

    code = "tampered"
    http_status = 409
    exit_code = 4


class TrainingFailed(MedtrainError):
    """The training job ended without a model. What it saw stays charged."""

    code = "training-failed"


class MissingLogEntry(MedtrainError):
    """A change was about to be committed without its log entry. This is a defect of the program."""

    code = "missing-log-entry"


class ForeignPackage(MedtrainError):
    """One of our import names belongs to somebody else's package in this environment."""

    code = "foreign-package"
