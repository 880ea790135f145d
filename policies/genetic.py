"""Human genetic resources may not be provided to, or opened for use by, a foreign party.

Source: Regulations on the Management of Human Genetic Resources (State Council order 717, 2019), articles 7 and 27.
"""

from collections.abc import Collection

from policies.errors import Refused

GENETIC = "genetic-resources"
HOME = "CN"


class GeneticResources(Refused):
    """Human genetic resources were asked for by or for a foreign party, or without an approval number."""

    code = "genetic-resources"


def check_genetic_party(classes: Collection[str], country: str, approval: str) -> None:
    """Do nothing where a party may have data of these classes.

    Args:
        classes: Of the dataset version, as its report gives them under ``classes``.
        country: ISO 3166-1 code of the country that the party is controlled from.
        approval: Number of the approval or filing for this use; "" for none.

    Raises:
        GeneticResources: the data are genetic, and the party is foreign or has no approval.
    """
    if GENETIC not in classes:
        return
    if country.upper() != HOME:
        raise GeneticResources("human genetic resources are never provided to a party controlled from abroad")
    if not approval:
        raise GeneticResources("human genetic resources are used only under the number of an approval or filing")
