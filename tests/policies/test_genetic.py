"""Human genetic resources and who may never have them."""

import pytest

from policies.genetic import GENETIC, GeneticResources, check_genetic_party


def test_other_data_may_go_to_anybody_whom_a_permit_names() -> None:
    check_genetic_party((), "US", "")


def test_genetic_data_go_to_an_approved_party_at_home() -> None:
    check_genetic_party((GENETIC,), "cn", "国科遗办2024CJ0001")


@pytest.mark.parametrize(("country", "approval", "why"), [("US", "国科遗办2024CJ0001", "abroad"), ("CN", "", "number")])
def test_genetic_data_are_refused_abroad_and_without_approval(country: str, approval: str, why: str) -> None:
    with pytest.raises(GeneticResources, match=why) as refused:
        check_genetic_party((GENETIC,), country, approval)
    assert (refused.value.code, refused.value.exit_code) == ("genetic-resources", 3)
