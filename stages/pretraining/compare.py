"""Lay the mixtures side by side: what does pretraining on rewritten notes buy? DVC stage pretraining_compare.

Two tables (bits per byte on real notes that nobody rewrote; downstream scores), what the rewriters did, and the three
claims of paper 2 with their verdicts (METHOD, section 3). Driven by `grid`, not by what lies in the folders.
"""

import argparse
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from stages.pretraining.corpus import LOSSES, SUMMARY, Rewriting
from stages.shared import lineage, notes, params, scoring
from stages.shared.console import say
from stages.shared.errors import UserError, run
from stages.shared.grid import Grid
from stages.shared.outputs import building, read_json, write_json
from stages.shared.scoring import Bootstrap, Counts, Estimate
from stages.shared.tracking import describe, track

QUESTION = "What does pretraining on rewritten notes buy? Every model is scored on the same real notes"
# Colours that colour-blind people tell apart (Okabe and Ito), by the row's place.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
# Who trained a rephraser elsewhere: what a claim about LLMs needs.
_NAMED = ("hub:", "folder:", "server:")


class Roles(params.Section):
    """Which mixtures the claims are about, by their names in grid.mixtures."""

    real: str
    rephrased: str
    unseen: str
    additive: str
    matched: str
    shuffled: str


class Compare(params.Section):
    """Section pretraining.compare."""

    roles: Roles
    bootstrap: Bootstrap


class Losses(NamedTuple):
    """One model's losses on one part: (texts,) arrays of nats and bytes, and the texts' groups."""

    groups: tuple[str, ...]
    nats: np.ndarray
    tokens: np.ndarray
    bytes: np.ndarray


class Claim(NamedTuple):
    """One claim: a difference that should be below or above zero, and the verdict on it."""

    name: str
    statement: str
    difference: Estimate | None
    verdict: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", required=True, help="name of the corpus in params.yaml")
    parser.add_argument("--data", required=True, help="folder of the rewritten texts, losses and probes")
    parser.add_argument("--mix", required=True, help="folder of the metrics of pretraining_mix")
    parser.add_argument("--pretrain", required=True, help="folder of the metrics of pretraining_pretrain")
    parser.add_argument("--out", required=True, help="folder to write: tables, claims, the plots' data")
    args = parser.parse_args()
    settings = params.load(Compare, "pretraining.compare")
    grid = params.load(Grid, "grid")
    clinical = params.load(Rewriting, f"corpora.{args.corpus}.rewriting").clinical_notes
    roles = settings.roles
    if roles.real not in grid.mixtures:
        raise UserError(
            f"params.yaml: pretraining.compare.roles.real is {roles.real}, which is not among grid.mixtures"
        )
    data = Path(args.data)
    losses = {mixture: read_losses(data / "losses", mixture, args.corpus, grid) for mixture in grid.mixtures}
    scores = {
        task: {
            mixture: read_counts(data / "probe" / task, mixture, args.corpus, grid)
            for mixture in grid.mixtures
        }
        for task in grid.tasks
    }
    trained = read_trained(Path(args.pretrain), args.corpus, grid)
    mixed = {
        mixture: [read_json(Path(args.mix) / mixture / args.corpus / f"{fold}.json") for fold in grid.folds]
        for mixture in grid.mixtures
    }
    writers = writer_rows(data / "texts" / "real", args.corpus, grid)
    predicted = perplexity_rows(losses, mixed, trained, roles.real, settings.bootstrap)
    downstream = downstream_rows(scores, roles.real, settings.bootstrap)
    found = claims(losses, scores, roles, settings.bootstrap, doubts(writers, clinical))
    named = writers.height > 0 and not writers["trained_here"].any()
    report = table(predicted, downstream, writers, found, roles.real, named)
    with building(args.out) as out:
        out.mkdir()
        frames = {
            "perplexity": predicted,
            "downstream": downstream,
            "writers": writers,
            "curves": curve_rows(trained),
        }
        for name, frame in frames.items():
            frame = frame.rename({"part": "of", "task": "of"}, strict=False)
            frame.fill_nan(None).write_csv(out / f"{name}.csv", float_precision=6)
        write_json(out / "summary.json", summary(predicted, downstream, found))
        (out / "table.md").write_text(report, encoding="utf-8")
    tables = [Path(args.out).parent / corpus / "table.md" for corpus in grid.rewritten]
    describe("pretraining/compare", QUESTION, tables)
    # MLflow lists the newest run first: the last logged is the first row.
    for place, mixture in reversed(list(enumerate(grid.mixtures))):
        colour = _COLOURS[place % len(_COLOURS)]
        log(args.corpus, mixture, colour, predicted, downstream, trained, Path(args.out) / "table.md")
    say(report)


