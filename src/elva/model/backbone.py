"""A multimodal LLM of the Qwen2-VL family, opened up: vision tower, token embeddings, language model, head.

ELVA needs the last hidden state at chosen places and its own attention masks (many summaries behind one prefix),
so the language model is called directly with embedded inputs, positions and a mask. Positions always come from
the model's own `get_rope_index`: the state that transformers keeps between calls is never relied on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from transformers import Qwen2VLForConditionalGeneration
from transformers.cache_utils import DynamicCache
from transformers.utils import logging as transformers_logging

from elva.errors import CheckpointError

FAMILIES: dict[str, Any] = {"qwen2_vl": Qwen2VLForConditionalGeneration}
Trainable = Literal["none", "language_model", "lora", "all"]

transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # its bars for a few tensors would tear ours


class Backbone(nn.Module):
    """The model of one checkpoint folder.

    Attributes:
        hf: transformers' model, or peft's wrapper around it while a LoRA adapter is open.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.hf = model
        self._text_positions = lru_cache(maxsize=4096)(self._positions)

    @classmethod
    def load(cls, folder: Path, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> Backbone:
        """Read a checkpoint folder in the hub's layout (config.json, *.safetensors).

        Raises:
            CheckpointError: no such folder, another family, missing or damaged weights, pickled weights.
        """
        config = folder / "config.json"
        if not config.is_file():
            raise CheckpointError(f"{folder}: no config.json here; give a checkpoint folder as transformers saves it")
        try:
            settings = json.loads(config.read_text("utf-8"))
        except ValueError as error:
            raise CheckpointError(f"{config}: not valid JSON ({error}); copy the checkpoint again") from error
        family = settings.get("model_type") if isinstance(settings, dict) else None
        if family not in FAMILIES:
            raise CheckpointError(f"{config}: model_type {family!r} is not supported; use one of {', '.join(FAMILIES)}")
        if not list(folder.glob("*.safetensors")):
            raise CheckpointError(
                f"{folder}: no *.safetensors; pickled weights (.bin, .pt) are refused, convert them first"
            )
        try:
            model, info = FAMILIES[family].from_pretrained(
                folder, dtype=dtype, local_files_only=True, use_safetensors=True, output_loading_info=True
            )
        except Exception as error:  # damaged files surface as many types; the user needs the folder's name
            raise CheckpointError(f"{folder}: weights can't be loaded: {error}") from error
        if info["missing_keys"]:
            raise CheckpointError(
                f"{folder}: weights are missing, e.g. {sorted(info['missing_keys'])[0]}; copy the checkpoint again"
            )
        return cls(model.to(device).eval())

    # -- parts ---------------------------------------------------------------------------------------------------

    @property
    def plain(self) -> Any:
        """Transformers' model below any adapter."""
        return self.hf.get_base_model() if isinstance(self.hf, PeftModel) else self.hf

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        device: torch.device = self.plain.lm_head.weight.device
        return device

    @property
    def dimension(self) -> int:
        """Length of a hidden state, and so of an embedding."""
        return int(self.plain.config.text_config.hidden_size)

    @property
    def embedding_table(self) -> nn.Embedding:
        """Token embeddings (V, D)."""
        table: nn.Embedding = self.plain.get_input_embeddings()
        return table

    def language(self, inputs: Tensor, positions: Tensor, mask: Tensor, cache: DynamicCache | None = None) -> Tensor:
        """Last hidden states (B, S, D), after the final norm.

        Args:
            inputs: (B, S, D) embedded inputs.
            positions: (3, B, S) rotary positions.
            mask: (B, 1, S, K) bool, True where a query may attend to a key; K counts cached keys too.
            cache: extended in place when given.
        """
        output = self.plain.model.language_model(
            inputs_embeds=inputs,
            position_ids=positions,
            attention_mask=mask,
            past_key_values=cache,
            use_cache=cache is not None,
        )
        hidden: Tensor = output.last_hidden_state
        return hidden

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., V) logits of the next token from (..., D) hidden states."""
        scores: Tensor = self.plain.lm_head(hidden)
        return scores

    def see(self, pixels: Tensor, grid: Tensor) -> list[Tensor]:
        """Visual tokens, one (n_i, D) tensor per image, of patches and grids as `Processor.pixels` gives them."""
        output = self.plain.model.get_image_features(pixels.to(self.device), grid.to(self.device), return_dict=True)
        return list(output.pooler_output)

    def positions(self, ids: Tensor, image_pad: int, grid: Tensor | None) -> tuple[Tensor, int]:
        """Rotary positions (3, S) of one turn and the position of the token after it.

        Args:
            ids: (S,) token ids.
            image_pad: the id that stands for a visual token.
            grid: (3,) grid of the turn's image, or None.
        """
        is_visual = ids == image_pad
        start = int(is_visual.int().argmax()) if grid is not None else 0
        layout = tuple(int(x) for x in grid) if grid is not None else ()
        return self._text_positions(len(ids), start, int(is_visual.sum()) if grid is not None else 0, layout)

    def _positions(self, length: int, start: int, visual: int, grid: tuple[int, ...]) -> tuple[Tensor, int]:
        types = torch.zeros(1, length, dtype=torch.int32)
        types[0, start : start + visual] = 1
        grids = torch.tensor([grid]) if grid else None
        positions, _ = self.plain.model.get_rope_index(
            torch.zeros(1, length, dtype=torch.long), mm_token_type_ids=types, image_grid_thw=grids
        )
        return positions[:, 0], int(positions.max()) + 1

    # -- what trains ---------------------------------------------------------------------------------------------

    def open_training(self, trainable: Trainable, lora: LoraConfig | None = None) -> None:
        """Freeze everything, then free what the recipe trains; the vision tower trains only under "all".

        Args:
            trainable: "language_model" (weights and head), "lora" (a new adapter on it), "all", or "none".
            lora: the adapter for "lora"; its targets must name modules of the language model only.
        """
        self.hf.requires_grad_(False)
        if trainable == "lora":
            assert lora is not None
            self.hf = get_peft_model(self.hf, lora)
        elif trainable == "language_model":
            self.plain.model.language_model.requires_grad_(True)
            self.plain.lm_head.requires_grad_(True)
        elif trainable == "all":
            self.hf.requires_grad_(True)

    @property
    def has_adapter(self) -> bool:
        """Whether a LoRA adapter is open."""
        return isinstance(self.hf, PeftModel)

    @contextmanager
    def without_adapter(self) -> Iterator[Backbone]:
        """The model as it was before the adapter was opened: the reference of stage 3, at no cost of memory."""
        with self.hf.disable_adapter():
            yield self

    def merge_adapter(self) -> None:
        """Fold an open LoRA adapter into the weights, so that the next stage (or transformers) sees one model."""
        if self.has_adapter:
            self.hf = self.hf.merge_and_unload()

    def trainable_parameters(self) -> dict[str, nn.Parameter]:
        """Name to parameter of all that trains: what a checkpoint must hold. Tied weights occur once."""
        return {name: p for name, p in self.named_parameters() if p.requires_grad}

    # -- identity ------------------------------------------------------------------------------------------------

    def fingerprint(self, part: Literal["all", "vision"] = "all") -> str:
        """sha256 of the weights (first 16 hex digits): equal for equal models wherever they are stored."""
        module = self.plain if part == "all" else self.plain.model.visual
        digest = hashlib.sha256()
        for name, tensor in sorted(module.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:16]
