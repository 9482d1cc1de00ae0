from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from stages.corpora import share
from stages.corpora.share import Share
from stages.notes import note_table
from stages.notes.note_table import Note, Span
from stages.notes.tags import word_offsets
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.params import parse, read
from tests.graph import ROOT
from tests.runs import run, write_params

SETTINGS = {
    "annotator": 0.5,
    "generator": 0.25,
    "overlap": "shared",
    "balance": "words",
    "shuffle_tags": False,
    "tagger": "annotator",
}
ARMS = ("real", "annotator", "synthetic", "mixed")
LADDER = (0.01, 0.05, 0.25, 0.5, 0.75, 1.0)
WEIGHTS = Counter({f"g{number}": 20 + 37 * number % 101 for number in range(200)})


def settings(**changes: object) -> Share:
    return Share.model_validate(SETTINGS | changes)


@pytest.mark.parametrize("overlap", ["shared", "disjoint"])
@pytest.mark.parametrize("seed", [1, 2])
def test_shares_are_nested_ladders_of_the_asked_size(overlap: str, seed: int) -> None:
    total = sum(WEIGHTS.values())
    rungs: dict[str, list[set[str]]] = {"annotator": [], "generator": []}
    for rung in LADDER[:-2]:
        drawn = share.draw(WEIGHTS, seed, settings(annotator=rung, generator=rung, overlap=overlap))
        rungs["annotator"].append(drawn.annotator)
        rungs["generator"].append(drawn.generator)
        for groups in drawn:
            assert sum(WEIGHTS[group] for group in groups) / total == pytest.approx(rung, abs=0.005)
        assert (
            not (drawn.annotator & drawn.generator) if overlap == "disjoint" else drawn.annotator == drawn.generator
        )
    for ladder in rungs.values():
        assert all(lower < upper for lower, upper in pairwise(ladder))


def test_the_ends_of_the_ladder() -> None:
    assert share.draw(WEIGHTS, 1, settings(annotator=1, generator=1)) == (set(WEIGHTS), set(WEIGHTS))
    drawn = share.draw(WEIGHTS, 1, settings(annotator=1, generator=0, overlap="disjoint"))
    assert drawn == (set(WEIGHTS), set())
    tiny = share.draw(WEIGHTS, 1, settings(annotator=1e-9, generator=1e-9, overlap="disjoint"))
    assert [len(groups) for groups in tiny] == [1, 1] and tiny.annotator != tiny.generator


@pytest.mark.parametrize("annotator", [0.1, 0.3, 0.7, 0.9])
def test_disjoint_shares_that_sum_to_all_leave_nothing_out(annotator: float) -> None:
    drawn = share.draw(WEIGHTS, 1, settings(annotator=annotator, generator=1 - annotator, overlap="disjoint"))
    assert drawn.annotator | drawn.generator == set(WEIGHTS) and not drawn.annotator & drawn.generator


def test_the_seed_draws_another_ladder() -> None:
    first, second = (share.draw(WEIGHTS, seed, settings()).annotator for seed in (1, 2))
    assert first != second


def test_too_much_for_disjoint_shares() -> None:
    content = {"corpora": {"share": SETTINGS | {"annotator": 0.8, "overlap": "disjoint"}}}
    with pytest.raises(UserError, match=r"corpora\.share: .*annotator \+ generator <= 1"):
        parse(Share, "corpora.share", content)
    with pytest.raises(UserError, match="1 groups of training notes are too few for disjoint shares"):
        share.draw(Counter(g=5), 1, settings(overlap="disjoint"))


def corpus() -> list[Note]:
    out = []
    for number in range(60):
        text = f"Anna{'x' * number} saw Doctor Berg on day {number} with a small cough and slept."
        spans = (Span(0, 4 + number, "PATIENT"), Span(text.index("Berg"), text.index(" on"), "DOCTOR"))
        out.append(Note(f"n{number}", f"g{number // 2}", text, spans, None, {"reader": "brat"}))
    return out


def _stage(arms: tuple[str, ...] = ARMS, **changes: object) -> dict[str, list[Note]]:
    """The notes of each share after the stage, run in the working directory."""
    grid = {"arms": list(arms)} | {
        key: ["demo"] if changes.pop(key, False) else ["other"] for key in ("ensembled", "selftrained")
    }
    write_params({"corpora": {"share": SETTINGS | changes}, "grid": grid})
    note_table.write("train", corpus())
    outs = {name: name for name in ("real", "annotator", "generator")}
    run(share.share, corpus="demo", fold=0, seed=4, train="train", **outs)
    return {name: list(note_table.read(name)) for name in outs}


