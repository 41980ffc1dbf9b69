"""A soft prompt -> one GGUF file that has it inside, for a model that came as one.

The virtual tokens become rows of the embedding, as `tokens.py` makes them. Where that is stored in eight bits
or more, all other rows keep their bits and the file its size; else the whole embedding is stored in float16.
llama.cpp puts no tokens in front of a text by itself but the first one, so that they are in the chat template,
and beside the file as a text to put in front of prompts that go through none.
"""

from __future__ import annotations

import copy
import importlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from acculturate.errors import UsageError
from acculturate.export.card import is_converted
from acculturate.export.formats import Export, Written
from acculturate.export.llama_cpp import prove
from acculturate.export.placing import VirtualTokens, place
from acculturate.export.proof import check_rounding
from acculturate.export.unused_rows import embedding_factor, find_unused_rows
from acculturate.model.answers import ANSWER, QUESTION
from acculturate.model.embedded import assemble
from acculturate.model.language_model import LanguageModel
from acculturate.model.soft_prompt import Placement
from acculturate.progress import task

FILE, PREFIX = "model.gguf", "prefix.txt"
_EMBEDDING = "token_embd.weight"
_FINE = ("F32", "F16", "BF16", "Q8_0")
_CONTROL = 3  # a token that is read as one wherever its name stands, and never shown
_TYPES, _NAMES = "tokenizer.ggml.token_type", "tokenizer.ggml.tokens"
_SUPPRESSED, _ADD_BOS = "tokenizer.ggml.suppress_tokens", "tokenizer.ggml.add_bos_token"
_TEMPLATE = "tokenizer.chat_template"
_PLAIN_TEMPLATE = (
    "{% for message in messages %}"
    f'{{% if message.role == "user" %}}{QUESTION} {{% elif message.role == "assistant" %}}{ANSWER} '
    "{% endif %}{{ message.content }}{{ '\\n' }}{% endfor %}"
    f"{{% if add_generation_prompt %}}{ANSWER}{{% endif %}}"
)
"""How a model without a chat template is asked; llama.cpp would take ChatML."""


class GgufFile:
    """One file for llama.cpp and what is built on it; see `Format`."""

    noun = "file"
    placements: tuple[Placement, ...] = ("front", "after-bos", "before-answer")

    def check(self, model: LanguageModel, /) -> None:
        """See `Format.check`."""
        if not is_converted(model):
            raise UsageError(
                f"{model.name} did not come as a GGUF file",
                "Export it --format tokens, and convert that folder with llama.cpp's convert_hf_to_gguf.py.",
            )
        for package in ("gguf", "xllamacpp"):
            try:
                importlib.import_module(package)
            except ImportError as error:
                raise UsageError(
                    f"the export needs the package {package}, which is not installed",
                    "pip install 'acculturate[llama-cpp]'",
                ) from error

    def write(self, folder: Path, export: Export) -> Written:
        """See `Format.write`."""
        with _source(export.model, folder) as source:
            return self._write(folder, export, source)

    def _write(self, folder: Path, export: Export, source: Path) -> Written:
        from gguf import GGUFReader

        model, reader = export.model, GGUFReader(source)
        _check_whole(source, reader)
        embedding = next(t for t in reader.tensors if t.name == _EMBEDDING)
        virtual = _choose(export, reader, len(embedding.data))
        tokenizer = copy.copy(model.tokenizer)
        if not tokenizer.chat_template and virtual.placement != "before-answer":
            tokenizer.chat_template = ("{{ bos_token }}" if model.leading else "") + _PLAIN_TEMPLATE
        template = place(tokenizer, virtual).chat_template
        factor = embedding_factor(model.name, model.network)
        rows = np.asarray(export.prompt.embeddings, np.float32) / np.float32(factor)
        with task("writing the file"):
            data, kind, stored = _with_rows(embedding, list(virtual.ids.values()), rows)
            _copy(reader, folder / FILE, _changes(reader, virtual, template), data, kind)
        prefix = virtual.text
        if virtual.placement == "front":
            prefix += "".join(model.tokenizer.convert_ids_to_tokens(list(model.leading)))
        if virtual.placement != "before-answer":
            (folder / PREFIX).write_text(prefix, encoding="utf-8")
        as_stored = replace(export.prompt, embeddings=stored * np.float32(factor))
        rounding = check_rounding(export, as_stored)
        with task("proving the file in llama.cpp"):
            proof, facts = prove(folder / FILE, source, export, virtual, as_stored, prefix)
        facts |= {
            "virtual": virtual,
            "prefix": prefix,
            "kind": kind.name,
            "was": embedding.tensor_type.name,
            "size": (folder / FILE).stat().st_size,
            "size_before": source.stat().st_size,
            "rounding": rounding,
            "tied": all(tensor.name != "output.weight" for tensor in reader.tensors),
        }
        return Written(proof, facts)


