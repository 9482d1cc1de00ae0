import json
import math
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from stages.notes import note_table
from stages.notes.note_table import Note, Span
from stages.pretraining import comparison
from stages.pretraining.compare import compare
from stages.pretraining.corpus import LOSSES
from stages.runtime import lineage
from stages.runtime.errors import UserError
from stages.runtime.grid import Grid
from stages.runtime.lineage import Read
from stages.runtime.outputs import read_json
from stages.scoring.intervals import Bootstrap
from tests.ner.test_compare import drawn
from tests.runs import run, write_params

ROLES = {"real": "real", "rephrased": "rephrased", "unseen": "unseen", "additive": "both", "matched": "twice",
         "shuffled": "shuffled"}  # fmt: skip
# Nats a byte, by mixture: every claim holds.
NATS = {"real": 1.0, "twice": 0.95, "shuffled": 1.5, "rephrased": 1.1, "both": 0.9, "unseen": 1.3}
# Of 40 test texts, how many the probe gets right.
RIGHT = {"real": 20, "twice": 24, "shuffled": 6, "rephrased": 18, "both": 36, "unseen": 16}
BOOTSTRAP = Bootstrap(samples=400, seed=1)


def write(path: str, content: dict) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(content))


class Project:
    """Everything that the stage reads, for one corpus; `change` what a test is about."""

    def __init__(self):
        self.nats, self.right = dict(NATS), dict(RIGHT)
        self.seeds, self.mixtures, self.tasks = [1, 2, 3], list(NATS), ["classes"]
        self.faithful, self.clinical = True, True
        self.trained = {}
        # How far seeds 1 and 3 are from seed 2, in nats a byte.
        self.noise = {}
        self.rephraser = {Read("hub:llama@123", "public", "generator")}

    def make(self) -> None:
        for mixture in self.mixtures:
            for seed in self.seeds:
                self._cell(mixture, f"c/0/{seed}", seed)
            part = {"pieces": 7, "tokens": 700, "source_pieces": 5}
            write(f"mix/{mixture}/c/0.json", {"parts": {"a": part, "b": part}, "tokens": 1400, "repeat": 1.0})
        report = {
            "pieces": 50,
            "reasons": {"unfinished": 5, "copied": 5},
            "fidelity": {"content": 0.7, "numbers": 0.95, "copied": 0.25},
            "faithful": self.faithful,
        }
        accepted = "data/texts/real/llama/plain/c/0"
        write(f"{accepted}/summary.json", report)
        lineage.write(accepted, self.rephraser)
        settings = {
            "grid": {
                "demos": [], "corpora": ["c"], "synthesized": [], "arms": ["real"],
                "ensembled": [], "selftrained": [], "released": [], "packaged": [],
                "rewritten": ["c"],
                "folds": [0], "seeds": self.seeds, "sources": ["real"], "rephrasers": ["llama"],
                "prompts": ["plain"], "mixtures": self.mixtures, "tasks": self.tasks,
            },
            "catalog": {
                "c": {
                    "rewriting": {"clinical_notes": self.clinical, "unseen": ["x"], "elsewhere": []},
                }
            },
            "pretraining": {"compare": {"roles": ROLES, "bootstrap": BOOTSTRAP.model_dump()}},
        }  # fmt: skip
        write_params(settings)

    def _cell(self, mixture: str, cell: str, seed: int) -> None:
        # 60 texts of 30 groups; their sizes, and what they cost every model more or less, differ.
        rng = np.random.default_rng(7)
        size = rng.integers(50, 500, 60)
        harder = rng.normal(0, 0.2, 60)
        rows = {
            "part": ["test"] * 60,
            "note_id": [f"n{i}" for i in range(60)],
            "group_id": [f"g{i // 2}" for i in range(60)],
            "nats": size * (self.nats[mixture] + harder + self.noise.get(mixture, 0) * (seed - 2)),
            "tokens": size // 4,
            "bytes": size,
        }
        folder = Path(f"data/losses/{mixture}/{cell}")
        folder.mkdir(parents=True)
        pl.DataFrame(rows).write_parquet(folder / LOSSES)
        for task in self.tasks:
            gold, predicted = [], []
            for i in range(40):
                right = i * 7 % 40 < self.right[mixture]
                for made, label in ((gold, "a"), (predicted, "a" if right else "b")):
                    made.append(Note(f"t{i}", f"t{i}", "ja", (Span(0, 2, label),)))
            out = Path(f"data/probe/{task}/{mixture}/{cell}")
            note_table.write(out / "gold", gold)
            note_table.write(out / "predicted", predicted)
        for kind in ("decoder", "encoder"):
            curve = [{"step": 10, "loss": 3.0}, {"step": 20, "loss": 2.0}]
            tokens = self.trained.get((kind, mixture), 2800)
            trained = {"tokens_trained": tokens, "passes": 2.0, "curve": curve}
            write(f"pretrain/{kind}/{mixture}/{cell}.json", trained)

    def run(self) -> dict:
        run(compare, corpus="c", data="data", mix="mix", pretrain="pretrain", out="c")
        return read_json("c/summary.json")


