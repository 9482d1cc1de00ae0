"""demo_notes: what the invented corpora promise."""

import contextlib
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.demo import notes as demo
from stages.notes import public
from stages.notes.folding import folded
from stages.notes.note_table import Note, Span
from stages.notes.tags import word_offsets
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.params import read
from tests.demo.dictionary_tagger import DictionaryTagger, strict_f1
from tests.graph import ROOT
from tests.runs import run, write_params

# The notes of params.yaml, and a quarter of its public text.
TRAIN, TEST, TEXT_WORDS = 320, 120, 60_000
LABELS = set(read(ROOT / "params.yaml")["catalog"]["demo-es"]["labels"])


def write(folder: Path, corpus: str, train=TRAIN, test=TEST, text_words=TEXT_WORDS) -> Path:
    """Run the stage in `folder`."""
    folder.mkdir(exist_ok=True)
    with contextlib.chdir(folder):
        sizes = {"train": train, "test": test, "text_words": text_words, "seed": 20250221}
        write_params({"demo": {"notes": sizes}})
        run(demo.notes, corpus=corpus, out="raw", text="public")
    return folder


@pytest.fixture(scope="module", params=["demo-en", "demo-es", "demo-sv"])
def written(request, tmp_path_factory):
    """(corpus, folder with raw/ and public/)."""
    return request.param, write(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def corpus(written) -> dict[str, list[Note]]:
    """The notes of each part, read from the files."""
    return {part: read_brat(written[1] / "raw" / part) for part in demo.PARTS}


def read_brat(folder: Path) -> list[Note]:
    found = []
    for path in sorted(folder.glob("*.txt")):
        text = path.read_bytes().decode("utf-8")
        spans = []
        for row in path.with_suffix(".ann").read_text(encoding="utf-8").splitlines():
            _, place, surface = row.split("\t")
            label, start, end = place.split(" ")
            assert text[int(start) : int(end)].replace("\n", " ") == surface
            spans.append(Span(int(start), int(end), label))
        found.append(Note(path.stem, path.stem.rsplit("-", 1)[0], text, tuple(spans), folder.name))
    return found


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def name_words(part: list[Note], *labels: str) -> set[str]:
    """Folded words of the spans of some labels."""
    return {
        folded(note.text[span.start + start : span.start + end])
        for note in part
        for span in note.spans
        if span.label in labels
        for start, end in word_offsets(note.surface(span))
        if end - start > 1
    }


def surfaces(part: list[Note], label: str) -> set[str]:
    return {folded(note.surface(s)) for note in part for s in note.spans if s.label == label}


@pytest.mark.parametrize("name", ["demo-en", "demo-es", "demo-sv"])
def test_same_bytes_each_run(name, tmp_path):
    sizes = {"train": 30, "test": 10, "text_words": 5000}
    first = write(tmp_path / "first", name, **sizes)
    again = write(tmp_path / "again", name, **sizes)
    assert hashes(again) == hashes(first) and len(hashes(first)) == 2 * 40 + 3


def test_more_notes_leave_the_first_as_they_are():
    language = demo.LANGUAGES["es"]
    names = demo.identities.lists(language, 1)["train"]
    few = list(demo.invented_notes(language, names, "train", 5, "1"))
    more = list(demo.invented_notes(language, names, "train", 9, "1"))
    assert more[:5] == few


def test_raw_folder_is_brat_and_nothing_else(written):
    raw = written[1] / "raw"
    assert sorted(path.name for path in raw.iterdir()) == ["test", "train"]
    for part, size in (("train", TRAIN), ("test", TEST)):
        texts = {path.stem for path in (raw / part).glob("*.txt")}
        assert texts == {path.stem for path in (raw / part).glob("*.ann")}
        assert len(texts) == size and 2 * size == len(list((raw / part).iterdir()))
        assert all(re.fullmatch(r"\d+-\d", stem) for stem in texts)


def test_spans_are_clean(corpus):
    for note in corpus["train"] + corpus["test"]:
        edges = word_offsets(note.text)
        starts, ends = {start for start, _ in edges}, {end for _, end in edges}
        before = 0
        for span in note.spans:
            assert before <= span.start and span.start in starts and span.end in ends
            before = span.end
        assert not re.search(r"[{}<>|]", note.text.replace(" |", "").replace("| ", "")), note.note_id


def test_labels(corpus):
    for part, least in (("train", 90), ("test", 25)):
        counts = Counter(span.label for note in corpus[part] for span in note.spans)
        assert set(counts) == LABELS and len(LABELS) >= 12
        assert min(counts.values()) >= least, counts


def test_groups_and_lengths(corpus, written):
    sizes = Counter(note.group_id for note in corpus["train"])
    assert set(sizes.values()) == {1, 2, 3}
    assert not {note.group_id for note in corpus["test"]} & set(sizes)
    lengths = sorted(len(note.text.split()) for note in corpus["train"])
    # English notes are short: they are read and written by a real language model.
    shortest, longest = (75, 130) if written[0] == "demo-en" else (115, 250)
    assert lengths[len(lengths) // 20] >= shortest and lengths[-len(lengths) // 20] <= longest


def test_a_patient_keeps_name_and_numbers(corpus):
    records = {}
    for note in corpus["train"]:
        for span in note.spans:
            if span.label == "RECORD":
                records.setdefault(note.group_id, set()).add(note.surface(span))
    assert all(len(found) == 1 for found in records.values())


def test_spans_with_spaces_and_line_breaks(corpus, written):
    broken = Counter(s.label for note in corpus["train"] for s in note.spans if "\n" in note.surface(s))
    least = 40 if written[0] == "demo-en" else 60
    assert sum(broken.values()) >= least and {"PATIENT", "DOCTOR", "HOSPITAL", "DATE"} <= set(broken)


def test_names_streets_and_hospitals_of_the_parts_are_disjoint(corpus):
    people = ("PATIENT", "DOCTOR", "RELATIVE")
    train, test = name_words(corpus["train"], *people), name_words(corpus["test"], *people)
    assert not train & test and min(len(train), len(test)) >= 150
    for label in ("STREET", "HOSPITAL"):
        train, test = surfaces(corpus["train"], label), surfaces(corpus["test"], label)
        assert not train & test and min(len(train), len(test)) >= 15


def test_names_that_are_words_stand_outside_spans_too(corpus):
    """Capitalised like a name ("Dolores articulares ..."), in the training and in the test part."""
    for part in corpus.values():
        names = name_words(part, "PATIENT", "DOCTOR", "RELATIVE")
        outside = set()
        for note in part:
            covered = {at for span in note.spans for at in range(span.start, span.end)}
            outside |= {note.text[start:end] for start, end in word_offsets(note.text) if start not in covered}
        assert len({word for word in outside if word.istitle() and folded(word) in names}) >= 2
        assert len({word for word in outside if folded(word) in names}) >= 5


def test_dates_are_written_in_many_ways(corpus):
    shapes = {
        re.sub(r"\d", "9", re.sub(r"[^\W\d_]+", "a", note.surface(span)))
        for note in corpus["train"]
        for span in note.spans
        if span.label == "DATE"
    }
    assert len(shapes) >= 10


@pytest.mark.parametrize("relative", ["hace", "igår", "ayer", "sedan", "yesterday", "since", "for"])
def test_relative_dates_are_not_tagged(corpus, relative):
    assert not any(
        relative in note.surface(span).split()
        for note in corpus["train"]
        for span in note.spans
        if span.label == "DATE"
    )


def test_eponyms_and_departments_are_not_tagged(corpus):
    tagged = name_words(corpus["train"] + corpus["test"], *LABELS)
    departments = {"dagkirurgin", "radiodiagnostico", "radiology"}
    assert not tagged & {"parkinson", "crohn", "valsalva", "alzheimer", *departments}
    assert any("Crohn" in note.text for note in corpus["train"])


def test_one_shape_has_several_labels_and_none(corpus):
    """Eight digits: only context tells a record from a licence, an insurance number or a vaccine's lot."""
    labels = set()
    for note in corpus["train"]:
        spans = {(span.start, span.end): span.label for span in note.spans}
        labels |= {spans.get(match.span(), "none") for match in re.finditer(r"\b\d{8}\b", note.text)}
    assert {"RECORD", "INSURANCE_ID", "none"} <= labels and len(labels) >= 4


@pytest.fixture(scope="module")
def tagger(corpus) -> DictionaryTagger:
    return DictionaryTagger(corpus["train"])


def test_a_dictionary_is_not_enough(corpus, written, tagger, capsys):
    score = strict_f1(corpus["test"], tagger)
    with capsys.disabled():
        print(f"\n{written[0]}: dictionary and regexes, strict span F1 {score:.3f}")
    # A bound from below too: a tagger that finds nothing would prove nothing.
    assert 0.3 < score < 0.75


def test_the_dictionary_tagger_knows_what_it_was_shown(corpus, tagger):
    """On its own training notes the tagger is good: its score on the test part is no fault of its code."""
    assert strict_f1(corpus["train"][:60], tagger) > 0.85


def test_public_text(written, corpus):
    name, folder = written
    documents = [json.loads(row) for row in (folder / "public" / public.FILE).open(encoding="utf-8")]
    assert {"note_id", "text"} == set().union(*documents)
    assert len({document["note_id"] for document in documents}) == len(documents)
    size = sum(len(document["text"].split()) for document in documents)
    assert TEXT_WORDS <= size < TEXT_WORDS + 500
    assert lineage.read(folder / "public") == {lineage.Read(f"{name}/public-text", "invented", "content")}

    # It shares the notes' clinical sentences, and neither forms nor people: no line with someone in it.
    notes = corpus["train"] + corpus["test"]
    lines = {line for document in documents for line in document["text"].splitlines()}
    assert not {line for note in notes for line in tagged_lines(note)} & lines
    whole = {surface for label in ("PATIENT", "DOCTOR", "RELATIVE") for surface in surfaces(notes, label)}
    names = surfaces(notes, "STREET") | surfaces(notes, "HOSPITAL") | {name for name in whole if " " in name}
    text = "".join(bare(folded(document["text"])) for document in documents)
    assert len(names) > 500 and not {name for name in names if bare(name) in text}


def bare(text: str) -> str:
    """The words without punctuation, each between two spaces."""
    return f" {' '.join(word.strip('.,;:()') for word in text.split())} "


def tagged_lines(note) -> Iterator[str]:
    """The lines of a note with a span that tells who it is about; a city, a date, an age or a job tells little."""
    at, vague = 0, {"AGE", "CITY", "DATE", "PROFESSION", "ZIP"}
    telling = [span.start for span in note.spans if span.label not in vague]
    for line in note.text.splitlines(keepends=True):
        if any(at <= start < at + len(line) for start in telling):
            yield line.strip()
        at += len(line)


@pytest.mark.parametrize("name", ["demo-xx", "es", "demo-", "meddocan"])
def test_unknown_language(name, tmp_path):
    with pytest.raises(UserError, match="demo-en, demo-es, demo-sv"):
        write(tmp_path, name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "params.yaml"]
    assert not any(path.is_file() for path in (tmp_path / "data").rglob("*"))
