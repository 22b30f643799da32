"""A multimodal LLM, opened up: vision tower, token embeddings, language model, head.

Tried: Qwen2-VL, Qwen2.5-VL, Qwen3-VL. Any other class of `AutoModelForImageTextToText` with the same parts and full
attention in every layer is driven the same way; one without them is refused by name.

ELVA needs the last hidden state at chosen places and its own attention masks (many summaries behind one prefix),
so the language model is called directly with embedded inputs, positions and a mask. Positions always come from
the model's own `get_rope_index`: the state that transformers keeps between calls is never relied on.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn

from elva.errors import InputError
from elva.items import FRAMES_PER_SECOND
from elva.model import attention
from elva.model.attention import Causal, Frames, Sight
from elva.model.tower import joined, multiply_patches
from elva.model.weights import TRIED, read_model, unsupported

TIMED = ("qwen3_vl",)
"""Families of `TRIED` that read a clip as blocks, one per temporal patch behind its time, instead of as one."""
FRAMEWISE = ("qwen2_vl", "qwen3_vl")
"""Families of `TRIED` whose tower looks at whole frames in every layer, and not through windows."""
_NO_MASK = torch.ones(1, 1, 1, 1, dtype=torch.bool)
"""A mask that transformers takes as finished, where a `Sight` takes its place."""
Trainable = Literal["none", "language_model", "lora", "all"]


@dataclass(frozen=True, slots=True)
class Deep:
    """What Qwen3-VL's tower adds behind the first layers of the language model ("deepstack").

    Attributes:
        where: (B, P) bool, True on visual tokens.
        layers: one (visual tokens of the batch, D) tensor per layer, in row-major order of `where`.
    """

    where: Tensor
    layers: tuple[Tensor, ...]


class TokenRows(nn.Module):
    """The rows of one token in the tables that read and write it, float32, as parameters of their own.

    Two vectors train where the tables, hundreds of millions of numbers, are frozen.

    Attributes:
        token: its id.
        read: (D,) its embedding.
        write: (D,) its row of the head; the same parameter where the tables are tied.
    """

    def __init__(self, token: int, reading: Tensor, writing: Tensor) -> None:
        super().__init__()
        self.token = token
        self.read = nn.Parameter(reading[token].detach().float().clone())
        tied = reading is writing
        self.write = self.read if tied else nn.Parameter(writing[token].detach().float().clone())


class Backbone(nn.Module):
    """The model of one checkpoint folder.

    Attributes:
        hf: transformers' model, or peft's wrapper around it while a LoRA adapter is open.
        rows: the rows of [RET] that train beside an adapter, while one is open.
        compute_dtype: what matrices are multiplied in; weights that train stay float32 whatever it is.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.hf = model
        self.rows: TokenRows | None = None
        self.compute_dtype: torch.dtype = next(model.parameters()).dtype
        self._recomputes = False
        for part in (model.model.language_model, model.model.visual):
            part.config._attn_implementation = attention.NAME
        multiply_patches(model.model.visual)
        self._known_positions = lru_cache(maxsize=4096)(self._positions)

    @classmethod
    def load(
        cls,
        folder: Path,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
        compute_dtype: torch.dtype | None = None,
    ) -> Backbone:
        """Read a checkpoint folder in the hub's layout (config.json, *.safetensors).

        Args:
            folder: the checkpoint.
            device: where the weights go.
            dtype: what they are held in.
            compute_dtype: what matrices are multiplied in; `dtype` by default.

        Raises:
            CheckpointError: see `read_model`; or the family's attention can't be told what to see.
        """
        model = read_model(folder, dtype)
        backbone = cls(model.to(device).eval())
        backbone.compute_dtype = compute_dtype or dtype
        if model.config.model_type not in TRIED and not backbone._minds_sight():
            raise unsupported(folder, model.config.model_type, "its attention can't be told what to see")
        return backbone

    @torch.no_grad()
    def _minds_sight(self) -> bool:
        """Whether every layer asks a `Sight`: one that did not would see what it likes, and nobody would notice."""
        sight = Causal(torch.ones(1, 1, dtype=torch.bool, device=self.device), remember=True)
        nothing = torch.zeros(1, 1, dtype=torch.long, device=self.device)
        try:
            self.language(self.embed(nothing), nothing.expand(3, 1, 1), sight)
        except TypeError:  # it takes no such argument
            return False
        return len(sight.kept) == len([*self.layers])

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
    def layers(self) -> Iterable[nn.Module]:
        """The layers of the language model, first to last."""
        layers: Iterable[nn.Module] = self.plain.model.language_model.layers
        return layers

    @property
    def embedding_table(self) -> nn.Embedding:
        """Token embeddings (V, D)."""
        table: nn.Embedding = self.plain.get_input_embeddings()
        return table

    @property
    def times_clips(self) -> bool:
        """Whether each temporal patch of a clip is a block of its own behind its time."""
        return self.plain.config.model_type in TIMED

    def check_clips(self) -> None:
        """InputError for a family that was not tried: each lays clips out in its own way, which can't be guessed."""
        family = self.plain.config.model_type
        if family not in TRIED:
            raise InputError(f"model_type {family!r} can't be shown videos; families that can: {', '.join(TRIED)}")

    def language(self, inputs: Tensor, positions: Tensor, sight: Sight, deep: Deep | None = None) -> Tensor:
        """Last hidden states (B, S, D), after the final norm.

        Args:
            inputs: (B, S, D) embedded inputs.
            positions: (3, B, S) rotary positions.
            sight: what each of them sees.
            deep: what the tower adds behind the first layers; its places are the first P of the sequence.
        """
        added: dict[str, Any] = {}
        if deep is not None:
            where = F.pad(deep.where, (0, inputs.shape[1] - deep.where.shape[1]))
            added = {"visual_pos_masks": where, "deepstack_visual_embeds": list(deep.layers)}
        for layer in self.layers if self._recomputes else ():
            layer.training = torch.is_grad_enabled()  # transformers recomputes in training mode only
        with self._precision():
            output = self.plain.model.language_model(
                inputs_embeds=inputs,
                position_ids=positions,
                attention_mask=_NO_MASK,
                use_cache=False,
                sight=sight,
                **added,
            )
        hidden: Tensor = output.last_hidden_state
        return hidden

    def embed(self, ids: Tensor) -> Tensor:
        """(..., D) embedded tokens."""
        embedded: Tensor = self.embedding_table(ids)
        if self.rows is None:
            return embedded
        return torch.where((ids == self.rows.token).unsqueeze(-1), self.rows.read.to(embedded.dtype), embedded)

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., V) logits of the next token from (..., D) hidden states."""
        with self._precision():
            scores: Tensor = self.plain.lm_head(hidden)
            if self.rows is not None:
                scores[..., self.rows.token] = hidden @ self.rows.write.to(hidden.dtype)
        return scores

    def _precision(self) -> torch.autocast:
        """Matrix products in `compute_dtype`, whatever the weights are held in."""
        mixed = self.compute_dtype != torch.float32
        return torch.autocast(self.device.type, self.compute_dtype if mixed else None, enabled=mixed)

    def see(self, pixels: Tensor, grid: Tensor) -> list[Tensor]:
        """Visual tokens, one (n_i, W) tensor per picture or clip, of what `Processor.pixels` gives.

        Both share a door, and so a batch: `get_video_features` of the families that see clips does to a clip what
        `get_image_features` does, and of both the towers look at one temporal patch at a time.
        W is D, or (1 + L) D where the tower also feeds L layers of the language model: those follow the token itself.
        """
        model = self.plain.model
        asked = joined(grid) if model.config.model_type in TRIED else grid  # who knows what others do across frames
        told: dict[str, Any] = {}
        if len(asked) == 1 and model.config.model_type in FRAMEWISE:
            told = {"image_cu_seqlens": torch.tensor([0, len(pixels)]), "sight": Frames(int(asked[0, 1:].prod()))}
        with self._precision():
            output = model.get_image_features(pixels.to(self.device), asked.to(self.device), return_dict=True, **told)
        deep = getattr(output, "deepstack_features", None) or []
        tokens = torch.cat([torch.cat(parts) for parts in (output.pooler_output, *deep)], -1)
        return [*torch.split(tokens, (grid.prod(-1) // model.visual.spatial_merge_size**2).tolist())]

    def deep(self, where: Tensor, visual: Tensor) -> Deep | None:
        """The deep part of visual tokens (N, W) at the places (B, P); None where the family has none."""
        layers = torch.split(visual, self.dimension, -1)[1:]
        return Deep(where, layers) if layers else None

    def positions(self, types: Tensor, grid: Tensor | None) -> tuple[Tensor, int]:
        """Rotary positions (3, S) of one turn and the position of the token after it.

        Args:
            types: (S,) what each token stands for, see `Processor.types`.
            grid: (3,) grid of the picture or clip of the turn, (n, 3) of several, in their order, or None.
        """
        grids = () if grid is None else tuple(map(tuple, grid.view(-1, 3).tolist()))
        return self._known_positions(bytes(types.tolist()), grids)

    def _positions(self, types: bytes, grids: tuple[tuple[int, ...], ...]) -> tuple[Tensor, int]:
        shown: dict[str, Tensor] = {}
        pictures, clips = self._parted(types, grids)
        if clips:
            # Qwen2.5-VL counts the time between temporal patches in seconds; the others take no notice.
            seconds = self.plain.config.vision_config.temporal_patch_size / FRAMES_PER_SECOND
            shown = {"video_grid_thw": torch.tensor(clips), "second_per_grid_ts": torch.tensor([seconds] * len(clips))}
        if pictures:
            shown["image_grid_thw"] = torch.tensor(pictures)
        ids = torch.zeros(1, len(types), dtype=torch.long)  # get_rope_index reads nothing of them but their number
        kinds = torch.tensor([[*types]], dtype=torch.int32)
        positions, _ = self.plain.model.get_rope_index(ids, mm_token_type_ids=kinds, **shown)
        return positions[:, 0], int(positions.max()) + 1

    def _parted(self, types: bytes, grids: tuple[tuple[int, ...], ...]) -> tuple[list[Any], list[Any]]:
        """The grids of pictures and those of clips: each as the first of its visual tokens is counted."""
        kinds, pictures, clips = bytes(filter(None, types)), list[Any](), list[Any]()
        for grid in grids:
            (pictures if kinds[0] == 1 else clips).append(grid)
            kinds = kinds[prod(grid) // self.plain.model.visual.spatial_merge_size**2 :]
        return pictures, clips

    def add_token(self, token: int, end: int | None = None) -> None:
        """Give a new id its rows: the mean of the others, read and written. Grows the tables where they are full.

        The published tables are larger than their vocabularies, so a row may be there already, untrained.

        Args:
            token: the id.
            end: write it as this one, the end of a turn: an untrained model then writes it where its answer ends.
        """
        with torch.no_grad():
            if token >= self.embedding_table.num_embeddings:
                self.hf.resize_token_embeddings(token + 1, mean_resizing=False)
            head = self.plain.lm_head.weight
            for weight in (self.embedding_table.weight, head):  # tied ones are one tensor
                weight[token] = weight[:token].float().mean(0).to(weight.dtype)
            if end is not None:
                head[token] = head[end]

    # -- what trains ---------------------------------------------------------------------------------------------

    def open_training(
        self,
        trainable: Trainable,
        lora: LoraConfig | None = None,
        token: int | None = None,
        recompute: bool = False,
    ) -> None:
        """Freeze everything, then free what the recipe trains; the vision tower trains only under "all".

        Args:
            trainable: "language_model" (weights and head), "lora" (a new adapter on it), "all", or "none".
            lora: the adapter for "lora"; its targets must name modules of the language model only.
            token: an id whose rows train beside the adapter: [RET] is new to a published checkpoint.
            recompute: hold no states inside the language model's layers for the backward pass, and compute them
                again in it (gradient checkpointing): a layer's memory for a third more work.
        """
        self.hf.requires_grad_(False)
        if recompute:
            self.plain.model.language_model.activation_checkpointing_enable({"use_reentrant": False})
            self._recomputes = True
        if trainable == "lora":
            assert lora is not None
            if token is not None:
                self.rows = TokenRows(token, self.embedding_table.weight, self.plain.lm_head.weight)
            with warnings.catch_warnings():  # peft asks transformers by a name that is on its way out
                warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
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
        rows, self.rows = self.rows, None
        try:
            with self.hf.disable_adapter():
                yield self
        finally:
            self.rows = rows

    def merge_adapter(self) -> None:
        """Fold an open LoRA adapter into the weights, so that the next stage (or transformers) sees one model."""
        if self.has_adapter:
            self.hf = self.hf.merge_and_unload()
        if self.rows is not None:
            with torch.no_grad():
                self.embedding_table.weight[self.rows.token] = self.rows.read
                self.plain.lm_head.weight[self.rows.token] = self.rows.write
            self.rows = None

    def trainable_parameters(self) -> dict[str, nn.Parameter]:
        """Name to parameter of all that trains: what a checkpoint must hold. Tied weights occur once."""
        return {name: p for name, p in self.named_parameters() if p.requires_grad}

    # -- identity ------------------------------------------------------------------------------------------------

    def fingerprint(self, part: Literal["all", "vision"] = "all") -> str:
        """sha256 of the weights (first 16 hex digits): equal for equal models, wherever and in whatever dtype."""
        module = self.plain if part == "all" else self.plain.model.visual
        digest = hashlib.sha256()
        for name, tensor in sorted(module.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().float().contiguous().view(torch.uint8).numpy())
        return digest.hexdigest()[:16]
