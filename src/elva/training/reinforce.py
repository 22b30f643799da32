"""Stage 3: sample summaries, let the rollouts rank, reward the ranking, learn (paper, sections 3 to 5).

One loop serves every form; a recipe chooses among them by the weights of its objectives:

    elva_paper                 policy          GRPO on R_margin and R_rank as printed
    ablations/full_gradient    policy + path   the same rewards, with both parts of their gradient
    elva                       order           the order of all candidates, verified by the base's captions,
                               + infonce       and the labelled one before all others
    elva_no_rollouts           order           the same order as distances, without sampling
    control_infonce_rollouts   infonce         the control: InfoNCE on the very same rollouts

`order` is one of six losses (`reinforce.order.loss`) on an order that one of three gives (`reinforce.order.source`).

Where it differs from the paper, and why:

1. R(f(o)) depends on the weights twice: through the sampled tokens o, and through f, the embedding of what was
   written. The paper's GRPO follows the tokens only. `path`, `order` and `infonce` follow the second path, with
   gradient through the cosine; both may be switched on together.
2. A candidate that several queries of a step share is rolled out once per rollout index.
3. gamma, delta, the logarithm's base, temperature and length are open in the paper; the recipe states ours.
4. Embeddings and log-probabilities come from sampling, which reads them on the way. The rollouts are then read once,
   in parts, to carry the gradient into the weights: the same gradient, bounded memory. Only given captions, and
   further updates on the same rollouts, need a reading before it.
5. Where a scene gets several updates (`reinforce.policy.updates_per_rollout`), its rollouts are rewarded once, by
   what was read first: the reward belongs to what was sampled, not to the weights that have moved since.
6. `bottleneck` (off by default) keeps the item from [RET], so that more hangs on what is written.
7. Off by default: a gradient through the nearest negatives alone (`reinforce.policy.gradient_negatives`), other
   pairings of rollouts (`reinforce.policy.pairings`), negatives that the queries of a step share
   (`reinforce.shared_negatives`). docs/performance.md has what each costs in bias and saves in variance and time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import replace

import torch
from torch import Tensor

from elva.grains import Lexicon
from elva.model.backbone import Backbone
from elva.model.rollout import Rollouts, replay, sample
from elva.training.judge import judge, learning, summaries
from elva.training.order import GrainOrder
from elva.training.parts import PartwiseForward
from elva.training.prepared import PreparedItems, read_captions
from elva.training.scenes import Scene, SceneSource
from elva.training.session import Session, Step
from elva.training.sharding import put_together

AT_ONCE = 16
"""Items that are read in one forward, where every part is read once: what they take stays in a processor's cache."""
EXPLANATION = (
    "A policy loss near 0 is no bug: the first update after sampling has ratio 1 and advantages that sum to 0 in "
    "each group, so the value vanishes while the gradient does not. Watch reward/total and positive_rank instead."
)


def train_reinforce(session: Session) -> Iterator[int]:
    """Run the loop until the budget is spent; gives the updates of each step when they are done."""
    recipe, stage = session.recipe, session.recipe.reinforce
    root, names = session.data()
    data = SceneSource(recipe, root, names)
    captions = read_captions(recipe.data.file("captions")) if recipe.data.captions else None
    library = session.prepare(data.items, captions)
    order = _order(session, data, library, root.lexicon(), captions) if stage.weights.order else None
    if stage.weights.policy > 0:
        session.say(EXPLANATION)
    lesson = Lesson(session, library, order)
    for step in session.steps(data.scenes_per_epoch, stage.policy.updates_per_rollout):
        for metrics in lesson.gradients(data.scene(step), step):
            session.update(metrics)
        yield step.updates


