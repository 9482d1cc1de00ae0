from dataclasses import replace

from stages.corpora.near_duplicates import NearDuplicates, common_names, paired_groups
from stages.notes.note_table import Note

SETTINGS = NearDuplicates(words=4, share=0.5, common=5)


def survey(notes: list[Note]) -> tuple[list[str], int]:
    """The groups of the notes, linked ones under a common name, and the number of pairs."""
    pairs = paired_groups(notes, SETTINGS)
    names = common_names(pairs)
    return [names.get(note.group_id, note.group_id) for note in notes], len(pairs)


def near(one: str, other: str) -> bool:
    """Whether two texts of different groups are near-duplicates."""
    groups, pairs = survey([Note("a", "ga", one), Note("b", "gb", other)])
    assert (groups, pairs) in ((["ga", "ga"], 1), (["ga", "gb"], 0))
    return pairs == 1


WORDS = [f"w{number}" for number in range(40)]


def test_near_duplicates_share_half_of_the_shorter_note_s_n_grams() -> None:
    text = " ".join(WORDS)
    # 11 words have 8 n-grams of 4 words, of which 4 are in the text.
    half = " ".join([*WORDS[:7], "x1", "x2", "x3", "x4"])
    less = " ".join([*WORDS[:6], "x1", "x2", "x3", "x4", "x5"])
    assert near(text, half)
    assert not near(text, less)
    assert near(text, text.upper().replace(" ", "\n"))
    # Shorter than one n-gram: only if all words agree.
    assert near("so it is", "So  it is")
    assert not near("so it is", "so it was")
    assert not near("", "")


def test_notes_of_one_group_are_no_near_duplicates_and_no_notes_have_none() -> None:
    assert survey([Note("a", "g", "one two three four"), Note("b", "g", "one two three four")]) == (["g", "g"], 0)
    assert survey([]) == ([], 0)


def test_boilerplate_of_many_notes_is_no_evidence_but_whole_copies_are() -> None:
    header = " ".join(WORDS[:20])
    forms = [Note(f"n{n}", f"g{n}", f"{header} only{n}") for n in range(6)]
    assert survey(forms) == ([f"g{n}" for n in range(6)], 0)
    assert survey(forms[:5]) == (["g0"] * 5, 10)
    assert survey([replace(form, text=header) for form in forms]) == (["g0"] * 6, 5)


def test_groups_linked_through_a_third_become_one() -> None:
    texts = [("c", "one two three four five"), ("b", "six seven eight nine ten"), ("d", "x y z")]
    links = [("b", "one two three four five"), ("a", "six seven eight nine ten")]
    notes = [Note(f"{group}{text}", group, text) for group, text in texts + links]
    assert survey(notes) == (["a", "a", "d", "a", "a"], 2)