def test_the_real_arm_tags_only_where_the_annotator_reads_all() -> None:
    assert settings(tagger="real", annotator=1.0).tagger == "real"
    with pytest.raises(UserError, match=r"corpora\.share.*annotator is 0\.5, but tagger is real"):
        parse(Share, "corpora.share", {"corpora": {"share": SETTINGS | {"tagger": "real"}}})


def test_the_tagger_must_be_trained(workdir: Path) -> None:
    with pytest.raises(UserError, match=r"share\.tagger is annotator, but grid\.arms lacks annotator"):
        _stage(arms=("real", "synthetic"))
    with pytest.raises(UserError, match=r"share\.tagger is ensemble, but grid\.ensembled lacks demo"):
        _stage(tagger="ensemble")
    with pytest.raises(UserError, match=r"share\.tagger is selftrained, but grid\.selftrained lacks demo"):
        _stage(tagger="selftrained", ensembled=True)
    assert not (workdir / "real").exists()
    _stage(tagger="ensemble", ensembled=True)
    _stage(tagger="selftrained", selftrained=True)
    assert (workdir / "real").exists()


def _content(folder: Path) -> set[str]:
    assert all((read.origin, read.how) == ("real", "content") for read in lineage.read(folder))
    return {read.notes for read in lineage.read(folder)}


def test_the_stage_writes_shares_in_order_with_lineage(workdir: Path) -> None:
    written = _stage()
    assert written["real"] == corpus()
    groups = {name: {n.group_id for n in part} for name, part in written.items()}
    assert groups["generator"] < groups["annotator"] < groups["real"]
    for name in groups:
        assert written[name] == [n for n in corpus() if n.group_id in groups[name]]
    assert [_content(workdir / name) for name in written] == [
        {"demo/0/train"},
        {"demo/0/train@0.5"},
        {"demo/0/train@0.25"},
    ]


def test_a_disjoint_generator_has_a_lineage_of_its_own(workdir: Path) -> None:
    written = _stage(annotator=0.25, overlap="disjoint")
    assert {n.group_id for n in written["annotator"]}.isdisjoint(n.group_id for n in written["generator"])
    assert _content(workdir / "annotator") == {"demo/0/train@0.25"}
    assert _content(workdir / "generator") == {"demo/0/train@last-0.25"}


def test_an_unadapted_generator_reads_nothing(workdir: Path) -> None:
    assert _stage(generator=0)["generator"] == []
    assert lineage.read(workdir / "generator") == set()


def test_shuffled_tags_keep_only_the_text_and_their_number(workdir: Path) -> None:
    written = _stage(shuffle_tags=True)
    gold = {n.note_id: n for n in corpus()}
    kept = total = 0
    labels: Counter[str] = Counter()
    for name in ("real", "annotator"):
        for n in written[name]:
            assert replace(n, spans=(), provenance={}) == replace(gold[n.note_id], spans=(), provenance={})
            assert n.provenance == {"reader": "brat", "tags": "shuffled"}
            assert len(n.spans) == 2 and {(s.start, s.end) for s in n.spans} <= set(word_offsets(n.text))
            kept += len(set(n.spans) & set(gold[n.note_id].spans))
            total += 2
            labels.update(s.label for s in n.spans)
    # 15 words and 2 labels: one in 15 of a note's spans is right by chance.
    assert total == 180 and kept / total < 0.15
    assert min(labels.values()) > 60 and set(labels) == {"PATIENT", "DOCTOR"}
    assert {n.note_id: n for n in written["annotator"]}.items() <= {n.note_id: n for n in written["real"]}.items()
    assert all(n == gold[n.note_id] for n in written["generator"])
    files = {path: path.read_bytes() for path in workdir.rglob("*") if path.is_file()}
    _stage(shuffle_tags=True)
    assert {path: path.read_bytes() for path in workdir.rglob("*") if path.is_file()} == files


def test_a_note_shorter_than_its_tags_loses_some() -> None:
    note = Note("n", "g", "ab", (Span(0, 1, "X"), Span(1, 2, "X")))
    assert share.shuffled(note, ["X"], 1).spans == (Span(0, 2, "X"),)


def test_the_project_s_params_load() -> None:
    assert parse(Share, "corpora.share", read(ROOT / "params.yaml")).shuffle_tags is False
