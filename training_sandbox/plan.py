"""The privacy plan of a run: the one place from which sampler, noise and charge are derived.

The unit is the patient, the neighbouring relation is add-or-remove one patient. Everything that the guarantee
depends on is in :class:`DPPlan`; everything that only makes a run faster is in :class:`Speed`.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from policies.canonical import digest
from policies.errors import Misuse

OVERFLOW_SHARE = 0.01
"""The part of delta kept for batches that outgrow the cap."""

MAXIMUM_PATIENTS = 2**22
"""Above this, sums of clipped gradients would no longer be exact in float64 (see ``noise``)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mechanism:
    """What a ledger stores of a release: the mechanism, not its epsilon.

    Attributes:
        kind: ``gaussian`` (every patient, every step) or ``poisson-gaussian`` (each patient with probability ``q``).
        q: Sampling probability of one patient in one step.
        sigma: Noise standard deviation divided by the L2 sensitivity of one patient.
        steps: How often the mechanism runs.
    """

    kind: Literal["gaussian", "poisson-gaussian"]
    q: float
    sigma: float
    steps: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Speed:
    """Only how fast: changing these changes neither epsilon nor, beyond rounding, the model.

    Attributes:
        microbatch: Patients that go through at once, at most; memory may allow fewer.
        device: A torch device: ``cpu``, ``cuda``, ``cuda:1`` or another one with a torch backend.
        precision: Of forward and backward pass; norms, clipping, sums and noise are always float32 or better.
        compile: Whether a compiler may be asked, where one is at hand and the run is long enough.
        engine: ``measured`` takes what is fastest on random data; the others are taken as named, ``opacus-hooks`` and
            ``opacus-ghost`` as a second opinion (ghost where patients have one record each).
        packed: Lay out real records only. Faster where patients have fewer records than they may have, but the time
            of a step then tells how many records were drawn: for data of class ``demonstration``.
    """

    microbatch: int = 512
    device: str = "cpu"
    precision: Literal["float32", "bfloat16"] = "float32"
    compile: bool = True
    engine: Literal["measured", "bookkeeping", "vmap", "opacus-hooks", "opacus-ghost"] = "measured"
    packed: bool = False


DEFAULT_SPEED = Speed()


@dataclass(frozen=True, kw_only=True, slots=True)
class DPPlan:
    """Everything the privacy guarantee of a training run depends on.

    Attributes:
        sampling_rate: Probability with which each patient enters a step, independently; 0 < q <= 1.
        cap: Patients in the padded batch. A larger draw is cut to a uniformly random subset of this size.
        clip: L2 norm to which each patient's gradient is clipped.
        noise_multiplier: Noise standard deviation divided by ``clip``.
        steps: Steps of the run; all are charged before the first.
        delta: Target delta, overflow of the cap included.
        public_patients: A declared upper bound on the number of patients. It stands in every formula where a
            count is needed; the real count stands in none.
        records_per_patient: Records kept of each patient; a patient's gradient is their mean.
    """

    sampling_rate: float
    cap: int
    clip: float
    noise_multiplier: float
    steps: int
    delta: float
    public_patients: int
    records_per_patient: int
    unit: Literal["patient"] = "patient"
    relation: Literal["add-or-remove-one"] = "add-or-remove-one"

    def __post_init__(self) -> None:
        numbers = (self.sampling_rate, self.clip, self.noise_multiplier, self.delta)
        rules = (
            (all(math.isfinite(n) for n in numbers), "every number of a plan must be finite"),
            (0 < self.sampling_rate <= 1, "the sampling rate must lie above 0 and at most at 1"),
            (self.clip > 0 and self.noise_multiplier > 0, "clip and noise multiplier must be positive"),
            (self.noise_multiplier <= 2**16, "the noise multiplier must be at most 65,536"),
            (self.steps >= 1 and self.records_per_patient >= 1, "steps and records per patient must be at least 1"),
            (0 < self.delta < 1, "delta must lie between 0 and 1"),
            (1 <= self.public_patients <= MAXIMUM_PATIENTS, "public patients must lie between 1 and 4,194,304"),
            (1 <= self.cap <= self.public_patients, "the cap must lie between 1 and the public number of patients"),
            (self.unit == "patient", "the unit of privacy is the patient"),
            (self.relation == "add-or-remove-one", "the neighbouring relation is add-or-remove-one"),
        )
        for holds, sentence in rules:
            if not holds:
                raise Misuse(f"not a privacy plan: {sentence}")

    @classmethod
    def calibrate(
        cls,
        epsilon: float,
        delta: float,
        *,
        sampling_rate: float,
        steps: int,
        clip: float,
        public_patients: int,
        records_per_patient: int,
    ) -> Self:
        """Return the plan with the least noise whose accounted epsilon is at most ``epsilon`` at ``delta``.

        The cap is the smallest whose overflow costs at most one hundredth of delta.

        Raises:
            Misuse: no such plan exists, or a number is out of range.
        """
        from training_sandbox import accountant

        sigma = accountant.noise_multiplier(epsilon, delta, sampling_rate=sampling_rate, steps=steps)
        cap = smallest_cap(epsilon, delta, sampling_rate=sampling_rate, steps=steps, public_patients=public_patients)
        return cls(
            sampling_rate=sampling_rate,
            cap=cap,
            clip=clip,
            noise_multiplier=sigma,
            steps=steps,
            delta=delta,
            public_patients=public_patients,
            records_per_patient=records_per_patient,
        )

    @property
    def mechanism(self) -> Mechanism:
        """Return what the ledger charges for the whole run."""
        return Mechanism(
            kind="gaussian" if self.sampling_rate == 1 else "poisson-gaussian",
            q=self.sampling_rate,
            sigma=self.noise_multiplier,
            steps=self.steps,
        )

    @property
    def overflow(self) -> float:
        """Return a bound on the probability that any batch of the run outgrows the cap."""
        return overflow(self.cap, self.sampling_rate, self.steps, self.public_patients)

    @property
    def expected_patients(self) -> float:
        """Return the public divisor of every noisy sum: sampling rate times public patients."""
        return self.sampling_rate * self.public_patients

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the plan's canonical JSON, in hexadecimal."""
        return digest(self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return asdict(self)


def overflow(cap: int, sampling_rate: float, steps: int, public_patients: int) -> float:
    """Return ``steps * P[Binomial(public_patients, sampling_rate) > cap]``, at most 1.

    >>> overflow(100, 1.0, 10, 100)
    0.0
    """
    from scipy.stats import binom

    return min(1.0, steps * float(binom.sf(cap, public_patients, sampling_rate)))


def smallest_cap(epsilon: float, delta: float, *, sampling_rate: float, steps: int, public_patients: int) -> int:
    """Return the smallest cap whose overflow costs at most :data:`OVERFLOW_SHARE` of ``delta``.

    Cutting a batch changes the run's output only when some batch overflows, so the distribution moves by at most
    ``overflow`` in total variation on either of two neighbouring tables; an (epsilon, d) guarantee then holds with
    ``d + (1 + e^epsilon) * overflow``. Half of ``epsilon`` is added, so that the figures of the looser accountants
    are covered too.
    """
    from scipy.stats import binom

    allowed = OVERFLOW_SHARE * delta / (1 + math.exp(1.5 * epsilon)) / steps
    return min(max(1, int(binom.isf(allowed, public_patients, sampling_rate))), public_patients)