class Lesson:
    """What one scene teaches: the policy writes about its items, is rewarded, and gets its gradients.

    Args:
        session: recipe, model and team.
        library: gives the items of the scene.
        order: h between candidates, where an objective needs it.
    """

    def __init__(self, session: Session, library: PreparedItems, order: GrainOrder | None = None) -> None:
        stage, embedder = session.recipe.reinforce, session.embedder
        self._session, self._library, self._order = session, library, order
        self._longest = stage.rollouts.max_new_tokens or embedder.processor.settings.max_summary
        self._reference = _reference(embedder.backbone, stage.weights.policy > 0 and stage.policy.kl_beta > 0)

    def gradients(self, scene: Scene, step: Step) -> Iterator[dict[str, float]]:
        """The metrics of each update of a step; with each, its gradient lies in the weights."""
        session, library = self._session, self._library
        backbone = session.embedder.backbone
        library.take(scene.items)
        filled = session.team.filled([*dict.fromkeys(scene.keys)])
        keys = [filled[place] for place in library.reading_order(filled, processes=session.team.size)]
        written = _write(session, library, keys, step)
        device = session.device
        counted = learning(session.recipe, scene, written.rows(_places(keys, scene.keys, device)))
        again = keys if counted is None else session.team.filled(_needed(keys, scene, counted))
        texts = written.rows(_places(keys, again, device))
        order = library.reading_order(again, texts, session.team.size)
        again, texts = [again[place] for place in order], texts.rows(torch.tensor(order, device=device))
        # from reading order to the scene's; what is not read again stays as sampling read it
        rows = _places([*keys, *again], scene.keys, device)
        frozen_logprobs: Tensor | None = None
        with self._reference(backbone) as frozen:
            if frozen is not None:
                before = Reader(frozen, session, library, again, texts, learns=False).rollouts
                frozen_logprobs = Rollouts.stack([written, before]).logprobs[rows]
        first: Rollouts | None = None
        # What was sampled was read on the way, but for the own caption.
        is_known = not session.recipe.reinforce.rollouts.own_caption
        for update in range(step.updates):
            reader = Reader(backbone, session, library, again, texts, is_known=is_known and update == 0)
            read = Rollouts.stack([written, reader.rollouts]).rows(rows)
            first = first or read.detached()
            loss, metrics = judge(
                session.recipe, scene, read, first, frozen_logprobs, self._order, self._longest, counted
            )
            loss.backward()  # type: ignore[no-untyped-call]
            reader.backward()
            if counted is not None:
                metrics["read_share"] = len(again) / len(keys)
            yield {"loss": loss.item(), **metrics}


class Reader(PartwiseForward):
    """Reads the rollouts of a step.

    Args:
        backbone: the policy, or the frozen reference.
        session: recipe and team.
        library: gives the items.
        keys: which ones, those of one length side by side: together they waste no padding.
        written: what was written about them.
        learns: whether a gradient is wanted.
        is_known: `written` holds what the policy, as it is, reads: it was sampled with these weights. Then a part is
            read once, with its gradient, and parts of any size cost the same.

    Attributes:
        rollouts: of all keys, in order; embeddings and log-probabilities are leaves that collect a gradient.
    """

    def __init__(
        self,
        backbone: Backbone,
        session: Session,
        library: PreparedItems,
        keys: Sequence[str],
        written: Rollouts,
        learns: bool = True,
        is_known: bool = False,
    ) -> None:
        stage, weights, longest = session.recipe.reinforce, session.recipe.reinforce.weights, written.tokens.shape[-1]
        ranks = weights.path or weights.order or weights.infonce or not stage.rollouts.group_size
        embed = learns and bool(ranks)  # sampling has read the embeddings that rewards need
        temperatures = [stage.rollouts.temperature] * written.tokens.shape[1]
        if stage.rollouts.own_caption:
            temperatures[-1] = 1.0  # it was not sampled, and its loss is that of an ordinary language model

        def read(part: slice) -> tuple[Tensor, Tensor]:
            prefix, own = library.prefix(keys[part], backbone), written.rows(part).trimmed()
            fresh = replay(backbone, session.embedder.processor, prefix, own, temperatures, embed).widened(longest)
            return fresh.embeddings, fresh.logprobs

        size = stage.items_per_forward or (AT_ONCE if is_known or not learns else None)
        known = (written.embeddings, written.logprobs) if is_known else None
        super().__init__(read, len(keys), size, learns, session.team, known)
        embeddings, logprobs = self.outputs
        self.rollouts = replace(written, embeddings=embeddings, logprobs=logprobs)