def read_losses(folder: Path, mixture: str, corpus: str, grid: Grid) -> dict[str, list[Losses]]:
    """By part, the losses of each seed over the texts of all folds."""
    parts: dict[str, list[Losses]] = {}
    for seed in grid.seeds:
        frames = [
            pl.read_parquet(folder / mixture / corpus / str(fold) / str(seed) / LOSSES) for fold in grid.folds
        ]
        for (part,), rows in pl.concat(frames).group_by("part", maintain_order=True):
            columns = (rows[name].to_numpy().astype(float) for name in ("nats", "tokens", "bytes"))
            parts.setdefault(str(part), []).append(Losses(tuple(rows["group_id"]), *columns))
    return parts


def read_counts(folder: Path, mixture: str, corpus: str, grid: Grid) -> list[Counts]:
    """The counts of each seed over the test texts of all folds."""

    def of(fold: int, seed: int) -> Counts:
        tables = (folder / mixture / corpus / str(fold) / str(seed) / name for name in ("gold", "predicted"))
        return scoring.count(zip(*map(notes.read, tables), strict=True))

    return [scoring.pool([of(fold, seed) for fold in grid.folds]) for seed in grid.seeds]


def read_trained(folder: Path, corpus: str, grid: Grid) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """By kind and mixture, the training metrics of every fold and seed."""
    return {
        (kind, mixture): [
            read_json(folder / kind / mixture / corpus / str(fold) / f"{seed}.json")
            for fold in grid.folds
            for seed in grid.seeds
        ]
        for kind in ("decoder", "encoder")
        for mixture in grid.mixtures
    }


def writer_rows(texts: Path, corpus: str, grid: Grid) -> pl.DataFrame:
    """One row per rephraser and prompt: acceptance and fidelity on the notes' pieces, and who trained it."""
    rows = []
    for rephraser in grid.rephrasers:
        for prompt in grid.prompts:
            folders = [texts / rephraser / prompt / corpus / str(fold) for fold in grid.folds]
            reports = [read_json(folder / SUMMARY) for folder in folders]
            elsewhere = any(
                entry.how == "generator" and entry.notes.startswith(_NAMED)
                for entry in lineage.read(folders[0])
            )
            pieces = sum(report["pieces"] for report in reports)
            lost = sum(sum(report["reasons"].values()) for report in reports)
            rows.append(
                {
                    "rephraser": rephraser,
                    "prompt": prompt,
                    "pieces": pieces,
                    "accepted": (pieces - lost) / pieces,
                    **{
                        name: _mean([report["fidelity"][name] for report in reports])
                        for name in ("content", "numbers", "copied")
                    },
                    "faithful": all(report["faithful"] for report in reports),
                    "trained_here": not elsewhere,
                }
            )
    return pl.DataFrame(rows)


