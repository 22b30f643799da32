"""Questions about videos, answered in words: by imitation (`answer_sft`), and by rewards (`answer_grpo`).

The policy that writes summaries before it embeds writes answers here, with the same rollouts, reading and objective:

1. `answer_sft`: the cross-entropy of given responses, mean per token; nothing else of the turn counts.
2. `answer_grpo`: G responses to each question are sampled from the policy as it is, and an `Environment` rewards them;
   the advantage within the group goes to every token that the policy chose (`objectives.policy`), with a KL term to
   the model that the stage starts from. A group whose rewards are alike teaches nothing, and is counted; so is a
   response that did not end by itself.

Nothing is embedded. [RET] is never written, and how the checkpoint reads it stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from elva.model.answering import read_texts
from elva.model.backbone import Backbone
from elva.model.rollout import Rollouts, given, replay
from elva.objectives.policy import group_advantage, policy_loss, zero_variance_share
from elva.reasoning.questions import Question
from elva.training.environment import Environment, VerifiableAnswers
from elva.training.parts import PartwiseForward
from elva.training.prepared import PreparedItems
from elva.training.questions import QuestionSource, with_choices, with_response
from elva.training.sampling import AT_ONCE, frozen_reference, places_of, sampled
from elva.training.session import Session, Step


def train_answer_sft(session: Session) -> Iterator[int]:
    """Run the loop until the budget is spent; gives the updates of each step, one, when it is done."""
    source = QuestionSource(session, with_response)
    library = session.prepare(source.items, None, "own")
    for step in session.steps(source.batches_per_epoch):
        session.update(imitate(session, library, source.batch(step.number)))
        yield 1


def train_answer_grpo(session: Session) -> Iterator[int]:
    """Run the loop until the budget is spent; gives the updates of each step when they are done."""
    stage = session.recipe.answer
    source = QuestionSource(session, with_choices)
    library = session.prepare(source.items, None, "own")
    lesson = AnswerLesson(session, library, VerifiableAnswers(stage.rewards))
    for step in session.steps(source.batches_per_epoch, stage.policy.updates_per_rollout):
        for metrics in lesson.gradients(source.batch(step.number), step):
            session.update(metrics)
        yield step.updates


def imitate(session: Session, library: PreparedItems, questions: Sequence[Question]) -> dict[str, float]:
    """Add the gradient of the loss on the questions' responses to what trains, and tell how it stands."""
    library.take({question.key: question.item for question in questions})
    embedder, asked = session.embedder, session.team.filled(questions)
    ids = [embedder.processor.answer_ids(question.response or "") for question in asked]
    keys, written = _arranged(session, library, [question.key for question in asked], given(ids, 0, session.device))
    reader = AnswerReader(embedder.backbone, session, library, keys, written, temperature=0.0)
    rows = places_of(keys, [question.key for question in questions], session.device)
    tokens = written.credit[rows].sum()
    loss = -reader.logprobs[rows].sum() / tokens
    loss.backward()  # type: ignore[no-untyped-call]
    reader.backward()
    return {"loss": loss.item(), "answer_tokens": tokens.item() / len(questions)}


