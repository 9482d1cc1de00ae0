from collections import Counter

import pytest

from stages.notes import draws

WEIGHTS = Counter({f"g{number}": 1 + number % 7 for number in range(300)})


def test_an_order_depends_on_names_and_salt_alone() -> None:
    order = draws.order(WEIGHTS, "folds", 1)
    assert sorted(order) == sorted(WEIGHTS)
    assert order == draws.order(Counter(dict(reversed(WEIGHTS.items()))), "folds", 1)
    assert len({tuple(draws.order(WEIGHTS, *salt)) for salt in [("folds", 1), ("folds", 2), ("share", 1)]}) == 3
    fewer = {group: weight for group, weight in WEIGHTS.items() if weight != 3}
    assert draws.order(fewer, "folds", 1) == [group for group in order if group in fewer]


def test_draws_never_change() -> None:
    """Every recorded split and share depends on these."""
    assert draws.order(dict.fromkeys("abcdef", 1), "share", 1) == ["b", "f", "d", "a", "c", "e"]
    places = draws.positions({"a": 2, "b": 1, "c": 1}, "share", 1)
    assert places == {"b": 0.125, "a": 0.5, "c": 0.875}


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_groups_below_a_share_have_that_share_of_the_weight(share: float) -> None:
    places = draws.positions(WEIGHTS, "share", 1)
    assert list(places) == draws.order(WEIGHTS, "share", 1) == sorted(places, key=places.__getitem__)
    weight = sum(WEIGHTS[group] for group, place in places.items() if place < share)
    assert weight / sum(WEIGHTS.values()) == pytest.approx(share, abs=7 / sum(WEIGHTS.values()))


def test_groups_without_weight_have_positions_of_their_own() -> None:
    assert sorted(draws.positions({"a": 0, "b": 0}, 1).values()) == [0.25, 0.75]
