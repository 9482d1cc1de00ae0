"""Sample invented notes from the adapted decoder, and drop repeats and degenerate text (synthesis_generate)."""

import argparse
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from stages.shared import duplicates, lineage, models, notes, packing, params, sampling, units
from stages.shared.console import progress, say
from stages.shared.errors import UserError, run
from stages.shared.notes import Note
from stages.shared.outputs import building, read_json, write_json
from stages.shared.scratch import fingerprint, scratch
from stages.shared.tracking import track
from stages.synthesis.adapt import SETTINGS

_WORD = re.compile(r"\S+")
# Words in a row whose repetition within one text counts as repetitive.
_GRAM = 4


class Drop(params.Section):
    """Which sampled texts are not kept."""

    unfinished: bool
    min_words: int = Field(ge=1)
    repetition: float = Field(gt=0, le=1)
    near_duplicate: float = Field(gt=0, le=1)


class Generate(params.Section):
    """Section synthesis.generate."""

    prompt: Literal["first_words", "first_words_no_pii", "begin_of_note"]
    prompt_words: int = Field(ge=1)
    keep_prompt: bool
    temperature: float = Field(gt=0)
    top_p: float = Field(gt=0, le=1)
    max_new_tokens: int = Field(ge=1)
    volume: float = Field(gt=0)
    chunk: int = Field(ge=1)
    attempts: float = Field(ge=1)
    precision: Literal["fp32", "bf16"]
    drop: Drop


class Prompt(NamedTuple):
    """The words a text starts from, and the note they come from."""

    note_id: str
    text: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", required=True, help="folder of the base decoder")
    parser.add_argument("--model", required=True, help="folder written by synthesis_adapt")
    parser.add_argument("--prompts", required=True, help="note table whose first words are prompts")
    parser.add_argument(
        "--train", required=True, help="the full training part: volume is a multiple of its words"
    )
    parser.add_argument(
        "--seed", required=True, type=int, help="seed of the cell; each text has a seed from it"
    )
    parser.add_argument("--out", required=True, help="note table to write")
    parser.add_argument(
        "--metrics", required=True, help="JSON file to write: counts by reason, words, tokens"
    )
    args = parser.parse_args()
    settings = params.load(Generate, "synthesis.generate")
    adaptation = read_adaptation(args.base, args.model)
    prompts = list(make_prompts(args.prompts, settings, adaptation))
    if not prompts:
        raise UserError(
            f"{args.prompts}: no notes to take prompts from; give corpora.split a share for prompts"
        )
    target = round(settings.volume * sum(notes.words(note.text) for note in notes.read(args.train)))
    corpus, fold, seed = Path(args.out).parts[-3:]
    tags = {"corpus": corpus, "fold": fold, "seed": seed}
    key = fingerprint(settings, args.seed, target, inputs=[args.base, args.model, args.prompts])
    counts: Counter[str] = Counter()
    with (
        scratch("synthesis/generate", key) as chunks,
        track("synthesis/generate", "-".join([corpus, fold, seed]), settings, tags) as run_,
        building(args.out) as out,
    ):
        sampler = Sampler(args.base, args.model, adaptation["method"], prompts, settings, args.seed)
        rows = sampled(sampler, chunks, settings, target)
        notes.write(out, accepted(rows, settings, target, counts))
        rows.close()
        reads = lineage.through(lineage.read(args.base) | lineage.read(args.model), "generator")
        if settings.prompt != "begin_of_note":
            reads |= lineage.as_read(lineage.read(args.prompts), "prompts")
        lineage.write(out, reads)
        result = summary(counts, target)
        run_.metrics(result)
        if not counts["kept"]:
            raise UserError(
                "none of the sampled texts could be kept ("
                + ", ".join(f"{name} {counts[name]}" for name in sorted(counts) if name.startswith("dropped"))
                + "); adapt the decoder longer, or change synthesis.generate"
            )
    write_json(args.metrics, result)
    say(f"{result['kept']} of {result['sampled']} texts kept, {result['words']} words of {target} asked for")