def perplexity_rows(
    losses: Mapping[str, Mapping[str, Sequence[Losses]]],
    mixed: Mapping[str, Sequence[Mapping[str, Any]]],
    trained: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]],
    reference: str,
    bootstrap: Bootstrap,
) -> pl.DataFrame:
    """One row per part and mixture: bits per byte with interval and difference to `reference`, and the budget."""
    rows = []
    for part in losses[reference]:
        for mixture, parts in losses.items():
            found = estimate(parts[part], bootstrap)
            minus = difference(parts[part], losses[reference][part], bootstrap)
            runs = trained["decoder", mixture]
            tokens = [of.tokens.sum() for of in parts[part]]
            rows.append(
                {
                    "part": part,
                    "mixture": mixture,
                    "bits_per_byte": found.value,
                    "low": found.low,
                    "high": found.high,
                    "difference": minus.value,
                    "difference_low": minus.low,
                    "difference_high": minus.high,
                    "perplexity": _mean(
                        [math.exp(of.nats.sum() / size) for of, size in zip(parts[part], tokens, strict=True)]
                    ),
                    "source_pieces": _mean([source_pieces(content) for content in mixed[mixture]]),
                    "unique_tokens": _mean([content["tokens"] for content in mixed[mixture]]),
                    "tokens_trained": _mean([content["tokens_trained"] for content in runs]),
                    "passes": _mean([content["passes"] for content in runs]),
                    "runs": len(runs),
                }
            )
    return pl.DataFrame(rows)


def source_pieces(content: Mapping[str, Any]) -> int:
    """Pieces of notes or public texts that a mixture tells of, each counted once."""
    return max((part["source_pieces"] for part in content["parts"].values()), default=0)


def downstream_rows(
    scores: Mapping[str, Mapping[str, Sequence[Counts]]], reference: str, bootstrap: Bootstrap
) -> pl.DataFrame:
    """One row per task and mixture: micro F1 (accuracy, for classes), interval, difference to `reference`."""
    rows = []
    for task, mixtures in scores.items():
        for mixture, replicates in mixtures.items():
            found = scoring.estimate(scoring.strict_f1, replicates, bootstrap)
            minus = scoring.difference(scoring.strict_f1, replicates, mixtures[reference], bootstrap)
            rows.append(
                {
                    "task": task,
                    "mixture": mixture,
                    "score": found.value,
                    "low": found.low,
                    "high": found.high,
                    "difference": minus.value,
                    "difference_low": minus.low,
                    "difference_high": minus.high,
                    "macro": float(scoring.mean(scoring.SCORES["strict_f1_macro"], replicates)),
                    "test": len(replicates[0].note_ids),
                    "runs": len(replicates),
                }
            )
    names = {"task": pl.String, "mixture": pl.String}
    return pl.DataFrame(rows, schema=None if rows else names)


def curve_rows(trained: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]) -> pl.DataFrame:
    """One row per model and evaluation: the loss on the mixture's own validation texts."""
    return pl.DataFrame(
        [
            {"kind": kind, "mixture": mixture, "run": number, **point}
            for (kind, mixture), runs in trained.items()
            for number, content in enumerate(runs)
            for point in content["curve"]
        ],
        infer_schema_length=None,
    )


def doubts(writers: pl.DataFrame, clinical: bool) -> list[str]:
    """Why the claims cannot be tested on this run, if they cannot."""
    found = (
        [] if clinical else ["the texts are not clinical notes (corpora.<corpus>.rewriting.clinical_notes)"]
    )
    if not writers.height:
        return [*found, "no rephraser took part"]
    return found + [
        f"{row['rephraser']}/{row['prompt']} fails the fidelity check (pretraining.check.fidelity)"
        for row in writers.filter(~pl.col("faithful")).iter_rows(named=True)
    ]