@contextmanager
def _source(model: LanguageModel, folder: Path) -> Generator[Path]:
    """Give the GGUF file that a model came as, for a while."""
    if model.name != "embedded":
        yield Path(model.name)
        return
    scratch = folder.parent / "source"
    yield assemble(scratch)


def _check_whole(source: Path, reader: Any) -> None:
    parts = reader.get_field("split.count")
    if parts is not None and int(parts.contents()) > 1:
        raise UsageError(
            f"{source} is one part of {parts.contents()}",
            "Merge the parts with llama.cpp's llama-gguf-split --merge first.",
        )


def _choose(export: Export, reader: Any, rows: int) -> VirtualTokens:
    """Choose the virtual tokens among those that the file has names for."""
    model, prompt = export.model, export.prompt
    ids = find_unused_rows(model.name, model.tokenizer, rows, len(prompt.embeddings))
    names: list[str] = reader.get_field(_NAMES).contents()
    if any(row >= len(names) or names[row] != name for name, row in ids.items()):
        raise UsageError(
            f"the unused rows of {model.name} have no names in the file",
            "Export it --format vllm or peft instead.",
        )
    return VirtualTokens(ids, prompt.placement, model.leading)


def _with_rows(embedding: Any, ids: list[int], rows: Any) -> tuple[Any, Any, Any]:
    """Return an embedding's data with other rows in it, its type, and the rows as they are stored."""
    from gguf import GGMLQuantizationType, quants

    kind = embedding.tensor_type
    if kind.name in _FINE:
        data = np.array(embedding.data)
    else:
        kind = GGMLQuantizationType.F16
        data = quants.dequantize(embedding.data, embedding.tensor_type).astype(np.float16)
    stored = quants.quantize(rows, kind)
    data[ids] = stored
    return data, kind, quants.dequantize(stored, kind)


def _changes(reader: Any, virtual: VirtualTokens, template: str) -> dict[str, Any]:
    """Return the metadata that the virtual tokens need."""
    ids = list(virtual.ids.values())
    types = np.array(reader.get_field(_TYPES).contents())
    types[ids] = _CONTROL
    suppressed = reader.get_field(_SUPPRESSED)
    known: list[int] = suppressed.contents() if suppressed else []
    changes: dict[str, Any] = {
        _TYPES: types.tolist(),
        _SUPPRESSED: sorted({*known, *ids}),
        _TEMPLATE: template,
    }
    if virtual.placement == "front" and virtual.leading:
        changes[_ADD_BOS] = False  # it would stand in front of the virtual tokens
    return changes


def _copy(reader: Any, file: Path, changes: dict[str, Any], embedding: Any, kind: Any) -> None:
    """Write a file like another one, with other metadata and another embedding."""
    from gguf import GGUFValueType, GGUFWriter, Keys

    writer = GGUFWriter(file, reader.get_field(Keys.General.ARCHITECTURE).contents())
    writer.data_alignment = reader.alignment
    skipped = (Keys.General.ARCHITECTURE, *changes)
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in skipped:
            continue
        sub_type = field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=sub_type)
    for name, value in changes.items():
        if isinstance(value, list):
            writer.add_key_value(name, value, GGUFValueType.ARRAY, sub_type=GGUFValueType.INT32)
        else:
            is_switch = isinstance(value, bool)
            writer.add_key_value(
                name, value, GGUFValueType.BOOL if is_switch else GGUFValueType.STRING
            )
    changed = [
        (t.name, embedding, kind) if t.name == _EMBEDDING else (t.name, t.data, t.tensor_type)
        for t in reader.tensors
    ]
    for name, data, type_ in changed:
        writer.add_tensor_info(name, data.shape, data.dtype, data.nbytes, type_)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for _, data, _ in changed:
        writer.write_tensor_data(data)
    writer.close()
