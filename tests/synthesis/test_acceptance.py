import random
from collections import Counter

import pytest

from stages.generation.requests import Answer
from stages.synthesis import acceptance

DROP = acceptance.Drop(unfinished=True, min_words=5, repetition=0.4, near_duplicate=0.8)
GOOD = "uno dos tres cuatro cinco seis siete ocho nueve diez once doce"


@pytest.mark.parametrize(
    ("text", "ended", "reason"),
    [
        (GOOD, True, None),
        (GOOD, False, "unfinished"),
        ("uno dos tres", True, "too_short"),
        ("", True, "too_short"),
        (GOOD + " \ufffd", True, "broken_characters"),
        ("fiebre alta y tos " * 8, True, "repetitive"),
    ],
)
def test_faults(text, ended, reason):
    assert acceptance.fault(text, ended, DROP) == reason


def rows(*texts):
    return iter((Answer(text, True, 10), {"seed": [1, number]}) for number, text in enumerate(texts))


def test_every_sampled_text_is_kept_or_counted_under_one_reason():
    other = " ".join(f"palabra{i}" for i in range(60))
    near = other.replace("palabra30", "otra")
    counts = Counter()
    kept = list(
        acceptance.accepted(
            rows(GOOD, "uno", other, "  " + GOOD.replace(" ", "\n"), near, GOOD[::-1]), DROP, 10_000, counts
        )
    )
    assert [note.text for note in kept] == [GOOD, other, GOOD[::-1]]
    assert {key: count for key, count in counts.items() if key.startswith("dropped")} == {
        "dropped_too_short": 1, "dropped_exact_duplicate": 1, "dropped_near_duplicate": 1
    }  # fmt: skip
    assert (counts["sampled"], counts["kept"], counts["words"]) == (6, 3, 12 + 60 + 12)


def test_sampling_ends_at_the_volume_and_asks_for_no_further_text():
    def endless():
        number = 0
        while True:
            words = " ".join(f"w{number}x{i}" for i in range(10))
            yield Answer(words, True, 1), {"seed": [1, number]}
            number += 1
            assert number <= 5

    counts = Counter()
    assert len(list(acceptance.accepted(endless(), DROP, 45, counts))) == 5
    assert counts["words"] == 50


def invented(count, rng):
    words = [f"palabra{i}" for i in range(2000)]
    return [" ".join(rng.choices(words, k=200)) for _ in range(count)]


def changed(text, share, rng):
    return " ".join("otra" if rng.random() < share else word for word in text.split())


def test_copies_and_slight_changes_are_found_and_other_texts_are_not():
    rng = random.Random(1)
    known, unknown = invented(60, rng), invented(60, rng)
    seen = acceptance.Seen(0.7)
    assert [seen.add(text) for text in known] == [None] * 60
    assert [seen.add(text) for text in known] == ["exact_duplicate"] * 60
    assert [seen.add(text.upper()) for text in known] == ["near_duplicate"] * 60
    # One word in a hundred touches 5 % of the 5-grams: Jaccard about 0.9; one in seven leaves about 0.3.
    assert sum(seen.add(changed(text, 0.01, rng)) is not None for text in known) >= 58
    assert [seen.add(changed(text, 0.15, rng)) for text in known] == [None] * 60
    assert [seen.add(text) for text in unknown] == [None] * 60


def test_short_and_empty_texts():
    seen = acceptance.Seen(0.8)
    assert seen.add("fiebre alta") is None
    assert seen.add("Fiebre alta") == "near_duplicate"
    assert seen.add("tos seca") is None
    assert seen.add("") is None
