"""Settings of learning from what a policy writes: those that stage 3 shares, and those of answers in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from elva.strict import AT_LEAST_ONE, AT_LEAST_ZERO, POSITIVE, SHARE, Bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How a policy writes what it learns from."""

    group_size: Annotated[int, "rollouts per item", AT_LEAST_ZERO] = 8
    temperature: Annotated[float, "sampling temperature", POSITIVE] = 1.0
    max_new_tokens: Annotated[int | None, "longest rollout; null: the checkpoint's own", AT_LEAST_ONE] = None
    items_at_once: Annotated[int, "items that are written about at once; fewer need less memory", AT_LEAST_ONE] = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Grpo:
    """GRPO: advantage within a group, clipped ratio, KL to the model that the stage started from."""

    clip_low: Annotated[float, "the ratio is clipped below 1 - clip_low", SHARE] = 0.2
    clip_high: Annotated[float, "the ratio is clipped above 1 + clip_high", AT_LEAST_ZERO] = 0.2
    kl_beta: Annotated[float, "weight of the KL term", AT_LEAST_ZERO] = 0.2
    kl_limit: Annotated[
        float | None, "the log-ratio of the KL term is clamped to plus or minus this; null: it is not", POSITIVE
    ] = None
    scale_by_std: Annotated[bool, "divide advantages by the group's standard deviation"] = True
    aggregation: Annotated[
        Literal["grpo", "dapo", "dr_grpo"], "mean per summary, over all tokens, or over a constant"
    ] = "grpo"
    updates_per_rollout: Annotated[int, "updates on one set of rollouts", AT_LEAST_ONE] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRollouts(Sampling):
    """Sampling of answers."""

    group_size: Annotated[int, "sampled answers per question", Bounds(2)] = 8
    max_new_tokens: Annotated[int, "longest answer; then it is cut, and counted", AT_LEAST_ONE] = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRewards:
    """What an answer is paid for."""

    accuracy: Annotated[float, "weight of the right letter", AT_LEAST_ZERO] = 1.0
    format: Annotated[float, "weight of thinking and answer in their tags", AT_LEAST_ZERO] = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Stages answer_sft and answer_grpo: questions about videos, answered in words."""

    questions_per_step: Annotated[int, "questions in one step", AT_LEAST_ONE] = 16
    frames: Annotated[int, "most frames of a video that are looked at; of caption.questions too", AT_LEAST_ONE] = 16
    fps: Annotated[float | None, "rate at which they are taken; null: spread over the video", POSITIVE] = 2.0
    items_per_forward: Annotated[
        int | None, "questions read at once, for memory; null: what is fastest", AT_LEAST_ONE
    ] = None
    rollouts: AnswerRollouts = AnswerRollouts()
    rewards: AnswerRewards = AnswerRewards()
    policy: Grpo = Grpo()
