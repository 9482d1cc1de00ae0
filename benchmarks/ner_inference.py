"""Notes per second of our tagger and of Transformers' token-classification pipeline, with equal model and windows."""

import argparse
import copy
import itertools
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.common import RESULTS, TOLERANCE, alternate, markdown, report, same_threads
from stages.ner.tagger import NOTES, Tagger
from stages.notes import note_table, tags
from stages.notes.note_table import Note, Span, batched
from stages.runtime.errors import UserError, run
from stages.scoring import counting, scores

DEFAULT = 1  # the batch size of a stock pipeline
BATCHES = (DEFAULT, 8, 32)

# Logits of every position of a window, by the window's subwords.
Captured = dict[tuple[int, ...], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="folder of a model written by ner_train")
    parser.add_argument("--notes", required=True, help="note table to tag; if it has gold spans, F1 is measured too")
    parser.add_argument("--limit", type=int, help="tag only the first LIMIT notes")
    parser.add_argument("--repeats", type=int, default=5, help="repeats of each variant; medians are reported")
    parser.add_argument("--out", default=RESULTS, help="folder of the record")
    args = parser.parse_args()
    same_threads()
    gold = list(itertools.islice(note_table.read(args.notes), args.limit))
    if not gold:
        raise UserError(f"{args.notes}: no notes to tag")
    tagger = Tagger.load(args.model)
    result = measure(tagger, tagger.model, gold, args.repeats)
    report("ner_inference", table(result), result, args.out)


def measure(tagger: Tagger, model: Any, gold: Sequence[Note], repeats: int) -> dict[str, Any]:
    """Return rates, ratios, checks and F1 scores of `tagger` and of a stock pipeline with `model` on `gold`.

    Raises UserError if the logits of a window differ, or the spans that our decoder makes of them.
    """
    stock = Stock(tagger, model)
    bare = [replace(note, spans=()) for note in gold]
    with captured(tagger.model) as ours:
        tagged = list(tagger.tag(bare))
    with captured(model) as theirs:
        aggregated = stock.tag(bare, DEFAULT)
    checks = {
        "largest_logit_difference": check_logits(ours, theirs),
        "notes_with_other_spans": check_spans(tagged, list(replay(tagger, theirs).tag(bare))),
        "windows": len(ours),
        "windows_without_a_word_of_their_own": len(theirs) - len(ours),
    }

    variants = {"ours fp32": lambda: len(list(tagger.tag(bare)))}
    for size in BATCHES:
        variants[f"stock fp32, batch {size}"] = lambda size=size: len(stock.tag(bare, size))
    half = None
    if has_bf16(tagger.model.device.type):
        half = copy.copy(tagger)
        half.precision = "bf16"
        checks["notes_with_other_spans_bf16"] = differing(tagged, list(half.tag(bare)))
        variants["ours bf16"] = lambda: len(list(half.tag(bare)))
    rates = alternate(variants, repeats)
    default = rates[f"stock fp32, batch {DEFAULT}"]
    best = max(rate for name, rate in rates.items() if name.startswith("stock"))
    strict = {}
    if any(note.spans for note in gold):
        predictions = {
            "constrained decoding": tagged,
            "argmax of each word, repaired": list(repaired(tagger, bare)),
            "stock aggregation (first), edges trimmed": aggregated,
        }
        strict = {name: strict_f1(gold, predicted) for name, predicted in predictions.items()}
        if half is not None:
            strict["constrained decoding, bf16"] = strict_f1(gold, list(half.tag(bare)))
    return {
        "notes_per_second": rates,
        "ratio_to_stock_default": {name: round(rate / default, 3) for name, rate in rates.items()},
        "ratio_to_best_stock": {name: round(rate / best, 3) for name, rate in rates.items()},
        "checks": checks,
        "strict_f1": strict,
        "settings": {
            "device": tagger.model.device.type,
            "notes": len(gold),
            "repeats": repeats,
            "window": tagger.length,
            "overlap": tagger.overlap,
            "parameters": sum(weight.numel() for weight in tagger.model.parameters()),
            "tags": len(tagger.names),
        },
    }


