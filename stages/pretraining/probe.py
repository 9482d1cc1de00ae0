"""What a pretrained encoder is worth downstream: fine-tuned and scored on a task. DVC stage pretraining_probe.

Tasks are NER on any tagged corpus, trained as ner_train does, and classification of texts or pairs of texts. Both
leave the test part twice, gold and predicted, as note tables: a class is a span over the whole text.
"""

import argparse
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, RootModel

from stages.ner import train as ner
from stages.ner.model import Tagger
from stages.shared import lineage, models, notes, params, scoring, training
from stages.shared.console import progress, say
from stages.shared.errors import UserError, at, run
from stages.shared.lineage import Read
from stages.shared.notes import Note, Span
from stages.shared.outputs import building, write_json
from stages.shared.scratch import fingerprint, scratch
from stages.shared.tracking import track

# Texts a forward pass: chosen for speed, no effect on the result beyond rounding.
_BATCH = 32


class Ner(params.Section):
    """Tagging of `corpus`, one of grid.corpora: its training part is learnt, its test part scored."""

    kind: Literal["ner"]
    corpus: str
    train: ner.Train


class Fine(training.Optimisation):
    """How a classifier is trained."""

    length: int = Field(ge=8)
    epochs: float = Field(gt=0)


class Text(params.Section):
    """Classification of the texts in a folder of data/tasks: train.jsonl is learnt, test.jsonl scored."""

    kind: Literal["text"]
    folder: str
    train: Fine