@pytest.fixture
def project(workdir) -> Project:
    return Project()


CLAIMS = [
    "rewriting against unseen",
    "real and rewritten, additive",
    "real and rewritten, compute-matched",
    "classes, additive",
    "classes, compute-matched",
]


def test_every_claim_held(project, capsys):
    project.make()
    summary = project.run()
    assert summary["claims"] == dict.fromkeys(CLAIMS, "held")
    assert "The rewriting models were trained elsewhere" in capsys.readouterr().out


def test_numbers_against_a_plain_calculation(project):
    project.make()
    project.run()
    rows = {row["mixture"]: row for row in pl.read_csv("c/perplexity.csv").iter_rows(named=True)}
    assert list(rows) == list(NATS)

    def losses(mixture: str, seed: int) -> pl.DataFrame:
        return pl.read_parquet(f"data/losses/{mixture}/c/0/{seed}/losses.parquet")

    def bits(of: pl.DataFrame) -> float:
        return of["nats"].sum() / of["bytes"].sum() / math.log(2)

    for mixture, row in rows.items():
        assert row["bits_per_byte"] == pytest.approx(
            np.mean([bits(losses(mixture, seed)) for seed in (1, 2, 3)]), abs=1e-6
        )
        perplexities = [
            math.exp(of["nats"].sum() / of["tokens"].sum()) for of in (losses(mixture, seed) for seed in (1, 2, 3))
        ]
        assert row["perplexity"] == pytest.approx(np.mean(perplexities), abs=1e-4)
        assert row["difference"] == pytest.approx((NATS[mixture] - 1.0) / math.log(2), abs=1e-6)
        # Every text costs every model equally more: nothing of a difference is chance.
        assert row["difference_high"] - row["difference_low"] < 1e-5
        assert (row["source_pieces"], row["unique_tokens"], row["tokens_trained"], row["passes"]) == (
            5,
            1400,
            2800,
            2,
        )
    # The interval of one score: whole groups are drawn, here by repeating rows.
    real, rng = losses("real", 1), np.random.default_rng(1)
    groups = [real.filter(group_id=name) for name in sorted(set(real["group_id"]))]
    drawn = [
        bits(pl.concat([of for of, times in zip(groups, counts, strict=True) for _ in range(times)]))
        for counts in rng.multinomial(30, np.full(30, 1 / 30), 400)
    ]
    found = comparison.bits_per_byte(
        comparison.read_losses(Path("data/losses"), "real", "c", grid(seeds=[1]))["test"], BOOTSTRAP
    ).estimate()
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=1e-9)
    scores = {row["mixture"]: row for row in pl.read_csv("c/downstream.csv").iter_rows(named=True)}
    assert {name: round(row["score"] * 40) for name, row in scores.items()} == RIGHT
    assert scores["both"]["difference"] == pytest.approx(16 / 40, abs=1e-6)


def grid(**changes) -> Grid:
    return Grid.model_validate(
        {"folds": [0], "seeds": [1], "sources": [], "rephrasers": [], "prompts": [], "mixtures": ["real"],
         "tasks": [], "demos": [], "corpora": ["c"], "synthesized": [], "arms": ["real"],
         "ensembled": [], "selftrained": [], "released": [], "packaged": [], "rewritten": ["c"]} | changes
    )  # fmt: skip


def test_a_claim_that_the_numbers_contradict(project):
    project.nats["both"] = 1.0
    project.right["both"] = 20
    project.make()
    claims = project.run()["claims"]
    assert {name for name, verdict in claims.items() if verdict == "held"} == {"rewriting against unseen"}
    assert {verdict for name, verdict in claims.items() if name != "rewriting against unseen"} == {"not held"}


