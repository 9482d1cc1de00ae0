import random

from stages.shared.duplicates import Seen


def invented(count, rng):
    words = [f"palabra{i}" for i in range(2000)]
    return [" ".join(rng.choices(words, k=200)) for _ in range(count)]


def changed(text, share, rng):
    return " ".join("otra" if rng.random() < share else word for word in text.split())


def test_copies_and_slight_changes_are_found_and_other_texts_are_not():
    rng = random.Random(1)
    known, unknown = invented(60, rng), invented(60, rng)
    seen = Seen(0.7)
    for text in known:
        assert not seen.repeats(text)
        seen.add(text)
    assert all(seen.repeats(text) for text in known)
    # One word in a hundred touches 5 % of the 5-grams: Jaccard about 0.9; one in seven leaves about 0.3.
    assert sum(seen.repeats(changed(text, 0.01, rng)) for text in known) >= 58
    assert sum(seen.repeats(changed(text, 0.15, rng)) for text in known) == 0
    assert sum(seen.repeats(text) for text in unknown) == 0


def test_short_and_empty_texts():
    seen = Seen(0.8)
    seen.add("fiebre alta")
    assert seen.repeats("Fiebre alta")
    assert not seen.repeats("tos seca")
    assert not seen.repeats("")