class Task(RootModel[Annotated[Ner | Text, Field(discriminator="kind")]]):
    """Section pretraining.probe.tasks.<task>."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", required=True, help="name of a task in pretraining.probe.tasks")
    parser.add_argument("--encoder", required=True, help="folder of an encoder of pretraining_pretrain")
    parser.add_argument("--split", required=True, help="folder of the tagged corpora by name, fold and role")
    parser.add_argument(
        "--tasks", required=True, help="folder of the folders with train.jsonl and test.jsonl"
    )
    parser.add_argument("--seed", required=True, type=int, help="seed of the new head and the order")
    parser.add_argument("--out", required=True, help="folder to write: note tables gold and predicted")
    parser.add_argument("--metrics", required=True, help="JSON file to write: scores and budget")
    args = parser.parse_args()
    task = params.load(Task, f"pretraining.probe.tasks.{args.task}").root
    name, mixture, corpus, fold, seed = Path(args.out).parts[-5:]
    if isinstance(task, Ner):
        source = Path(args.split) / task.corpus / fold
        if not source.is_dir():
            raise UserError(
                f"params.yaml: pretraining.probe.tasks.{args.task}.corpus: {source} is not there; {task.corpus} must "
                "be one of grid.corpora and have that fold"
            )
    else:
        source = Path(args.tasks) / task.folder
    cell = "-".join([corpus, name, mixture, fold, seed])
    tags = {"corpus": corpus, "task": name, "mixture": mixture, "fold": fold, "seed": seed}
    key = fingerprint(task, args.seed, inputs=[args.encoder, source])
    with (
        scratch("pretraining/probe", key) as folder,
        track("pretraining/probe", cell, task, tags) as run_,
        building(args.out) as out,
    ):
        probe = tag if isinstance(task, Ner) else classify
        budget, reads = probe(task.train, args.encoder, source, args.seed, folder, out, run_)
        lineage.write(out, reads)
        counts = scoring.count(zip(notes.read(out / "gold"), notes.read(out / "predicted"), strict=True))
        scores = scoring.scores(counts.total())
        result = {
            "score": scores["strict_f1"],
            "macro": scores["strict_f1_macro"],
            "test": len(counts.note_ids),
            **budget,
        }
        run_.metrics(result)
    write_json(args.metrics, result)
    say(f"{cell}: {result['score']:.3f} on {result['test']} test texts")


Probed = tuple[dict[str, int], set[Read]]


def tag(
    settings: ner.Train, encoder: str, source: Path, seed: int, folder: Path, out: Path, run_: Any
) -> Probed:
    """Train a tagger, tag the test part; return what was trained on, and the lineage of the tables."""
    model = folder / "model"
    shutil.rmtree(model, ignore_errors=True)
    trained = ner.train(
        encoder, source / "train", source / "select", settings, seed, folder / "checkpoints", model, run_
    )
    tagger = Tagger.load(model)
    total = notes.count(source / "test")
    notes.write(out / "gold", notes.read(source / "test"))
    tagged = tagger.tag(progress(notes.read(source / "test"), total=total, label="tagging"))
    notes.write(out / "predicted", tagged)
    reads = lineage.read(source / "test") | lineage.through(lineage.read(model), "tags")
    return {name: trained[name] for name in ("notes", "words", "steps")}, reads


def classify(
    settings: Fine, encoder: str, source: Path, seed: int, folder: Path, out: Path, run_: Any
) -> Probed:
    """Train a classifier, classify the test part; return what was trained on, and the lineage of the tables."""
    import torch

    learnt, tested = (list(read(source / f"{part}.jsonl")) for part in ("train", "test"))
    labels = sorted({example.spans[0].label for example in learnt})
    if len(labels) < 2:
        raise UserError(f"{source / 'train.jsonl'}: all texts have one label; there is nothing to tell apart")
    tokenizer = models.load_tokenizer(encoder)
    torch.manual_seed(seed)
    model = models.load_classifier(encoder, labels).to(models.device())
    examples = [
        {"input_ids": ids, "labels": labels.index(example.spans[0].label)}
        for example, ids in zip(learnt, tokenised(learnt, tokenizer, settings.length), strict=True)
    ]
    steps = max(1, round(settings.epochs * len(examples) / settings.batch))
    training.fit(
        model,
        training.passes(examples, steps * settings.batch, seed),
        settings,
        steps,
        seed,
        folder / "checkpoints",
        run_,
        label="training",
        collate=lambda rows: padded(rows, tokenizer.pad_token_id),
    )
    model.eval()
    predicted = []
    with torch.inference_mode():
        every = zip(tested, tokenised(tested, tokenizer, settings.length), strict=True)
        for batch in notes.batched(every, _BATCH):
            inputs = padded([{"input_ids": ids, "labels": 0} for _, ids in batch], tokenizer.pad_token_id)
            del inputs["labels"]
            inputs = {name: values.to(model.device) for name, values in inputs.items()}
            scores, best = model(**inputs).logits.float().softmax(dim=-1).cpu().max(dim=-1)
            for (example, _), score, label in zip(batch, scores, best, strict=True):
                predicted.append(whole(example, labels[label], score.item()))
    notes.write(out / "gold", tested)
    notes.write(out / "predicted", predicted)
    record = (
        lineage.read(source)
        if (source / lineage.FILE).is_file()
        else {Read(f"task:{source.name}", "real", "content")}
    )
    return (
        {"notes": len(learnt), "words": sum(notes.words(example.text) for example in learnt), "steps": steps},
        record | lineage.through(lineage.read(encoder), "tags"),
    )


def read(path: Path) -> Iterator[Note]:
    """The examples of a JSONL file: `id`, `text`, `label`, and if there are any `pair` (a second text) and `group`.

    A pair's texts stand on both sides of a form feed, in the note's text.
    """
    if not path.is_file():
        raise UserError(
            f'{path}: not there; put one {{"id": ..., "text": ..., "label": ...}} per line into it, and `dvc add` '
            "the folder"
        )
    seen = set()
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                name, text, label = row["id"], row["text"], row["label"]
                pair, group = row.get("pair", ""), row.get("group", name)
            except (ValueError, KeyError, TypeError, AttributeError):
                name = text = label = pair = group = None
            if not all(isinstance(part, str) for part in (name, text, label, pair, group)) or not (
                text and label
            ):
                raise UserError(
                    f'{at(path, number)}: expected {{"id": ..., "text": ..., "label": ...}} as JSON'
                )
            if name in seen:
                raise UserError(f"{at(path, number)}: the id stands on an earlier line too")
            seen.add(name)
            yield whole(Note(name, group, f"{text}\f{pair}" if pair else text), label)


def whole(example: Note, label: str, score: float | None = None) -> Note:
    """The example with its class as one span over all of its text."""
    return Note(example.note_id, example.group_id, example.text, (Span(0, len(example.text), label, score),))


def tokenised(examples: list[Note], tokenizer: Any, length: int) -> list[list[int]]:
    """Tokens of each text or pair, at most `length`: of what is longer, the end is cut off."""
    firsts, _, seconds = zip(*(example.text.partition("\f") for example in examples), strict=True)
    pairs = list(seconds) if any(seconds) else None
    return tokenizer(list(firsts), pairs, truncation=True, max_length=length, verbose=False)["input_ids"]


def padded(rows: list[dict[str, Any]], pad: int) -> dict[str, Any]:
    """Token lists padded to the longest, with an attention mask, and the number of each one's class."""
    import torch

    ids = [torch.tensor(row["input_ids"]) for row in rows]
    together = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=pad)
    lengths = torch.tensor([len(one) for one in ids])
    return {
        "input_ids": together,
        "attention_mask": (torch.arange(together.shape[1]) < lengths[:, None]).long(),
        "labels": torch.tensor([row["labels"] for row in rows]),
    }


if __name__ == "__main__":
    run(main)
