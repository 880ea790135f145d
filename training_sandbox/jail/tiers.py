"""How strong a jail is. A tier is a claim that the probe has tested on this machine, not a list of installed tools.

| tier | is made of | what it proves |
|---|---|---|
| T3 | a virtual machine or attested hardware around T2 | an attestation from outside; the probe never awards it |
| T2 | bubblewrap namespaces, seccomp, cgroups | no file, process, kernel interface, network but the job's own; caps |
| T1 | Landlock, seccomp, rlimits, no capabilities | no file but the job's own, no socket, no second process; caps |
| T0 | nothing | nothing: for synthetic data on a developer's machine |

Caps are memory, processes (T1: threads only), processor, time and bytes written. T1 leaves visible what is no content:
the host's name, the names and sizes of files.
"""

from enum import StrEnum

from policies.errors import JailTooWeak


class Tier(StrEnum):
    """The strength of the isolation around one job; compares by strength."""

    T0 = "T0"
    T1 = "T1"
    T2 = "T2"
    T3 = "T3"


def check_tier(proved: Tier, needed: Tier) -> None:
    """Refuse when the machine has proved less isolation than the policy needs.

    Raises:
        JailTooWeak: naming both tiers.

    >>> check_tier(Tier.T2, Tier.T1)
    >>> check_tier(Tier.T1, Tier.T2)
    Traceback (most recent call last):
    policies.errors.JailTooWeak: the policy needs isolation T2; this machine has proved T1
    """
    if proved.value < needed.value:
        raise JailTooWeak(f"the policy needs isolation {needed.value}; this machine has proved {proved.value}")
