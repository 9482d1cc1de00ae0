"""Loading Hugging Face models and tokenizers from the folders that stages write."""

import hashlib
import os
import warnings
from functools import cache
from pathlib import Path
from typing import Any, Literal

from stages.shared import quiet
from stages.shared.errors import UserError
from stages.shared.outputs import read_json

# A base model from the hub: its name, commit and file hashes; the weights stay in the hub's own cache.
POINTER = "hub.json"
# A model behind a server: the name that the server knows it by.
SERVED = "server.json"
# What a model is made of; nothing else is copied or downloaded, pickled weights least of all.
FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")
Precision = str


def load_tokenizer(folder: str | Path) -> Any:
    """The fast tokenizer of a model folder; it has a padding token."""
    path = resolve(folder)
    hush()
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(path)
    if not tokenizer.is_fast:
        raise UserError(
            f"{folder}: no fast tokenizer (tokenizer.json), so no offsets; choose another base model"
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer


def load_counter(folder: str | Path) -> Any:
    """The `tokenizers.Tokenizer` of a model folder, for stages that only count and cut.

    Read without transformers, which takes four seconds to load, where the folder has its file.
    """
    path = Path(resolve(folder)) / "tokenizer.json"
    if not path.is_file():
        return load_tokenizer(folder).backend_tokenizer
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def load_decoder(folder: str | Path, precision: Precision = "fp32", **options: Any) -> Any:
    """The causal language model in a folder, on the CPU, its weights in `precision` (fp32 or bf16)."""
    path = resolve(folder)
    hush()
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(path, **_safe(precision), **options)


def load_masked(folder: str | Path) -> Any:
    """The masked language model in a folder, on the CPU in fp32."""
    path = resolve(folder)
    hush()
    from transformers import AutoModelForMaskedLM

    return AutoModelForMaskedLM.from_pretrained(path, **_safe("fp32"))


def load_encoder(folder: str | Path, labels: list[str]) -> Any:
    """The encoder in a folder with a new token-classification head whose outputs are `labels`, in their order.

    The head's weights are random: seed torch before.
    """
    path = resolve(folder)
    hush()
    from transformers import AutoModelForTokenClassification

    return AutoModelForTokenClassification.from_pretrained(path, **_named(labels), **_safe("fp32"))


def load_classifier(folder: str | Path, labels: list[str]) -> Any:
    """The same with a head that gives one of `labels` to a whole text."""
    path = resolve(folder)
    hush()
    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification.from_pretrained(path, **_named(labels), **_safe("fp32"))


def load_tagger(folder: str | Path, precision: Precision = "fp32") -> tuple[Any, Any]:
    """A trained token-classification model, on `device()`, and its tokenizer."""
    path = resolve(folder)
    hush()
    from transformers import AutoModelForTokenClassification

    model = AutoModelForTokenClassification.from_pretrained(path, **_safe(precision))
    return model.to(device()).eval(), load_tokenizer(folder)


def scratch(
    architecture: str, config: dict[str, Any], tokenizer: Any, role: Literal["encoder", "decoder"]
) -> Any:
    """A language model with random weights (seed torch before), causal or masked, for the tokenizer's tokens.

    UserError for an architecture that does not exist or does not take this config.
    """
    hush()
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM

    special = ["bos", "eos", "pad"] if role == "decoder" else ["bos", "eos", "pad", "cls", "sep"]
    numbers = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in special}
    family = AutoModelForCausalLM if role == "decoder" else AutoModelForMaskedLM
    try:
        made = AutoConfig.for_model(architecture, **{"vocab_size": len(tokenizer), **numbers, **config})
        return family.from_config(made)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"params.yaml: architecture {architecture} with this config: {error}") from None


def device() -> str:
    """Where to compute: DEIDSYNTH_DEVICE, else a GPU where there is one, else the CPU."""
    import torch

    return os.environ.get("DEIDSYNTH_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")


def resolve(folder: str | Path) -> str:
    """The local path of a model folder's files: the folder, or the hub cache's copy of the pinned commit.

    UserError when there is no model, its weights are only pickled, or a hub model is out of reach or not, byte by
    byte, the one that its pointer names.
    """
    folder = Path(folder)
    if (folder / POINTER).is_file():
        pointer = read_json(folder / POINTER)
        path = download(pointer["name"], pointer["revision"])
        if _hashes_once(path) != pointer["files"]:
            raise UserError(
                f"{path}: not the files of {pointer['name']} that {folder / POINTER} names; delete that folder of "
                "the hub's cache, and download it again"
            )
        return path
    if not (folder / "config.json").is_file():
        raise UserError(
            f"{folder}: no model here (no config.json); run `dvc repro` to make it, or mend the path"
        )
    if not list(folder.glob("*.safetensors")):
        raise UserError(
            f"{folder}: no *.safetensors here; pickled weights can run code and are not loaded. Save the model "
            "with `model.save_pretrained(folder)`, which writes safetensors"
        )
    return str(folder)


def of_cell(folder: str | Path, fold: str, seed: str) -> Path:
    """`folder`, or where it holds a model by fold and seed, as pretraining leaves them, that of this cell."""
    inner = Path(folder, fold, seed)
    return inner if inner.is_dir() else Path(folder)


def download(name: str, revision: str) -> str:
    """The local path of one commit of a hub model, downloaded if the hub's cache does not hold it."""
    quiet.allow_hub()
    from huggingface_hub import snapshot_download

    try:
        return snapshot_download(name, revision=revision, allow_patterns=list(FILES), local_files_only=True)
    except Exception:  # not in the cache, or incomplete
        pass
    try:
        path = snapshot_download(name, revision=revision, allow_patterns=list(FILES))
    except Exception as error:
        raise UserError(
            f"hub model {name} at {revision[:12]} is not in the local cache and could not be downloaded "
            f"({type(error).__name__}): check name, commit and network (HF_HUB_OFFLINE, proxy), or put the model "
            "into a folder and name it in params.yaml with `source: folder`, or train one with `source: scratch`"
        ) from None
    if not list(Path(path).glob("*.safetensors")):
        raise UserError(f"hub model {name} has no *.safetensors at {revision[:12]}; choose a commit that has")
    return path


def fingerprint(folder: str | Path) -> str:
    """A short hash of a folder's files, lineage left out: names the model in provenance."""
    digest = hashlib.sha256()
    for name, value in hashes(folder).items():
        digest.update(f"{name} {value}\n".encode())
    return digest.hexdigest()[:16]


def hashes(folder: str | Path) -> dict[str, str]:
    """sha256 of each file a model is made of, by name."""
    names = sorted({path for pattern in FILES for path in Path(folder).glob(pattern)})
    result = {}
    for path in names:
        if path.name != "lineage.json":
            with path.open("rb") as stream:
                result[path.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return result


# Several loads of one process read gigabytes of weights once.
_hashes_once = cache(hashes)


def hush() -> None:
    """No bars for loading and saving, no advice about weights that a new head rightly lacks.

    Nor what one library should call otherwise in another, which no one who runs a stage can change.
    """
    from transformers.utils import logging

    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _named(labels: list[str]) -> dict[str, Any]:
    names = dict(enumerate(labels))
    return {"id2label": names, "label2id": {name: number for number, name in names.items()}}


def _safe(precision: Precision) -> dict[str, Any]:
    import torch

    return {"use_safetensors": True, "dtype": {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]}
