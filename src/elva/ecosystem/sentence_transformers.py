"""`elva export sentence-transformers`: a one-word model as a folder of stock modules, which need no remote code.

The folder is the checkpoint itself with a few files beside it, so `elva` reads it as before. sentence-transformers
finds there: its own Transformer, last-token pooling, normalisation, and a chat template that turns what it is given
into ELVA's one-word turn. A prompt of sentence-transformers is ELVA's instruction.

Two things a reader would not guess:

- The processor class is another family's. Qwen's own ones build a video processor, which needs torchvision, even to
  read a text. PaddleOCRVLProcessor does the same to text and pictures, and has no videos.
- sentence-transformers does not cut texts at `Settings.max_text` as ELVA does; it reads them whole.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from elva.encoding import Vectors
from elva.errors import CheckpointError, MissingExtra
from elva.index.folder import Kind, published, write_json
from elva.items import Item
from elva.model.embedder import Embedder
from elva.model.processor import IMAGE_PAD, Processor
from elva.prompts import MODALITY_WORDS

MODULES_FILE = "modules.json"
EXPORT = Kind(
    "export",
    "config_sentence_transformers.json",
    {"model_type": "SentenceTransformer"},
    ("*.json", "*.safetensors", "*.jinja", "README.md", "1_Pooling/config.json", "2_Normalize/config.json"),
    "elva export sentence-transformers",
)
TOLERANCE = 1e-4
"""Largest difference of a vector's component at which the export still counts as the same model."""
PROBE_INSTRUCTION = "Find the matching picture."

_TURN = """\
{%- set turn = namespace(instruction='', text='', image=false) -%}
{%- for message in messages -%}{%- for part in message.content -%}
{%- if part.type == 'image' -%}{%- set turn.image = true -%}
{%- elif part.type != 'text' -%}{{- raise_exception('this model reads text and image, not ' ~ part.type) -}}
{%- elif message.role == 'system' -%}{%- set turn.instruction = part.text -%}
{%- else -%}{%- set turn.text = part.text -%}{%- endif -%}
{%- endfor -%}{%- endfor -%}
{%- for token in control -%}
{%- set turn.instruction = turn.instruction.replace(token, ' ') -%}
{%- set turn.text = turn.text.replace(token, ' ') -%}
{%- endfor -%}
{%- set above = [turn.instruction, turn.text] | select | join(' ') -%}
{%- set named = ['image'] if turn.image else [] -%}
{%- if turn.text.strip() or not named -%}{%- set named = named + ['text'] -%}{%- endif -%}
{%- set asked = (above + '\\n' if above else '') + prompt.replace('{modality}', words[named | join(',')]) -%}
{%- set content = [{'type': 'image'}] if turn.image else [] -%}
{%- set messages = [{'role': 'user', 'content': content + [{'type': 'text', 'text': asked}]}] -%}
{%- set add_generation_prompt = true -%}
"""


def export_sentence_transformers(embedder: Embedder, out: Path, *, query_prompt: str = "") -> float:
    """Write a folder that `SentenceTransformer(out)` loads, and prove that it gives the same vectors.

    Args:
        embedder: the model, of one-word extraction: stock modules write no summaries.
        out: the folder; an older export there is replaced.
        query_prompt: the instruction that `encode_query` puts before a query; documents have none.

    Returns:
        The largest difference found between a component of ELVA's vectors and of the export's, over a text, a text
        with instruction, a picture, and both.

    Raises:
        MissingExtra: sentence-transformers is not installed.
        CheckpointError: the model is no one-word model, or the export gives other vectors.
        FolderError: `out` holds something else.
    """
    try:
        import sentence_transformers
    except ImportError as error:
        raise MissingExtra("sentence-transformers", "sentence-transformers") from error
    if embedder.extraction != "one_word":
        raise CheckpointError(
            f"{embedder.name} reads its vectors behind a summary it writes, which stock modules can't; --one-word "
            "exports the vectors of its one-word prompt instead (judge them first: is it trained for that prompt?)"
        )
    with published(out, EXPORT) as folder:
        embedder.save(folder)
        _write_modules(folder, embedder, query_prompt)
        _write_processor(folder)
        exported = sentence_transformers.SentenceTransformer(
            str(folder), device=str(embedder.backbone.device), local_files_only=True
        )
        difference = float(np.abs(_through(exported) - _through_elva(embedder)).max())
        if not difference <= TOLERANCE:
            raise CheckpointError(
                f"{embedder.name}: in sentence-transformers {sentence_transformers.__version__} its vectors differ by "
                f"up to {difference:.2g}, so nothing was exported; use the model through elva.Embedder"
            )
    return difference


