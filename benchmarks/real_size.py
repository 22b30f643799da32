"""Stages 2 and 3 on a model of a published size, with random weights and pictures of M-BEIR's size.

    python benchmarks/real_size.py                     Qwen2-VL-2B on the GPU
    python benchmarks/real_size.py --size tiny         a smoke test, on the CPU too

Prints and writes (--out): items and tokens per second, peak memory of the device, and the share of the matrix rate that
a large product of matrices reaches on the same device in the same run. Random weights cost what trained ones do, but
for one thing: they never write [RET], so every summary has the full length.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from elva.data.mbeir import Candidate, Query, TaskName, write_instructions, write_pool, write_queries
from elva.model.backbone import Backbone
from elva.model.tiny import make_tokenizer
from elva.training.recipe import load_recipe
from elva.training.run import train

SENTENCE = "a small red dog runs on the wet grass near two large blue boxes under an old wooden bridge at night"
WORDS = SENTENCE.split()
SIZES: dict[str, dict[str, dict[str, Any]]] = {
    "2b": {
        "text": {"hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12},
        "vision": {"depth": 32, "embed_dim": 1280, "num_heads": 16, "mlp_ratio": 4},
    },
    "tiny": {
        "text": {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 2},
        "vision": {"depth": 2, "embed_dim": 64, "num_heads": 2, "mlp_ratio": 2},
    },
}
"""What differs between the sizes; the published configuration of Qwen2-VL-2B, and a smoke test."""


QUERIES = 11_000
"""Of the paper's stage 3: what a run of this length would take follows from a step of one query."""
FORMS = {
    "stage 3": [],
    "stage 3, 4 nearest negatives": ["reinforce.policy.pairings=single", "reinforce.policy.gradient_negatives=4"],
}
"""The exact gradient, and the estimate of it that costs least for its variance (docs/performance.md)."""


def write_checkpoint(folder: Path, size: str) -> None:
    """A Qwen2-VL folder of this size with random bfloat16 weights, in the hub's layout."""
    tokenizer = make_tokenizer([SENTENCE, "Analyze and summarize the key information of the above input."], 500)
    token = tokenizer.convert_tokens_to_ids
    text = SIZES[size]["text"]
    config = Qwen2VLConfig(
        text_config={
            **text,
            "num_key_value_heads": 2,
            "vocab_size": 151_936 if size == "2b" else 1000,
            "max_position_embeddings": 32_768,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
            "bos_token_id": None,
            "eos_token_id": token("<|im_end|>"),
            "pad_token_id": token("<|endoftext|>"),
        },
        vision_config={**SIZES[size]["vision"], "hidden_size": text["hidden_size"], "patch_size": 14},
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=True,
        dtype="bfloat16",
    )
    torch.manual_seed(0)
    Qwen2VLForConditionalGeneration(config).to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    Qwen2VLImageProcessorPil(
        patch_size=14, merge_size=2, temporal_patch_size=2, size={"shortest_edge": 3136, "longest_edge": 300 * 28 * 28}
    ).save_pretrained(folder)


def write_data(root: Path, count: int) -> None:
    """`count` captions that ask for pictures whose short side has 256 pixels, and mined negatives drawn at random."""
    rng = np.random.default_rng(0)
    name = TaskName("mscoco", 0, "train")
    (root / "mbeir_images").mkdir(parents=True)
    candidates, queries = [], []
    for number in range(count):
        path = f"mbeir_images/{number}.jpg"
        pixels = rng.integers(0, 255, (16, int(rng.integers(16, 24)), 3), dtype=np.uint8)
        picture = Image.fromarray(pixels)
        picture.resize((picture.width * 16, 256)).save(root / path)
        candidates.append(Candidate(f"9:{number}", None, path, "image"))
        words = " ".join(rng.choice(WORDS, 12))
        queries.append(Query(f"9:{number}", words, None, "text", (f"9:{number}",), (), 0))
    write_pool(root, name, candidates)
    write_queries(root, name, queries)
    write_instructions(root, {(9, "text", "image"): ("Find the picture that the caption describes.",)}, {9: "mscoco"})
    rows = [
        {"qid": query.qid, "candidates": [[f"9:{n}", 0.5] for n in rng.permutation(count)[:60].tolist()]}
        for query in queries
    ]
    (root / "negatives.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    captions = [
        {"key": f"{kind} 9:{n}", "caption": " ".join(rng.choice(WORDS, 20))}
        for kind in ("query", "candidate")
        for n in range(count)
    ]
    (root / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in captions))


