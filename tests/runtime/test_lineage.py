"""Lineage: which reads are inherited in which way, and which of them forbid a release."""

import json
from typing import get_args

import pytest

from stages.runtime import lineage
from stages.runtime.lineage import FILE, Read

TRAIN = Read("c/0/train", "real", "content")
SELECT = Read("c/0/select", "real", "content")
PUBLIC = Read("wiki", "public", "content")


def test_training_reads_content_by_gradient_and_keeps_indirect_reads():
    indirect = {TRAIN._replace(how=how) for how in ("generator", "tags", "prompts", "selection")}
    assert lineage.trained_on({SELECT._replace(how="quoted")}) == {SELECT._replace(how="gradient")}
    assert lineage.trained_on({TRAIN, PUBLIC} | indirect) == {
        TRAIN._replace(how="gradient"),
        PUBLIC._replace(how="gradient"),
        *indirect,
    }
    assert lineage.trained_on([]) == set()


@pytest.mark.parametrize("how", ["generator", "tags", "selection"])
def test_output_of_a_model_inherits_what_is_in_its_weights(how):
    model = {
        TRAIN._replace(how="gradient"),
        PUBLIC._replace(how="vocabulary"),
        SELECT._replace(how="selection"),
        SELECT._replace(how="prompts"),
    }
    assert lineage.through(model, how) == {
        TRAIN._replace(how=how),
        PUBLIC._replace(how=how),
        SELECT._replace(how="selection"),
        SELECT._replace(how="prompts"),
    }


@pytest.mark.parametrize("how", ["prompts", "selection"])
def test_a_corpus_that_is_only_read_for_a_purpose(how):
    tagged = TRAIN._replace(how="tags")
    assert lineage.as_read({SELECT, tagged}, how) == {SELECT._replace(how=how), tagged}


def test_gradient_and_vocabulary_reads_of_real_notes_bar_a_release():
    def reads(origin):
        return {Read("n", origin, how) for how in get_args(lineage.How)}

    for origin in ("real", "rewritten-real"):
        barring = ("content", "gradient", "quoted", "vocabulary")
        assert lineage.bars_release(reads(origin)) == {Read("n", origin, how) for how in barring}
    assert lineage.bars_release(reads("public") | reads("invented")) == set()


def test_a_synthetic_arm_is_free_of_real_gradients():
    """The chain of the first branch: adapt, generate, tag, train."""
    generator = {PUBLIC._replace(how="gradient")} | lineage.trained_on({TRAIN})
    annotator = lineage.trained_on({TRAIN})
    invented = lineage.through(generator, "generator") | {Read("c/0/invented", "invented", "content")}
    corpus = invented | lineage.through(annotator, "tags")
    model = lineage.trained_on(corpus)
    assert model == {
        PUBLIC._replace(how="generator"),
        TRAIN._replace(how="generator"),
        TRAIN._replace(how="tags"),
        Read("c/0/invented", "invented", "gradient"),
    }
    assert lineage.bars_release(model) == set()
    assert lineage.bars_release(generator) == {TRAIN._replace(how="gradient")}


def test_a_record_comes_back_sorted_and_without_repeats(tmp_path):
    reads = [TRAIN, PUBLIC, TRAIN, Read("ñ", "rewritten-real", "vocabulary")]
    lineage.write(tmp_path, reads)
    assert lineage.read(tmp_path) == set(reads)
    assert [entry["notes"] for entry in json.loads((tmp_path / FILE).read_text())] == ["c/0/train", "wiki", "ñ"]
    content = (tmp_path / FILE).read_bytes()
    lineage.write(tmp_path, reversed(reads))
    assert (tmp_path / FILE).read_bytes() == content
    lineage.write(tmp_path, [])
    assert lineage.read(tmp_path) == set()
