"""Draws of groups that depend on their names and a seed alone, not on their order or number."""

from collections.abc import Mapping
from hashlib import blake2b


def order(groups: Mapping[str, int], *salt: object) -> list[str]:
    """The groups in an order drawn by `salt`; leaving one out does not change the order of the others."""
    prefix = "/".join(map(str, salt))
    return sorted(groups, key=lambda group: (blake2b(f"{prefix}\0{group}".encode()).digest(), group))


def positions(groups: Mapping[str, int], *salt: object) -> dict[str, float]:
    """Where in [0, 1) the middle of each group falls when groups of these weights are laid in a drawn order.

    The groups below a share x weigh x of all, to within half a group; those below a smaller one are among them.
    """
    # An empty note weighs nothing, and two groups must not share a place.
    weights = {group: max(1, groups[group]) for group in order(groups, *salt)}
    total = sum(weights.values())
    before = 0
    places = {}
    for group, weight in weights.items():
        places[group] = (before + weight / 2) / total
        before += weight
    return places