class Stock:
    """Transformers' token-classification pipeline, on the same windows as a tagger."""

    def __init__(self, tagger: Tagger, model: Any):
        from transformers import pipeline

        tokenizer = copy.deepcopy(tagger.tokenizer)
        tokenizer.model_max_length = tagger.length
        self.pipeline = pipeline(
            "token-classification",
            model=model,
            tokenizer=tokenizer,
            device=model.device,
            stride=tagger.overlap,
            aggregation_strategy="first",
        )

    def tag(self, notes: Sequence[Note], batch: int) -> list[Note]:
        """Return the notes with the pipeline's own spans, without the white space that starts byte-level subwords."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = self.pipeline([note.text for note in notes], batch_size=batch)
        return [
            replace(note, spans=tuple(filter(None, (_trimmed(note.text, entity) for entity in entities))))
            for note, entities in zip(notes, found, strict=True)
        ]


def _trimmed(text: str, entity: dict[str, Any]) -> Span | None:
    surface = text[entity["start"] : entity["end"]]
    start = entity["start"] + len(surface) - len(surface.lstrip())
    end = start + len(surface.strip())
    return Span(start, end, entity["entity_group"]) if start < end else None


@contextmanager
def captured(model: Any) -> Iterator[Captured]:
    """Yield a dict that collects every window that passes through `model` inside the block, without padding."""
    result: Captured = {}

    def keep(_module, _args, inputs, output):
        ids, masks = inputs["input_ids"].cpu(), inputs["attention_mask"].cpu().bool()
        for row, mask, logits in zip(ids, masks, output.logits.float().cpu(), strict=True):
            result[tuple(row[mask].tolist())] = logits[mask].numpy()

    handle = model.register_forward_hook(keep, with_kwargs=True)
    try:
        yield result
    finally:
        handle.remove()


def check_logits(ours: Captured, theirs: Captured) -> float:
    """Return the largest difference over all our windows; raise UserError if it is more than rounding."""
    missing = len(ours.keys() - theirs.keys())
    if missing:
        raise UserError(f"wrong result: {missing} of {len(ours)} windows are not the stock pipeline's")
    difference = max((float(np.abs(ours[window] - theirs[window]).max()) for window in ours), default=0.0)
    if not difference <= TOLERANCE:
        raise UserError(f"wrong result: logits differ from the stock pipeline's by {difference:.2g}")
    return round(difference, 9)


def check_spans(ours: list[Note], theirs: list[Note]) -> int:
    """Return 0; raise UserError if a note has other spans."""
    number = differing(ours, theirs)
    if number:
        raise UserError(f"wrong result: {number} notes have other spans from the stock pipeline's logits")
    return number


def differing(ours: list[Note], theirs: list[Note]) -> int:
    """Return the number of notes whose spans differ in offsets or label."""
    return sum(_places(one) != _places(two) for one, two in zip(ours, theirs, strict=True))


def _places(note: Note) -> list[tuple[int, int, str]]:
    return [(span.start, span.end, span.label) for span in note.spans]


def replay(tagger: Tagger, logits: Captured) -> Tagger:
    """Return the tagger with a model that returns captured logits, to run our decoder on another model's output."""
    import torch

    def model(input_ids, attention_mask):
        rows = [
            torch.from_numpy(logits[tuple(row[mask.bool()].tolist())])
            for row, mask in zip(input_ids, attention_mask, strict=True)
        ]
        return SimpleNamespace(logits=torch.nn.utils.rnn.pad_sequence(rows, batch_first=True))

    model.device = torch.device("cpu")
    result = copy.copy(tagger)
    result.model = model
    return result


def repaired(tagger: Tagger, notes: Sequence[Note]) -> Iterator[Note]:
    """Decode each word on its own; an I tag that continues nothing begins a span, as in conlleval."""
    number_of = {name: number for number, name in enumerate(tagger.names)}
    for chunk in batched(notes, NOTES):
        edges, log_probs = tagger.log_probs(chunk)
        for note, word_edges, row in zip(chunk, edges, log_probs, strict=True):
            chosen = [tagger.names[number] for number in row[: len(word_edges)].argmax(axis=-1)]
            for place, name in enumerate(chosen):
                before = chosen[place - 1] if place else "O"
                if name.startswith("I-") and before[2:] != name[2:]:
                    chosen[place] = f"B-{name[2:]}"
            spans = tags.decode([number_of[name] for name in chosen], word_edges, tagger.names)
            yield replace(note, spans=spans)


def strict_f1(gold: Sequence[Note], predicted: Sequence[Note]) -> float | None:
    """Return the strict span F1 of predictions."""
    return scores.rounded(scores.strict_f1(counting.count(zip(gold, predicted, strict=True)).total()))


def has_bf16(device: str) -> bool:
    """Return whether the hardware has bf16 arithmetic; torch emulates it elsewhere, which is slower than fp32."""
    if device == "cuda":
        import torch

        return torch.cuda.is_bf16_supported(including_emulation=False)
    flags = Path("/proc/cpuinfo")
    known = set(flags.read_text(encoding="utf-8").split()) if flags.is_file() else set()
    return bool(known & {"avx512_bf16", "amx_bf16", "bf16"})


def table(result: dict[str, Any]) -> str:
    """Return Markdown tables of rates with both ratios, and of the scores."""
    rows = [
        [
            name,
            f"{rate:.1f}",
            f"{result['ratio_to_stock_default'][name]:.2f}",
            f"{result['ratio_to_best_stock'][name]:.2f}",
        ]
        for name, rate in result["notes_per_second"].items()
    ]
    if "ours bf16" not in result["notes_per_second"]:
        rows.append(["ours bf16", "no bf16 hardware", "", ""])
    checks = result["checks"]
    parts = [
        markdown(["NER inference", "notes/s", "ratio to stock default", "ratio to best stock"], rows),
        f"Largest logit difference {checks['largest_logit_difference']:.1e} over {checks['windows']} windows; "
        f"{checks['notes_with_other_spans']} notes have other spans with the same decoder"
        + (f"; {checks['notes_with_other_spans_bf16']} in bf16." if "notes_with_other_spans_bf16" in checks else "."),
    ]
    if result["strict_f1"]:
        strict = [[name, scores.shown(score)] for name, score in result["strict_f1"].items()]
        parts.append(markdown(["decoding", "strict F1"], strict))
    return "\n\n".join(parts)


if __name__ == "__main__":
    run(main)