def read_adaptation(base: str | Path, model: str | Path) -> dict[str, Any]:
    """What synthesis_adapt wrote about the model; UserError when it was adapted from another base."""
    if not (Path(model) / SETTINGS).is_file():
        raise UserError(f"{model}: no adapted model here; run `dvc repro` to make it")
    adaptation = read_json(Path(model) / SETTINGS)
    if adaptation["base"] != models.fingerprint(base):
        raise UserError(
            f"{model}: was adapted from another base model than {base}; run `dvc repro synthesis_adapt`"
        )
    return adaptation


def make_prompts(folder: str | Path, settings: Generate, adaptation: dict[str, Any]) -> Iterator[Prompt]:
    """One prompt per prompts note (or piece), in their order; one empty prompt when texts begin from nothing."""
    if settings.prompt == "begin_of_note":
        yield Prompt("", "")
        return
    for note in units.units(notes.read(folder), adaptation["unit"], adaptation["piece_words"]):
        words = [match.span() for match in _WORD.finditer(note.text)][: settings.prompt_words]
        if settings.prompt == "first_words_no_pii" and note.spans:
            words = [(start, end) for start, end in words if end <= note.spans[0].start]
        yield Prompt(note.note_id, note.text[: words[-1][1]] if words else "")


class Sampler:
    """The adapted model and what it samples from; the model is loaded when the first chunk is wanted."""

    def __init__(self, base, model, method: str, prompts: list[Prompt], settings: Generate, seed: int):
        self.base, self.folder, self.method = base, model, method
        self.prompts, self.settings, self.seed = prompts, settings, seed
        self.name = models.fingerprint(base if method == "none" else model)
        self.model: Any = None

    def chunk(self, number: int, on_tokens: Any) -> list[dict[str, Any]]:
        """The texts of one chunk, with their provenance. Depends on the number and the settings only."""
        if self.model is None:
            self.tokenizer = models.load_tokenizer(self.base)
            self.model = adapted(self.base, self.folder, self.method, self.settings.precision)
        begin, end = packing.edges(self.tokenizer)
        first = number * self.settings.chunk
        chosen = [self._prompt(first + position) for position in range(self.settings.chunk)]
        given = [
            [begin, *self.tokenizer(prompt.text, add_special_tokens=False)["input_ids"]] for prompt in chosen
        ]
        samples = sampling.sample(
            self.model,
            given,
            [(self.seed, first + position) for position in range(self.settings.chunk)],
            ends=[end],
            never=sorted({*self.tokenizer.all_special_ids, begin} - {end}),
            temperature=self.settings.temperature,
            top_p=self.settings.top_p,
            max_new_tokens=self._room(given),
            on_tokens=on_tokens,
        )
        rows = []
        for position, (prompt, ids, sample) in enumerate(zip(chosen, given, samples, strict=True)):
            kept = [*ids[1:], *sample.ids] if self.settings.keep_prompt else sample.ids
            text = self.tokenizer.decode(kept, clean_up_tokenization_spaces=False)
            rows.append(
                {
                    "text": text if self.settings.keep_prompt else text.lstrip(),
                    "tokens": len(sample.ids),
                    "ended": sample.ended,
                    "provenance": {
                        "chunk": number,
                        "model": self.name,
                        "position": position,
                        "prompt": prompt.note_id,
                        "seed": [self.seed, first + position],
                    },
                }
            )
        return rows

    def _prompt(self, number: int) -> Prompt:
        """Prompts are used up in a new order every time round."""
        turn, place = divmod(number, len(self.prompts))
        return self.prompts[np.random.default_rng([self.seed, turn]).permutation(len(self.prompts))[place]]

    def _room(self, given: list[list[int]]) -> int:
        """New tokens that fit into the model's positions."""
        positions = getattr(self.model.config, "max_position_embeddings", None) or 10**9
        return max(1, min(self.settings.max_new_tokens, positions - max(map(len, given))))