def claims(
    losses: Mapping[str, Mapping[str, Sequence[Losses]]],
    scores: Mapping[str, Mapping[str, Sequence[Counts]]],
    roles: Roles,
    bootstrap: Bootstrap,
    doubtful: Sequence[str],
) -> list[Claim]:
    """The paper's three claims, the second and third in both designs (METHOD, section 2)."""

    def lower(one: str, other: str) -> Estimate | None:
        if one not in losses or other not in losses:
            return None
        return difference(losses[one]["test"], losses[other]["test"], bootstrap)

    def higher(task: str, one: str, other: str) -> Estimate | None:
        of = scores[task]
        if one not in of or other not in of:
            return None
        return scoring.difference(scoring.strict_f1, of[one], of[other], bootstrap)

    control = lower(roles.real, roles.shuffled)
    measurable = control is not None and control.high < 0
    found = []
    designs = {"additive": roles.real, "compute-matched": roles.matched}
    bits = {"rewriting against unseen": (roles.rephrased, roles.unseen)}
    bits |= {f"real and rewritten, {design}": (roles.additive, other) for design, other in designs.items()}
    for name, (one, other) in bits.items():
        minus = lower(one, other)
        holds = minus is not None and minus.high < 0
        statement = f"bits per byte of {one} below those of {other}"
        found.append(Claim(name, statement, minus, verdict(minus, holds, measurable, doubtful)))
    for task in scores:
        control = higher(task, roles.real, roles.shuffled)
        measurable = control is not None and control.low > 0
        for design, other in designs.items():
            minus = higher(task, roles.additive, other)
            holds = minus is not None and minus.low > 0
            statement = f"score of {roles.additive} above that of {other}"
            found.append(
                Claim(f"{task}, {design}", statement, minus, verdict(minus, holds, measurable, doubtful))
            )
    return found


def verdict(minus: Estimate | None, holds: bool, measurable: bool, doubtful: Sequence[str]) -> str:
    """held, not held, or why neither can be said."""
    if minus is None:
        return "not run: grid.mixtures lacks one of the two"
    if doubtful:
        return "not testable here"
    if not measurable:
        return "not measurable at this size"
    return "held" if holds else "not held"


def estimate(replicates: Sequence[Losses], bootstrap: Bootstrap) -> Estimate:
    """Bits per byte averaged over replicates, with the interval over groups."""
    return Estimate(float(_bits(replicates).mean()), *scoring.interval(_drawn(replicates, bootstrap)))


def difference(one: Sequence[Losses], other: Sequence[Losses], bootstrap: Bootstrap) -> Estimate:
    """`one` minus `other`, paired: every draw takes the same groups from both."""
    if {replicate.groups for replicate in (*one, *other)} != {one[0].groups}:
        raise ValueError("the two were not scored on the same texts")
    value = _bits(one).mean() - _bits(other).mean()
    return Estimate(float(value), *scoring.interval(_drawn(one, bootstrap) - _drawn(other, bootstrap)))


def _bits(replicates: Sequence[Losses]) -> np.ndarray:
    return np.array([of.nats.sum() / of.bytes.sum() for of in replicates]) / math.log(2)


def _drawn(replicates: Sequence[Losses], bootstrap: Bootstrap) -> np.ndarray:
    """Bits per byte of every draw of groups, (samples,)."""
    groups = {group: row for row, group in enumerate(sorted(set(replicates[0].groups)))}
    rows = [groups[group] for group in replicates[0].groups]
    weights = scoring.draws(len(groups), bootstrap)
    result = []
    for of in replicates:
        nats, size = (np.bincount(rows, column, len(groups)) for column in (of.nats, of.bytes))
        result.append(weights @ nats / (weights @ size))
    return scoring.over_replicates(np.stack(result, axis=1), bootstrap) / math.log(2)


def summary(
    predicted: pl.DataFrame, downstream: pl.DataFrame, found: Iterable[Claim]
) -> dict[str, dict[str, Any]]:
    """The headline numbers: bits per byte and scores by mixture, verdicts by claim."""
    result: dict[str, dict[str, Any]] = {"bits_per_byte": {}, "scores": {}, "claims": {}}
    for row in predicted.filter(part="test").iter_rows(named=True):
        result["bits_per_byte"][row["mixture"]] = scoring.rounded(row["bits_per_byte"])
    for row in downstream.iter_rows(named=True):
        result["scores"].setdefault(row["task"], {})[row["mixture"]] = scoring.rounded(row["score"])
    for claim in found:
        result["claims"][claim.name] = claim.verdict
    return result