@pytest.mark.parametrize(("seeds", "models"), [([1], "1 model"), ([1, 2], "2 models")])
def test_few_seeds_bear_no_claim(project, seeds, models):
    project.seeds = seeds
    project.make()
    assert project.run()["claims"] == dict.fromkeys(CLAIMS, f"not testable: {models}")
    table = Path("c/table.md").read_text()
    assert (
        f"{models}: says nothing about training noise. Intervals are over texts alone, and no claim is tested"
        in table
    )


def test_a_claim_at_equal_budgets_is_refused_if_they_differ(project):
    # Mixtures of the additive design differ by what is added, and by design.
    project.trained = {("decoder", "unseen"): 2690, ("decoder", "both"): 2825, ("encoder", "both"): 2829}
    project.make()
    assert project.run()["claims"] == {
        CLAIMS[0]: "not testable: tokens trained on differ by 4.1%",
        CLAIMS[1]: "held",
        CLAIMS[2]: "held",  # 0.9 %
        CLAIMS[3]: "held",
        CLAIMS[4]: "not testable: tokens trained on differ by 1.0%",
    }


def test_claims_are_corrected_for_their_number(project):
    # Each of two claims has a p of 0.03 by itself: t of 5.6 with two degrees of freedom.
    project.noise = {"unseen": 0.2 * 3**0.5 / 5.6}
    project.make()
    assert project.run()["claims"] == dict.fromkeys(CLAIMS, "held")
    shutil.rmtree("data")
    project.noise |= {"twice": 0.05 * 3**0.5 / 5.6}
    project.make()
    not_held = dict.fromkeys([CLAIMS[0], CLAIMS[2]], "not held")
    assert project.run()["claims"] == dict.fromkeys(CLAIMS, "held") | not_held


def test_where_order_does_not_matter_nothing_is_measured(project):
    # Shuffled words do as well as the notes: such a model is too small, or the texts too few.
    project.nats["shuffled"], project.right["shuffled"] = 1.0, 20
    project.make()
    assert project.run()["claims"] == dict.fromkeys(CLAIMS, "not measurable at this size")


def test_a_rephraser_without_fidelity_bears_no_claim(project):
    project.faithful = False
    project.make()
    assert project.run()["claims"] == dict.fromkeys(CLAIMS, "not testable here")


def test_texts_that_are_no_notes_bear_no_claim(project):
    project.clinical = False
    project.make()
    assert project.run()["claims"] == dict.fromkeys(CLAIMS, "not testable here")


def test_a_rephraser_trained_here_is_a_check_of_the_apparatus(project, capsys):
    project.rephraser = {Read("demo-es/pairs", "invented", "generator")}
    project.make()
    project.run()
    assert "check the apparatus" in capsys.readouterr().out


def test_a_missing_row_is_said(project):
    project.mixtures.remove("twice")
    project.make()
    claims = project.run()["claims"]
    missing = "not run: grid.mixtures lacks one of the two"
    assert {name for name, verdict in claims.items() if verdict == missing} == {CLAIMS[2], CLAIMS[4]}


def test_without_a_task_there_is_half_a_table(project):
    project.tasks = []
    project.make()
    assert set(project.run()["claims"]) == set(CLAIMS[:3])
    assert "No downstream task" in Path("c/table.md").read_text()


def test_the_reference_must_be_in_the_grid(project):
    project.mixtures.remove("real")
    project.make()
    with pytest.raises(UserError, match=r"pretraining\.compare\.roles\.real is real"):
        project.run()


def test_models_scored_on_other_texts_are_not_compared():
    one = comparison.Losses(("a", "b"), *[np.ones(2)] * 3)
    other = comparison.Losses(("a", "c"), *[np.ones(2)] * 3)
    with pytest.raises(ValueError, match="the same texts"):
        comparison.difference([one], [other], BOOTSTRAP)


def test_plots_read_columns_that_the_files_have(project):
    project.make()
    project.run()
    assert drawn("pretraining_compare", Path("c")) == {"perplexity.csv", "downstream.csv", "curves.csv"}


def test_one_mlflow_run_per_mixture(project, store):
    from mlflow import MlflowClient

    project.make()
    for _ in range(2):
        project.run()
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("pretraining/compare")
    runs = client.search_runs([experiment.experiment_id])
    assert [run.info.run_name for run in runs] == [f"c {mixture}" for mixture in NATS]
    assert runs[0].data.metrics["2 downstream/classes"] == 0.5
    assert len({run.data.tags["mlflow.runColor"] for run in runs}) == len(NATS)
    assert {"1 bits per byte/test", "3 validation loss/decoder"} <= set(runs[0].data.metrics)
    assert "| test | real |" in experiment.tags["mlflow.note.content"]