def adapted(base: str | Path, folder: str | Path, method: str, precision: str) -> Any:
    """The model to sample from, on its device: an adapter is merged into the base, never into 4-bit weights.

    UserError when it predicts just what the base predicts: then it was not adapted.
    """
    import torch

    model = models.load_decoder(base, precision)
    if method == "none":
        return model.to(models.device()).eval()
    probe = torch.arange(3, 19)[None] % model.config.vocab_size
    with torch.inference_mode():
        before = model.eval()(input_ids=probe).logits
    if method == "full":
        model = models.load_decoder(folder, precision)
    else:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(folder)).merge_and_unload()
    with torch.inference_mode():
        after = model.eval()(input_ids=probe).logits
    if torch.equal(before, after):
        raise UserError(
            f"{folder}: the adapted model predicts exactly what its base does; adaptation had no effect"
        )
    return model.to(models.device())


def sampled(sampler: Sampler, chunks: Path, settings: Generate, target: int) -> Iterator[dict[str, Any]]:
    """Sampled texts in their order, chunk by chunk; finished chunks are kept in `chunks` and read, not sampled.

    Ends when `attempts` times the `target` of words were sampled: a model that only writes what is dropped
    would go on for ever.
    """
    number = words = 0
    with progress(unit="tok", label="sampling") as bar:
        while words < settings.attempts * target:
            path = chunks / f"{number:06d}.jsonl"
            if not path.is_file():
                rows = sampler.chunk(number, bar.update)
                partial = path.with_suffix(".partial")
                partial.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
                os.replace(partial, path)
            with path.open(encoding="utf-8") as lines:
                for row in map(json.loads, lines):
                    # An empty text is an attempt as well.
                    words += max(1, notes.words(row["text"]))
                    yield row
            bar.set_postfix_str(f"{100 * words / target:.0f} % of the volume sampled", refresh=False)
            number += 1


def accepted(
    rows: Iterator[dict[str, Any]], settings: Generate, target: int, counts: Counter[str]
) -> Iterator[Note]:
    """Notes of the texts that pass, until they hold `target` words; `counts` gets every text under its reason."""
    exact: set[int] = set()
    near = duplicates.Seen(settings.drop.near_duplicate)
    for row in rows:
        text = row["text"]
        counts["sampled"] += 1
        counts["sampled_tokens"] += row["tokens"]
        counts["unfinished"] += not row["ended"]
        reason = fault(text, row["ended"], settings.drop)
        fold = hash_text(text)
        if reason is None and fold in exact:
            reason = "exact_duplicate"
        if reason is None and near.repeats(text):
            reason = "near_duplicate"
        if reason is not None:
            counts[f"dropped_{reason}"] += 1
            continue
        exact.add(fold)
        near.add(text)
        counts["kept"] += 1
        counts["tokens"] += row["tokens"]
        counts["words"] += notes.words(text)
        source = row["provenance"]
        name = f"invented-{source['seed'][0]}-{source['seed'][1]:07d}"
        yield Note(note_id=name, group_id=name, text=text, provenance=source)
        if counts["words"] >= target:
            return


def fault(text: str, ended: bool, drop: Drop) -> str | None:
    """Why a text on its own is not kept, or None."""
    words = text.split()
    if drop.unfinished and not ended:
        return "unfinished"
    if len(words) < drop.min_words:
        return "too_short"
    if "\N{REPLACEMENT CHARACTER}" in text:
        return "broken_characters"
    grams = [tuple(words[start : start + _GRAM]) for start in range(len(words) - _GRAM + 1)]
    if grams and 1 - len(set(grams)) / len(grams) > drop.repetition:
        return "repetitive"
    return None


def hash_text(text: str) -> int:
    """The same for texts that differ only in white space; 8 bytes."""
    return int.from_bytes(hashlib.blake2b(" ".join(text.split()).encode(), digest_size=8).digest(), "big")


_REASONS = ("unfinished", "too_short", "broken_characters", "repetitive", "exact_duplicate", "near_duplicate")


def summary(counts: Counter[str], target: int) -> dict[str, Any]:
    """Counts for the metrics file."""
    return {
        "asked_words": target,
        "dropped": {reason: counts[f"dropped_{reason}"] for reason in _REASONS},
        "kept": counts["kept"],
        "sampled": counts["sampled"],
        "sampled_tokens": counts["sampled_tokens"],
        "tokens": counts["tokens"],
        "unfinished": counts["unfinished"],
        "volume_reached": counts["words"] >= target,
        "words": counts["words"],
    }


if __name__ == "__main__":
    run(main)