@dataclass
class Counter:
    """Tokens that pass through the language model, with padding, by whether a gradient follows.

    Attributes:
        weights: of the language model's matrices, each of which is used once per token.
    """

    weights: int = 0
    forward: int = 0
    backward: int = 0
    _language: Any = field(default=Backbone.language, repr=False)

    def __enter__(self) -> Counter:
        counter, language = self, self._language

        def counted(backbone: Backbone, inputs: torch.Tensor, *rest: Any, **named: Any) -> torch.Tensor:
            tokens = inputs.shape[0] * inputs.shape[1]
            counter.forward += tokens
            counter.backward += tokens * torch.is_grad_enabled()
            matrices = (p for layer in backbone.layers for p in layer.parameters() if p.ndim == 2)
            counter.weights = counter.weights or sum(p.numel() for p in matrices)
            hidden: torch.Tensor = language(backbone, inputs, *rest, **named)
            return hidden

        Backbone.language = counted  # type: ignore[method-assign]
        return self

    def __exit__(self, *error: object) -> None:
        Backbone.language = self._language  # type: ignore[method-assign]

    @property
    def products(self) -> float:
        """Floating-point operations of matrix products: 2 per weight and token forward, as many backward.

        The backward pass of frozen weights needs the gradient of their inputs alone. What layers compute again is not
        counted: it is a cost of memory saved, not of the method.
        """
        return 2.0 * self.weights * (self.forward + self.backward)


def matrix_rate(device: str, side: int, dtype: torch.dtype = torch.bfloat16) -> float:
    """Operations per second of a product of square matrices: the best of some."""
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    best = 0.0
    for _ in range(10):
        synchronize(device)
        started = time.perf_counter()
        a @ b
        synchronize(device)
        best = max(best, 2.0 * side**3 / (time.perf_counter() - started))
    return best


def synchronize(device: str) -> None:
    """Wait for the device."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def measure(
    recipe: str, settings: list[str], out: Path, device: str, items: int, rate: float
) -> dict[str, float | None]:
    """One training of a few steps; the first, which warms up, doesn't count for speed."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    with Counter() as counted:
        loaded = load_recipe(recipe, [*settings, "log.every_steps=1", "data.picture_memory=0"])
        steps = loaded.budget.steps or 0
        train(loaded, out, device=device)
    seconds = [json.loads(line)["seconds"] for line in (out / "metrics.jsonl").read_text().splitlines()]
    each = statistics.median(np.diff(seconds))
    return {
        "seconds_per_step": each,
        "items_per_second": items / each,
        "tokens_per_second": counted.forward / steps / each,
        "share_of_matrix_rate": counted.products / steps / each / rate,
        "peak_gib": torch.cuda.max_memory_allocated() / 2**30 if device.startswith("cuda") else None,
    }


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="2b")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--batch", type=int, default=256, help="queries of a step of stage 2")
    parser.add_argument("--part", type=int, default=64, help="items per forward")
    parser.add_argument("--negatives", type=int, default=100, help="of a query of stage 3, half of them mined")
    parser.add_argument("--group", type=int, default=8, help="rollouts of stage 3")
    parser.add_argument("--length", type=int, default=48, help="tokens of a summary in stage 3")
    parser.add_argument("--out", type=Path, help="file of the results (JSON)")
    given = parser.parse_args(arguments)
    rate = matrix_rate(given.device, 8192 if given.device.startswith("cuda") else 512)
    results: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if given.device.startswith("cuda") else "cpu",
        "matrix_rate_tflops": rate / 1e12,
        "settings": {name: value for name, value in vars(given).items() if name != "out"},
    }
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write_checkpoint(home / "model", given.size)
        write_data(home / "data", max(given.batch, given.negatives * 2))
        common = [f"data.root={home / 'data'}", f"model.path={home / 'model'}", "data.tasks=[]", "data.datasets=[]"]
        common += [f"budget.steps={given.steps}", "budget.epochs=null", "checkpoint.every_steps=1000"]
        common += [f"data.captions={home / 'data/captions.jsonl'}"]
        for checkpointing in ("true", "false"):
            name = "stage 2" if checkpointing == "true" else "stage 2, layers held"
            settings = [*common, f"model.gradient_checkpointing={checkpointing}"]
            settings += [f"contrast.batch_size={given.batch}", f"contrast.items_per_forward={given.part}"]
            results[name] = measure("paper/2b/stage2", settings, home / name, given.device, 2 * given.batch, rate)
        settings = [*common, f"data.negatives={home / 'data/negatives.jsonl'}", "reinforce.queries_per_step=1"]
        settings += [f"reinforce.{kind}_negatives={given.negatives // 2}" for kind in ("hard", "random")]
        settings += [f"reinforce.rollouts.group_size={given.group}", f"reinforce.items_per_forward={given.part}"]
        settings += [f"reinforce.rollouts.max_new_tokens={given.length}"]
        settings += [f"reinforce.rollouts.items_at_once={2 + given.negatives}"]
        for name, more in FORMS.items():
            row = measure("paper/2b/stage3", [*settings, *more], home / name, given.device, 2 + given.negatives, rate)
            row["hours_of_the_papers_run"] = (row["seconds_per_step"] or 0) * QUERIES / 3600
            results[name] = row
    print(f"{results['device']}: {rate / 1e12:.3g} TFLOP/s in a product of matrices")
    for name, row in results.items():
        if isinstance(row, dict) and "seconds_per_step" in row:
            print(f"{name}: " + ", ".join(f"{key} {value:.3g}" for key, value in row.items() if value is not None))
    if given.out:
        given.out.write_text(json.dumps(results, indent=1) + "\n")
    return results


if __name__ == "__main__":
    main()
