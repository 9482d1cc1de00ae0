import numpy as np
import pytest

from stages.ner.ensemble import ensemble
from stages.ner.tagger import Tagger
from stages.notes import note_table
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.lineage import Read
from stages.runtime.outputs import read_json
from tests import tiny
from tests.ner.conftest import SECTION, tagged
from tests.runs import run, write_params

OUT = "data/models/ner/ensemble/c/0/3"


def table(folder: str) -> None:
    note_table.write(folder, tagged(tiny.texts(12)))
    lineage.write(folder, [Read("c/0/train@0.5", "real", "content")])


@pytest.fixture
def stage(workdir, modernbert):
    """Run the stage with a number of members."""
    table("notes")
    table("select")

    def run_stage(members: int) -> None:
        write_params({"ner": {"ensemble": {"members": members}, "train": SECTION | {"steps": 4, "probes": 1}}})
        cell = {"corpus": "c", "fold": 0, "seed": 3}
        run(ensemble, **cell, base=modernbert, notes="notes", select="select", out=OUT, metrics="metrics.json")

    return run_stage


@pytest.mark.slow
def test_members_differ_and_their_mean_probability_decides(stage):
    stage(2)
    together = Tagger.load(OUT)
    alone = [Tagger.load(f"{OUT}/{member}") for member in (1, 2)]
    notes = list(note_table.read("notes"))
    (edges, first), (_, second) = (tagger.log_probs(notes) for tagger in alone)
    assert np.abs(first[0] - second[0]).max() > 1e-3
    voted_edges, voted = together.log_probs(notes)
    assert voted_edges == edges
    np.testing.assert_allclose(np.exp(voted[0]), (np.exp(first[0]) + np.exp(second[0])) / 2, atol=1e-6)
    assert [note.text for note in together.tag(notes)] == [note.text for note in notes]
    metrics = read_json("metrics.json")
    assert len(metrics["members"]) == 2 and set(metrics) == {"members", "ensemble"}


@pytest.mark.slow
def test_the_lineage_of_the_ensemble_is_that_of_its_members(stage):
    stage(2)
    reads = lineage.read(OUT)
    assert Read("c/0/train@0.5", "real", "gradient") in reads
    assert reads == lineage.read(f"{OUT}/2")


def test_one_member_is_no_ensemble(stage):
    with pytest.raises(UserError, match=r"ner\.ensemble\.members"):
        stage(1)
