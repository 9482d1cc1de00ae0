"""Damaged raw corpora: a reader must read each or say what is wrong with it, and never quote it.

`python -m tests.corpora.fuzz 100000` tries as many cases of every format; the test suite tries a few.
"""

import io
import random
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stages.notes import note_table
from stages.runtime.errors import UserError
from tests.corpora.raw import SECRET, raw_notes

# What the seeds hold in every place that can be text: no message may hold it.
_SPAN = f'{{"start": 2, "end": 11, "label": "{SECRET}", "text": "{SECRET}"}}'
_SEEDS: dict[str, dict[str, Any]] = {
    "brat": {
        "a.txt": f"👩 {SECRET} ingresó.\r\nVive en {SECRET}.\n",
        "a.ann": f"T1\t{SECRET} 2 11\t{SECRET}\n#1\tAnnotatorNotes T1\t{SECRET}\nT2\tCITY 30 32;33 39\tVi ve en\n",
    },
    "conll": {
        "a.conll": f"-DOCSTART- -X- O\n\n{SECRET}\tB-{SECRET}\nvive\tO\n\n{SECRET}\tI-CITY\n-DOCSTART-\tO\n\nx\tO\n"
    },
    "i2b2": {
        "a.xml": (
            f'<?xml version="1.0" encoding="UTF-8" ?>\n<deId>\n<TEXT><![CDATA[\n{SECRET} ñ\n]]></TEXT>\n<TAGS>\n'
            f'<NAME id="P0" start="1" end="10" text="{SECRET}" TYPE="{SECRET}" comment="" />\n</TAGS>\n</deId>\n'
        )
    },
    "jsonl": {
        "a.jsonl": f'{{"id": "{SECRET}", "text": "ñ {SECRET}\\ud83d\\udc69", "spans": [{_SPAN}, [2, 4, "CITY"]]}}\n'
        * 2
    },
    "table": {"a.csv": f'id,patient,text\n{SECRET},1,"{SECRET}, ""x""\nñ"\n2,{SECRET},{SECRET}\n'},
    "parquet": {},
    "text": {"a.txt": f"\ufeff{SECRET}\r\nñ\n", "b/c.txt": "x"},
}
_SETTINGS: dict[str, dict[str, Any]] = {
    "brat": {"discontinuous": "hull", "overlapping": "keep_first", "spaced_edges": "trim"},
    "conll": {"separator": "tab", "columns": 2, "documents": "docstart"},
    "i2b2": {},
    "jsonl": {"fields": {"id": "id", "text": "text", "spans": "spans"}, "overlapping": "keep_longest"},
    "table": {"columns": {"id": "id", "text": "text", "group": "patient"}},
    "parquet": {"format": "table", "columns": {"id": "id", "text": "text", "group": "patient"}},
    "text": {},
}
# What damage is made of: the marks of all formats, and values that overflow something.
_PIECES = [
    *(b"\0 \t \n \r \r\n \" ' , ; [ ] { } < > & # * - : / \\".split(b" ")),
    *(b"\xff \xed\xa0\x80 \xef\xbb\xbf \xc3 \\ud800 \\u0000 NaN Infinity null true -1 1e999 ]]> <![CDATA[".split()),
    *(b"-DOCSTART- B- I- O T1\t T9\tX R1\t #\t *\t text id spans start".split(b" ")),
    b"9" * 30, b"7" * 5000, b"[" * 2000, SECRET.encode(), SECRET.encode() * 40, "é👩".encode(),
]  # fmt: skip
FORMATS = tuple(_SEEDS)


def parquet() -> bytes:
    """A small table of notes."""
    file = io.BytesIO()
    columns = {"id": [SECRET, "2"], "patient": [1, 2], "text": [f"{SECRET} ñ", "x " * 50]}
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def damaged(content: bytes, rng: random.Random) -> bytes:
    """The content with one to four pieces removed, repeated, moved, replaced or put in."""
    for _ in range(rng.randint(1, 4)):
        start = rng.randint(0, len(content))
        end = min(len(content), start + rng.choice((0, 0, 1, 1, 2, 8, 40, 400)))
        piece = content[start:end]
        match rng.randrange(6):
            case 0:
                piece = b""
            case 1:
                piece = piece * 2
            case 2:
                piece = bytes(rng.randrange(256) for _ in piece)
            case 3:
                other = rng.randint(0, len(content))
                piece = content[other : other + len(piece)]
            case 4:
                piece = rng.choice(_PIECES)
            case _:
                piece = piece + rng.choice(_PIECES)
        content = content[:start] + piece + content[end:]
    return content


def fuzz(format: str, cases: int, seed: int) -> Counter[str]:
    """Try damaged corpora; return how many were read, refused, refused with a quotation, or ended in an error."""
    rng = random.Random(f"{format}/{seed}")
    seeds = {name: text.encode() for name, text in _SEEDS[format].items()} or {"a.parquet": parquet()}
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "raw")
        for _ in range(cases):
            for name, content in seeds.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(damaged(content, rng) if rng.random() < 0.7 or len(seeds) == 1 else content)
            settings = {"format": format, **_SETTINGS[format]}
            try:
                note_table.write(Path(place, "out"), raw_notes(folder, ["CITY", SECRET], **settings))
                found["read"] += 1
            except UserError as error:
                found["quoted" if SECRET in str(error) or "\n" in str(error) else "refused"] += 1
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                found[f"not caught: {type(error).__name__} at {traceback.extract_tb(error.__traceback__)[-1]}"] += 1
    return found


def main() -> None:
    """Print what was found, by format."""
    cases, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    for format in sys.argv[3:] or FORMATS:
        print(format, dict(fuzz(format, cases, seed)), flush=True)


if __name__ == "__main__":
    main()
