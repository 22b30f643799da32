"""Where training led: the reward that it raised against the rank that counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from elva.analysis.evidence.arms import Trial
from elva.analysis.figures import running_mean

REWARD, RANK = "reward/total", "positive_rank"


@dataclass(frozen=True, slots=True)
class RewardPath:
    """One run: points (reward above its start, rank of the positive), smoothed over about a tenth of the training."""

    seed: int
    points: tuple[tuple[float, float], ...]

    @property
    def reward(self) -> float:
        """How far the reward rose."""
        return self.points[-1][0] - self.points[0][0]

    @property
    def worse(self) -> float:
        """By how many places the positive fell; below 0 where it rose."""
        return self.points[-1][1] - self.points[0][1]


def reward_paths(trial: Trial) -> dict[str, list[RewardPath]]:
    """Arm -> the paths of its runs; arms that log both figures alone, runs with two or more points alone."""
    paths = {}
    for name, arm in trial.arms.items():
        drawn = [RewardPath(run.seed, points) for run in arm.runs if len(points := _points(run.curve)) > 1]
        if drawn:
            paths[name] = drawn
    return paths


def _points(curve: Sequence[Mapping[str, float | None]]) -> tuple[tuple[float, float], ...]:
    both = [(each.get(REWARD), each.get(RANK)) for each in curve]
    logged = [(reward, rank) for reward, rank in both if reward is not None and rank is not None]
    rewards = running_mean([(float(i), reward) for i, (reward, _) in enumerate(logged)])
    ranks = running_mean([(float(i), rank) for i, (_, rank) in enumerate(logged)])
    return tuple((reward - rewards[0][1], rank) for (_, reward), (_, rank) in zip(rewards, ranks, strict=True))
