"""Random draws of groups that depend only on their names and a seed, not on their order or number."""

from collections.abc import Mapping
from hashlib import blake2b
from itertools import accumulate


def order(groups: Mapping[str, int], *salt: object) -> list[str]:
    """The groups in an order that `salt` determines. Leaving one out does not change the order of the others."""
    prefix = "/".join(map(str, salt))
    return sorted(groups, key=lambda group: (blake2b(f"{prefix}\0{group}".encode()).digest(), group))


def positions(groups: Mapping[str, int], *salt: object) -> dict[str, float]:
    """Position of each group in [0, 1): its middle, with all groups in random order and each as wide as its weight.

    The groups below x have a share x of the total weight, to within half a group, and include those below any
    smaller x. `salt` determines the order.
    """
    # A group of empty notes weighs nothing, but two groups must not have the same position.
    weights = {group: max(1, groups[group]) for group in order(groups, *salt)}
    total = sum(weights.values())
    ends = accumulate(weights.values())
    return {group: (end - weight / 2) / total for (group, weight), end in zip(weights.items(), ends, strict=True)}