def table(
    predicted: pl.DataFrame,
    downstream: pl.DataFrame,
    writers: pl.DataFrame,
    found: Sequence[Claim],
    reference: str,
    named: bool,
) -> str:
    """Everything as Markdown."""
    bits = [
        [
            row["part"],
            row["mixture"],
            f"**{row['bits_per_byte']:.3f}** ({row['low']:.3f}–{row['high']:.3f})",
            _minus(row, row["mixture"] == reference),
            f"{row['perplexity']:.1f}",
            *(f"{row[name]:,.0f}" for name in ("source_pieces", "unique_tokens", "tokens_trained")),
            f"{row['passes']:.1f}",
        ]
        for row in predicted.iter_rows(named=True)
    ]
    tasks = [
        [
            row["task"],
            row["mixture"],
            f"**{row['score']:.3f}** ({row['low']:.3f}–{row['high']:.3f})",
            _minus(row, row["mixture"] == reference),
            f"{row['macro']:.3f}",
            str(row["test"]),
        ]
        for row in downstream.iter_rows(named=True)
    ]
    wrote = [
        [
            f"{row['rephraser']}/{row['prompt']}",
            f"{row['pieces']:,}",
            f"{row['accepted']:.0%}",
            *("—" if row[name] is None else f"{row[name]:.2f}" for name in ("content", "numbers", "copied")),
            "yes" if row["faithful"] else "no",
            "here" if row["trained_here"] else "elsewhere",
        ]
        for row in writers.iter_rows(named=True)
    ]
    said = [
        [
            claim.name,
            claim.statement,
            "—" if claim.difference is None else "{:+.3f} ({:+.3f} to {:+.3f})".format(*claim.difference),
            claim.verdict,
        ]
        for claim in found
    ]
    runs = predicted["runs"][0]
    lines = [
        *_markdown(
            ["texts", "pretrained on", "bits per byte (95 %)", f"minus {reference} (95 %)", "perplexity",
             "source pieces", "unique tokens", "tokens trained on", "passes"],
            bits,
        ),
        "",
        *(
            _markdown(
                ["task", "encoder pretrained on", "score (95 %)", f"minus {reference} (95 %)", "macro", "test texts"],
                tasks,
            )
            if tasks
            else ["No downstream task: grid.tasks is empty."]
        ),
        "",
        *_markdown(
            ["written by", "pieces", "accepted", "content kept", "numbers kept", "copied", "faithful", "trained"],
            wrote,
        ),
        "",
        *_markdown(["claim", "tested as", "difference (95 %)", "verdict"], said),
        "",
        f"{runs} model(s) per row; intervals draw groups of texts, the same for all rows. "
        + (
            "The rewriting models were trained elsewhere, so the verdicts are about them."
            if named
            else "A rewriting model was trained here, so the verdicts check the apparatus: they say nothing about "
            "large models."
        )
        + " What each number means: docs/rephrasing.md.",
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def log(
    corpus: str,
    mixture: str,
    colour: str,
    predicted: pl.DataFrame,
    downstream: pl.DataFrame,
    trained: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]],
    report: Path,
) -> None:
    """One MLflow run per mixture: bits per byte, downstream scores, the curves of the first replicate."""
    axes = {"corpus": corpus, "mixture": mixture}
    tags = axes | {"mlflow.note.content": report.read_text(encoding="utf-8"), "mlflow.runColor": colour}
    with track("pretraining/compare", f"{corpus} {mixture}", axes, tags, replace=True) as run_:
        bits = {
            row["part"]: row["bits_per_byte"]
            for row in predicted.filter(mixture=mixture).iter_rows(named=True)
        }
        scores = {
            row["task"]: row["score"] for row in downstream.filter(mixture=mixture).iter_rows(named=True)
        }
        run_.metrics({"1 bits per byte": bits, "2 downstream": scores})
        for kind in ("decoder", "encoder"):
            for point in trained[kind, mixture][0]["curve"]:
                run_.metrics({"3 validation loss": {kind: point["loss"]}}, step=point["step"])
        run_.artifact(report)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *rows)]


def _minus(row: Mapping[str, Any], reference: bool) -> str:
    sides = (f"{row[name]:+.3f}" for name in ("difference", "difference_low", "difference_high"))
    return "—" if reference else "{} ({} to {})".format(*sides)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


if __name__ == "__main__":
    run(main)
