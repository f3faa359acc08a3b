"""Tokenizers and text encoders of the tiny pipelines. No file is needed for them: byte-level BPE of 256 symbols."""

from __future__ import annotations

import re
from typing import Any

import transformers
from tokenizers import Tokenizer, models, processors, trainers
from tokenizers.pre_tokenizers import ByteLevel


def tokenizer(kind: str) -> Any:
    """kind: t5, clip, llama, qwen or gemma."""
    specials = {
        "t5": ["<pad>", "</s>", "<unk>"],
        "clip": ["<|startoftext|>", "<|endoftext|>"],
        "llama": [
            "<pad>", "<|begin_of_text|>", "<|end_of_text|>", "<unk>", "<|start_header_id|>", "<|end_header_id|>",
            "<|eot_id|>",
        ],
        "qwen": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        "gemma": ["<pad>", "<eos>", "<bos>", "<unk>"],
    }[kind]  # fmt: skip
    vocab = {token: number for number, token in enumerate(specials + sorted(ByteLevel.alphabet()))}
    unknown = "<|endoftext|>" if kind in ("clip", "qwen") else "<unk>"
    raw = Tokenizer(models.BPE(vocab=vocab, merges=[], unk_token=unknown))
    raw.pre_tokenizer = ByteLevel(add_prefix_space=False)
    if kind == "t5":
        raw.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
        names = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "model_max_length": 512}
    elif kind == "clip":
        raw.post_processor = processors.TemplateProcessing(
            single="<|startoftext|> $A <|endoftext|>", special_tokens=[("<|startoftext|>", 0), ("<|endoftext|>", 1)]
        )
        names = {
            "pad_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "bos_token": "<|startoftext|>",
            "unk_token": "<|endoftext|>", "model_max_length": 77,
        }  # fmt: skip
    elif kind == "qwen":
        names = {
            "pad_token": "<|endoftext|>", "eos_token": "<|im_end|>", "unk_token": "<|endoftext|>",
            "additional_special_tokens": ["<|im_start|>", "<|im_end|>"], "model_max_length": 4096,
        }  # fmt: skip
    elif kind == "gemma":
        raw.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 2)])
        names = {
            "pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>", "unk_token": "<unk>",
            "model_max_length": 512,
        }  # fmt: skip
    else:
        raw.post_processor = processors.TemplateProcessing(
            single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", 1)]
        )
        names = {
            "pad_token": "<pad>", "eos_token": "<|end_of_text|>", "bos_token": "<|begin_of_text|>",
            "unk_token": "<unk>", "model_max_length": 512,
        }  # fmt: skip
    return transformers.PreTrainedTokenizerFast(tokenizer_object=raw, **names)


def t5() -> Any:
    size = {"d_model": 32, "d_ff": 37, "d_kv": 8, "num_heads": 4, "num_layers": 2, "vocab_size": 300}
    return transformers.T5EncoderModel(transformers.T5Config(**size)).eval()


def umt5() -> Any:
    size = {"d_model": 32, "d_ff": 37, "d_kv": 8, "num_heads": 4, "num_layers": 2, "vocab_size": 300}
    return transformers.UMT5EncoderModel(transformers.UMT5Config(**size)).eval()


def clip_text(hidden: int) -> Any:
    return transformers.CLIPTextModel(
        transformers.CLIPTextConfig(
            hidden_size=hidden, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, vocab_size=300,
            max_position_embeddings=77, projection_dim=hidden, bos_token_id=0, eos_token_id=1, pad_token_id=1,
        )
    ).eval()  # fmt: skip


def llama() -> Any:
    return transformers.LlamaModel(
        transformers.LlamaConfig(
            bos_token_id=1, eos_token_id=2, pad_token_id=0, hidden_size=16, intermediate_size=37, num_attention_heads=4,
            num_hidden_layers=3, num_key_value_heads=4, vocab_size=300,
        )
    ).eval()  # fmt: skip


def tokenizer_of(text: str, kind: dict[str, str], **over: Any) -> Any:
    """One whose merges are learned from `text`: every word of it is one token, as a real model's words mostly are.
    kind: names of its special tokens."""
    specials = list(dict.fromkeys(kind.values()))
    raw = Tokenizer(models.BPE(unk_token=kind["unk_token"]))
    raw.pre_tokenizer = ByteLevel(add_prefix_space=False)
    learner = trainers.BpeTrainer(
        vocab_size=1000, special_tokens=specials, initial_alphabet=ByteLevel.alphabet(), show_progress=False
    )
    raw.train_from_iterator(re.split("|".join(map(re.escape, specials)), text), learner)
    start = kind["bos_token"]
    raw.post_processor = processors.TemplateProcessing(
        single=f"{start} $A", special_tokens=[(start, specials.index(start))]
    )
    named = {name: word for name, word in kind.items() if name in ("pad_token", "bos_token", "eos_token", "unk_token")}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=raw, **named, **over)