def _order(
    session: Session,
    data: SceneSource,
    library: PreparedItems,
    lexicon: Lexicon,
    captions: Mapping[str, str] | None,
) -> GrainOrder:
    """Who is near, as the recipe's source says; before the first step, while the model is the one it starts from."""
    settings = session.recipe.reinforce.order
    if settings.source == "annotations":
        return GrainOrder.by_annotations(data.candidates.values(), lexicon, settings.other_offset)
    if settings.source == "captions":
        assert captions is not None
        return GrainOrder.by_captions(data.candidates.values(), captions, lexicon, settings.other_offset)
    dids = data.dids
    with session.progress("vectors of the reference", len(dids)) as tick:
        vectors = library.vectors(data.candidate_items(), tick)
    return GrainOrder.by_reference(dids, vectors, settings.slope, settings.other_offset)


def _places(keys: Sequence[str], wanted: Sequence[str], device: torch.device) -> Tensor:
    """(n,) int64: where each wanted key stands last in `keys`."""
    place = {key: row for row, key in enumerate(keys)}
    return torch.tensor([place[key] for key in wanted], device=device)


def _needed(keys: Sequence[str], scene: Scene, counted: Tensor) -> list[str]:
    """Those of the keys, in order and once each, of which (Q, M, G) `counted` holds a summary."""
    rows = summaries(scene)[counted.any(-1).cpu()].tolist()
    needed = {scene.keys[row] for row in rows}
    return [key for key in dict.fromkeys(keys) if key in needed]


def _write(session: Session, library: PreparedItems, keys: Sequence[str], step: Step) -> Rollouts:
    """What the policy writes about every item, G times, and the own caption beside it where the recipe adds it."""
    rollouts = session.recipe.reinforce.rollouts
    columns = []
    if rollouts.group_size:
        columns.append(_sampled(session, library, keys, step))
    if rollouts.own_caption:
        columns.append(library.captions(keys))
    return columns[0] if len(columns) == 1 else columns[0].join(columns[1])


def _sampled(session: Session, library: PreparedItems, keys: Sequence[str], step: Step) -> Rollouts:
    """G summaries of every item; the processes of a team sample a share each, from generators of their own."""
    embedder, stage, team = session.embedder, session.recipe.reinforce, session.team
    generator = step.generator.manual_seed(step.generator.initial_seed() + team.rank)
    own = team.share(len(keys))
    size = stage.rollouts.items_at_once
    with put_together(embedder.backbone):
        parts = [
            sample(
                embedder.backbone,
                embedder.processor,
                library.prefix(keys[start : min(start + size, own.stop)]),
                group_size=stage.rollouts.group_size,
                temperature=stage.rollouts.temperature,
                max_tokens=stage.rollouts.max_new_tokens,
                generator=generator,
            )
            for start in range(own.start, own.stop, size)
        ]
    mine = Rollouts.stack(parts)
    wide = mine.widened(int(team.largest(mine.tokens.shape[-1])))
    return Rollouts(*(team.gather(getattr(wide, name)) for name in Rollouts.__slots__))


Reference = Callable[[Backbone], AbstractContextManager[Backbone | None]]


def _reference(policy: Backbone, needed: bool) -> Reference:
    """The stage-2 model: the policy without its adapter, or a frozen copy where whole weights train."""
    if not needed:
        return lambda _: nullcontext(None)
    if policy.has_adapter:
        return lambda live: live.without_adapter()
    copy = deepcopy(policy).requires_grad_(False)
    return lambda _: nullcontext(copy)
