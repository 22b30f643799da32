"""TRL's GRPOTrainer, the general tool for reinforcement learning of language models, on the prompts of stage 3.

Both get the same prompts (a query and its candidates, all of them text), write G summaries of each with the same model,
read them again with gradient and under the frozen reference, and gather the gradient of one update, in turn: between
two steps of the trainer ELVA makes one of its own. TRL's trainer rewards each text by itself. So it can't do stage 3,
whose reward is the ranking of a set of embeddings; it gets a rule about words. Compared are seconds per written token.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from datasets import Dataset
from transformers import PrinterCallback, Qwen2VLForConditionalGeneration, TrainerCallback
from transformers.utils.logging import set_verbosity_error
from trl import GRPOConfig, GRPOTrainer

from elva.model.embedder import checkpoint_folder
from interleaved import Runs
from lessons import MODEL, Lessons, overheard


class InTurn(TrainerCallback):
    """Times each step of the trainer, and does something else after it."""

    def __init__(self, other: Callable[[int], None]) -> None:
        self.seconds: list[float] = []
        self._other, self._started = other, 0.0

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """The trainer has its prompts, and begins."""
        self._started = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """The weights have been updated."""
        self.seconds.append(time.perf_counter() - self._started)
        self._other(len(self.seconds) - 1)


def seconds_per_token(lessons: Lessons, repeats: int, rows: int) -> Runs:
    """Of "trl" and "ours", round by round, after one to warm up.

    Args:
        lessons: steps of one query each, all items text.
        repeats: rounds that count.
        rows: sequences that TRL reads at once; divides those of a step.
    """
    ours: list[float] = []

    def step(number: int) -> None:
        with overheard() as heard:
            started = time.perf_counter()
            lessons(number)
            seconds = time.perf_counter() - started
        ours.append(seconds / int(heard[0].mask.sum()))

    turn = InTurn(step)
    scenes = [_prompts(lessons, number) for number in range(repeats + 1)]
    # what it warns of are its own calls of transformers
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action="ignore", category=FutureWarning):
        trainer = _trainer(lessons, scenes, rows, folder, turn)
        trainer.train()
    lengths = [line["completions/mean_length"] for line in trainer.state.log_history if "reward" in line]
    written = trainer.args.generation_batch_size
    theirs = [each / (length * written) for each, length in zip(turn.seconds, lengths, strict=True)]
    for number, (own, other) in enumerate(zip(ours, theirs, strict=True)):
        print(f"  {'warm-up' if not number else f'round {number}'}: {1e6 * own:.0f} us a token, TRL {1e6 * other:.0f}")
    return {"ours": ours[1:], "trl": theirs[1:]}


def _prompts(lessons: Lessons, number: int) -> list[str]:
    """The turns of a step's items, as ELVA renders them."""
    scene, processor = lessons.scene(number), lessons.embedder.processor
    turns = [processor.tokens(scene.items[key], "generative").ids for key in scene.keys]
    return [processor.tokenizer.decode(ids) for ids in turns]


def _trainer(lessons: Lessons, scenes: Sequence[Sequence[str]], rows: int, folder: str, turn: InTurn) -> GRPOTrainer:
    processor, stage = lessons.embedder.processor, lessons.recipe.reinforce
    set_verbosity_error()  # it tells of the other end token
    tokenizer = type(processor.tokenizer).from_pretrained(checkpoint_folder(MODEL), eos_token="[RET]")
    model = Qwen2VLForConditionalGeneration.from_pretrained(checkpoint_folder(MODEL), dtype=torch.float32)
    model.generation_config.eos_token_id = processor.ret_id
    model.model.visual.requires_grad_(False)
    config = GRPOConfig(
        output_dir=folder,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
        disable_tqdm=True,
        save_strategy="no",
        logging_steps=1,
        shuffle_dataset=False,
        max_steps=len(scenes),
        per_device_train_batch_size=rows,
        gradient_accumulation_steps=len(scenes[0]) * stage.rollouts.group_size // rows,
        num_generations=stage.rollouts.group_size,
        max_completion_length=stage.rollouts.max_new_tokens or processor.settings.max_summary,
        temperature=stage.rollouts.temperature,
        generation_kwargs={"suppress_tokens": processor.banned_ids()},
        beta=stage.policy.kl_beta,
        epsilon=stage.policy.clip_low,
        loss_type="grpo",
    )
    # No weight moves, as in ours: both write with one model to the end.
    still = torch.optim.SGD([weight for weight in model.parameters() if weight.requires_grad], lr=0.0)
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=distinct_words,
        args=config,
        train_dataset=Dataset.from_dict({"prompt": [prompt for scene in scenes for prompt in scene]}),
        processing_class=tokenizer,
        callbacks=[turn],
        optimizers=(still, None),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def distinct_words(completions: Sequence[str], **_: Any) -> list[float]:
    """Share of each text's words that it hasn't said before."""
    return [len({*text.split()}) / max(1, len(text.split())) for text in completions]