class AnswerLesson:
    """What some questions teach: the policy answers, is rewarded, and gets its gradients.

    Args:
        session: recipe, model and team.
        library: prepares the questions.
        environment: who rewards.
    """

    def __init__(self, session: Session, library: PreparedItems, environment: Environment) -> None:
        self._session, self._library, self._environment = session, library, environment
        self._rollouts = session.recipe.answer.rollouts
        self._reference = frozen_reference(session.embedder.backbone, session.recipe.answer.policy.kl_beta > 0)

    def gradients(self, questions: Sequence[Question], step: Step) -> Iterator[dict[str, float]]:
        """The metrics of each update of a step; with each, its gradient lies in the weights."""
        session, library, stage = self._session, self._library, self._session.recipe.answer
        embedder, policy, heat = session.embedder, stage.policy, self._rollouts.temperature
        library.take({question.key: question.item for question in questions})
        keys, written = self._written([question.key for question in questions], step)
        rows = places_of(keys, [question.key for question in questions], session.device)
        first = written.rows(rows)
        rewards, metrics = self._environment.judge(questions, read_texts(embedder, first))
        metrics |= _writing_metrics(rewards, first)
        advantage = group_advantage(rewards.to(session.device), policy.scale_by_std)
        frozen: Tensor | None = None
        with self._reference(embedder.backbone) as model:
            if model is not None:
                frozen = AnswerReader(model, session, library, keys, written, heat, learns=False).logprobs[rows]
        for update in range(step.updates):
            reader = AnswerReader(embedder.backbone, session, library, keys, written, heat, is_known=update == 0)
            found = policy_loss(
                reader.logprobs[rows].unsqueeze(1),
                first.logprobs.unsqueeze(1),
                None if frozen is None else frozen.unsqueeze(1),
                advantage.unsqueeze(1),
                first.credit.unsqueeze(1),
                max_new_tokens=self._rollouts.max_new_tokens,
                clip_low=policy.clip_low,
                clip_high=policy.clip_high,
                kl_beta=policy.kl_beta,
                kl_limit=policy.kl_limit,
                aggregation=policy.aggregation,
            )
            found.loss.backward()  # type: ignore[no-untyped-call]
            reader.backward()
            told = {"kl": found.kl.item(), "clip_share": found.clip_share.item()}
            yield {"loss": found.loss.item(), **metrics, **told}

    def _written(self, asked: Sequence[str], step: Step) -> tuple[list[str], Rollouts]:
        """What the policy answers to the questions of these keys, as of `_arranged`."""
        session, library = self._session, self._library
        filled = session.team.filled(asked)
        keys = [filled[place] for place in library.reading_order(filled, processes=session.team.size)]
        end = session.embedder.processor.end_id
        return _arranged(session, library, keys, sampled(session, library, keys, step, self._rollouts, end))


class AnswerReader(PartwiseForward):
    """Reads answers behind their questions.

    Args:
        backbone: the policy, or the frozen reference.
        session: recipe and team.
        library: gives the questions.
        keys: which ones, those of one length side by side: together they waste no padding.
        written: (n, G) what was written.
        temperature: it was sampled at; 0 gives log-probabilities at temperature 1.
        learns: whether a gradient is wanted.
        is_known: `written` holds what the policy, as it is, reads: it was sampled with these weights. Then a part is
            read once, with its gradient, and parts of any size cost the same.

    Attributes:
        logprobs: (n, G, T) in the order of the keys, a leaf that collects a gradient.
    """

    def __init__(
        self,
        backbone: Backbone,
        session: Session,
        library: PreparedItems,
        keys: Sequence[str],
        written: Rollouts,
        temperature: float,
        learns: bool = True,
        is_known: bool = False,
    ) -> None:
        processor, longest = session.embedder.processor, written.tokens.shape[-1]

        def read(part: slice) -> tuple[Tensor]:
            own, prefix = written.rows(part).trimmed(), library.prefix(keys[part], backbone)
            fresh = replay(backbone, processor, prefix, own, temperature, end=processor.end_id)
            return (fresh.widened(longest).logprobs,)

        size = session.recipe.answer.items_per_forward or (AT_ONCE if is_known or not learns else None)
        super().__init__(read, len(keys), size, learns, session.team, (written.logprobs,) if is_known else None)
        (self.logprobs,) = self.outputs


def _arranged(
    session: Session, library: PreparedItems, keys: Sequence[str], written: Rollouts
) -> tuple[list[str], Rollouts]:
    """Keys, and what was written about them, in the order in which they are best read."""
    order = library.reading_order(keys, written, session.team.size)
    return [keys[place] for place in order], written.rows(torch.tensor(order, device=session.device))


def _writing_metrics(rewards: Tensor, answers: Rollouts) -> dict[str, float]:
    """What tells of a step's answers (Q, G) but what they are worth."""
    return {
        "reward": rewards.mean().item(),
        "zero_variance_share": zero_variance_share(rewards).item(),
        "answer_length": answers.mask.sum(-1).float().mean().item(),
        "cut_rate": answers.forced.float().mean().item(),
    }
