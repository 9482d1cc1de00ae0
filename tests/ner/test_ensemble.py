import json
import sys

import numpy as np
import pytest
import yaml

from stages.ner import ensemble
from stages.ner.model import Tagger
from stages.shared import lineage, notes
from stages.shared.errors import UserError
from stages.shared.lineage import Read
from tests import tiny
from tests.ner.test_train import SECTION, tagged

OUT = "data/models/ner/ensemble/c/0/3"


def table(folder: str) -> None:
    notes.write(folder, tagged(tiny.texts(12)))
    lineage.write(folder, [Read("c/0/train@0.5", "real", "content")])


@pytest.fixture
def stage(workdir, monkeypatch, modernbert):
    """Run the stage with so many members."""
    table("notes")
    table("select")

    def run(members: int) -> None:
        with open("params.yaml", "w") as file:
            yaml.safe_dump(
                {"ner": {"ensemble": {"members": members}, "train": SECTION | {"steps": 4, "probes": 1}}},
                file,
            )
        arguments = {"base": modernbert, "notes": "notes", "select": "select", "seed": 3, "out": OUT,
                     "metrics": "metrics.json"}  # fmt: skip
        monkeypatch.setattr(
            sys,
            "argv",
            ["ensemble", *(str(part) for name, value in arguments.items() for part in (f"--{name}", value))],
        )
        ensemble.main()

    return run


@pytest.mark.slow
def test_members_differ_and_their_mean_probability_decides(stage, workdir):
    stage(2)
    together = Tagger.load(OUT)
    alone = [Tagger.load(f"{OUT}/{member}") for member in (1, 2)]
    run = list(notes.read("notes"))
    (edges, first), (_, second) = (tagger.log_probs(run) for tagger in alone)
    assert np.abs(first - second).max() > 1e-3
    voted_edges, voted = together.log_probs(run)
    assert voted_edges == edges
    words = len(edges[0])
    np.testing.assert_allclose(
        np.exp(voted[0, :words]), (np.exp(first) + np.exp(second))[0, :words] / 2, atol=1e-6
    )
    assert [note.text for note in together.tag(run)] == [note.text for note in run]
    metrics = json.loads((workdir / "metrics.json").read_text())
    assert len(metrics["members"]) == 2 and set(metrics) == {"members", "ensemble"}


@pytest.mark.slow
def test_the_ensemble_has_read_what_its_members_have(stage):
    stage(2)
    reads = lineage.read(OUT)
    assert Read("c/0/train@0.5", "real", "gradient") in reads
    assert reads == lineage.read(f"{OUT}/2")


def test_one_member_is_no_ensemble(stage):
    with pytest.raises(UserError, match=r"ner\.ensemble\.members"):
        stage(1)
