"""A tokenizer trained on public text: byte-level BPE that gives back every character; digits and marks alone."""

from collections.abc import Iterable
from typing import Any, Literal

SPECIAL = {"bos": "<s>", "eos": "</s>", "pad": "<pad>", "mask": "<mask>"}


def train(texts: Iterable[str], vocab_size: int, role: Literal["encoder", "decoder"], context: int) -> Any:
    """A Hugging Face fast tokenizer of at most `vocab_size` tokens.

    White space, line breaks and any byte survive encoding and decoding unchanged. An encoder's adds `<s>` and
    `</s>` around a text; a decoder's adds nothing (packing and sampling add the edges).
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            # A span may begin or end inside "(+34" and "1990)": digits and marks stay tokens of their own.
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.Punctuation(),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=list(SPECIAL.values()),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    bos, eos = SPECIAL["bos"], SPECIAL["eos"]
    extra = {}
    if role == "encoder":
        edges = [(token, tokenizer.token_to_id(token)) for token in (bos, eos)]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A {eos}", pair=f"{bos} $A {eos} $B {eos}", special_tokens=edges
        )
        extra = {"mask_token": SPECIAL["mask"], "cls_token": bos, "sep_token": eos}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=bos,
        eos_token=eos,
        pad_token=SPECIAL["pad"],
        model_max_length=context,
        padding_side="right",
        clean_up_tokenization_spaces=False,
        **extra,
    )