def one_word_template(processor: Processor) -> str:
    """A chat template that turns any message into ELVA's one-word turn, by the checkpoint's own template."""
    known = {
        "control": processor.control_tokens,
        "words": MODALITY_WORDS,
        "prompt": processor.settings.prompts.one_word,
    }
    told = {name: json.dumps(value, ensure_ascii=False) for name, value in known.items()}
    given = "".join(f"{{%- set {name} = {value} -%}}\n" for name, value in told.items())
    return given + _TURN.rstrip("\n") + str(processor.tokenizer.chat_template)


def _write_modules(folder: Path, embedder: Embedder, query_prompt: str) -> None:
    kinds = {"": "base.modules.transformer.Transformer"}
    kinds["1_Pooling"] = "sentence_transformer.modules.pooling.Pooling"
    kinds["2_Normalize"] = "base.modules.normalize.Normalize"
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.{kind}"}
        for number, (path, kind) in enumerate(kinds.items())
    ]
    write_json(folder / MODULES_FILE, modules)
    reading = {"method": "forward", "method_output_name": "last_hidden_state"}
    transformer = {
        "transformer_task": "feature-extraction",
        "modality_config": {
            "text": reading,
            "image": reading,
            "message": {**reading, "format": "structured"},
        },
        "module_output_name": "token_embeddings",
        "processing_kwargs": {"chat_template": {"chat_template": one_word_template(embedder.processor)}},
    }
    write_json(folder / "sentence_bert_config.json", transformer)
    (folder / "1_Pooling").mkdir()
    pooling = {"embedding_dimension": embedder.dimension, "pooling_mode": "lasttoken", "include_prompt": True}
    write_json(folder / "1_Pooling" / "config.json", pooling)
    (folder / "2_Normalize").mkdir()
    write_json(folder / "2_Normalize" / "config.json", {})
    prompts = {"query": query_prompt, "document": ""}
    write_json(
        folder / EXPORT.marker,
        {**EXPORT.says, "prompts": prompts, "similarity_fn_name": "cosine"},
    )


def _write_processor(folder: Path) -> None:
    write_json(folder / "processor_config.json", {"processor_class": "PaddleOCRVLProcessor"})
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text("utf-8"))
    # By these names the processor asks its tokenizer which token stands for a picture.
    write_json(path, config | {"model_specific_special_tokens": {"image_token": IMAGE_PAD}, "image_token": IMAGE_PAD})


def _through(model: Any) -> Vectors:
    picture, text = _probe()
    parts = [
        model.encode([text]),
        model.encode([text], prompt=PROBE_INSTRUCTION),
        model.encode([picture]),
        model.encode([{"text": text, "image": picture}], prompt=PROBE_INSTRUCTION),
    ]
    return np.concatenate(parts)


def _through_elva(embedder: Embedder) -> Vectors:
    picture, text = _probe()
    items = [
        Item(text=text),
        Item(text=text, instruction=PROBE_INSTRUCTION),
        Item(image=picture),
        Item(text=text, image=picture, instruction=PROBE_INSTRUCTION),
    ]
    return embedder.embed(items, extraction="one_word").vectors


def _probe() -> tuple[Image.Image, str]:
    ramp = np.linspace(0, 255, 96 * 64, dtype=np.uint8).reshape(64, 96)
    return Image.fromarray(np.stack([ramp, ramp[::-1], ramp[:, ::-1]], -1)), "a small red triangle left of a circle"
