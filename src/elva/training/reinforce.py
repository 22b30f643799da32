"""Stage 3: sample summaries, let the rollouts rank, reward the ranking, learn (paper, sections 3 to 5).

One loop serves every form; a recipe chooses among them by the weights of its objectives:

    elva_paper                 policy          GRPO on R_margin and R_rank as printed
    ablations/full_gradient    policy + path   the same rewards, with both parts of their gradient
    elva                       order           the order of all candidates, verified by the base's captions, on sampled
                                               queries, behind a bottleneck of words
    elva_no_rollouts           order           the same order without sampling
    control_infonce_rollouts   infonce         the control: InfoNCE on the very same rollouts

`order` is one of six losses (`reinforce.order.loss`) on an order that one of four gives (`reinforce.order.source`).

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
6. `bottleneck` (off by default) keeps the item, or what it shows, from [RET], so that more hangs on what is written.
7. Candidates may be read behind their own captions, and queries alone be sampled (`reinforce.rollouts.of`); the queries
   of several steps may be written about in one go (`reinforce.rollouts.scenes_at_once`): sampling a few items takes
   about as long as sampling many. The ratio is then against the policy that wrote.
8. Off by default: a gradient through the nearest negatives alone (`reinforce.policy.gradient_negatives`), other
   pairings of rollouts (`reinforce.policy.pairings`), negatives that the queries of a step share
   (`reinforce.shared_negatives`); queries alone that learn, each ranking its whole pool by constant vectors
   (`reinforce.index`, `PoolIndex`). docs/performance.md has what each costs in bias and saves in variance and time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from elva.data.scores import Scores
from elva.grains import Lexicon
from elva.model.backbone import Backbone
from elva.model.rollout import Rollouts, read_words, replay
from elva.training.index import PoolIndex
from elva.training.judge import Order, judge, learning, summaries
from elva.training.likelihood_order import LikelihoodOrder
from elva.training.order import GrainOrder
from elva.training.parts import PartwiseForward
from elva.training.prepared import PreparedItems, read_captions
from elva.training.recipe import Recipe
from elva.training.sampling import AT_ONCE, frozen_reference, places_of, sampled
from elva.training.scenes import Scene, SceneSource
from elva.training.session import Session, Step

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
    ranks_by_order = stage.weights.order or (stage.weights.policy and stage.policy.reward == "order")
    order = _order(session, data, library, root.lexicon(), captions) if ranks_by_order else None
    if stage.weights.policy > 0:
        session.say(EXPLANATION)
    index = PoolIndex(session, library, data) if stage.index is not None else None
    lesson = Lesson(session, library, order)
    together = stage.rollouts.scenes_at_once
    for step in session.steps(data.scenes_per_epoch // together or 1, together * stage.policy.updates_per_rollout):
        scenes = data.scenes(step) if index is None else index.scenes(step)
        for metrics in lesson.gradients(scenes, step):
            session.update(metrics)
        yield step.updates


class Lesson:
    """What one scene teaches: the policy writes about its items, is rewarded, and gets its gradients.

    Args:
        session: recipe, model and team.
        library: gives the items of the scene.
        order: h between candidates, where an objective needs it.
    """

    def __init__(self, session: Session, library: PreparedItems, order: Order | None = None) -> None:
        stage, embedder = session.recipe.reinforce, session.embedder
        self._session, self._library, self._order = session, library, order
        self._longest = stage.rollouts.max_new_tokens or embedder.processor.settings.max_summary
        self._reference = frozen_reference(embedder.backbone, stage.weights.policy > 0 and stage.policy.kl_beta > 0)

    def gradients(self, scenes: Sequence[Scene], step: Step) -> Iterator[dict[str, float]]:
        """The metrics of each update of a step; with each, its gradient lies in the weights."""
        self._library.take({key: item for scene in scenes for key, item in scene.items.items()})
        sampled = Sampled(self._session, self._library, scenes, step)
        left = step.updates
        for number, scene in enumerate(scenes):
            count = min(left, self._session.recipe.reinforce.policy.updates_per_rollout)
            yield from self._updates(scene, sampled, count, step, stale=number > 0)
            left -= count

    def _updates(
        self, scene: Scene, sampled: Sampled, count: int, step: Step, stale: bool
    ) -> Iterator[dict[str, float]]:
        """As `gradients`, of one scene.

        Args:
            scene: what is ranked.
            sampled: holds what was written about its items.
            count: of updates.
            step: draws.
            stale: whether the weights have moved since that was sampled.
        """
        session, library, stage = self._session, self._library, self._session.recipe.reinforce
        backbone, device = session.embedder.backbone, session.device
        filled = session.team.filled([*dict.fromkeys(scene.keys)])
        keys = [filled[place] for place in library.reading_order(filled, processes=session.team.size)]
        written = sampled.written(keys)
        counted = learning(session.recipe, scene, written.rows(places_of(keys, scene.keys, device)))
        again = keys if counted is None else session.team.filled(_needed(keys, scene, counted))
        texts = written.rows(places_of(keys, again, device))
        order = library.reading_order(again, texts, session.team.size)
        again, texts = [again[place] for place in order], texts.rows(torch.tensor(order, device=device))
        # from reading order to the scene's; what is not read again stays as sampling read it
        rows = places_of([*keys, *again], scene.keys, device)
        speaking = _speaking(session.recipe, scene, step).to(device)
        chosen = _chosen(session.recipe, scene, again, speaking, texts.mask.shape[1])
        frozen_logprobs: Tensor | None = None
        with self._reference(backbone) as frozen:
            if frozen is not None:
                before = Reader(frozen, session, library, again, texts, chosen, learns=False).rollouts
                frozen_logprobs = Rollouts.stack([written, before]).logprobs[rows]
        first: Rollouts | None = None
        # What was sampled was read on the way, but for captions, and but for what the weights have changed since.
        has_captions = stage.rollouts.own_caption or (stage.rollouts.of == "queries" and scene.vectors is None)
        is_known = not (has_captions or stale)
        for update in range(count):
            reader = Reader(backbone, session, library, again, texts, chosen, is_known=is_known and update == 0)
            read = Rollouts.stack([written, reader.rollouts]).rows(rows)
            if first is None:
                first = read.detached()
                if stale:  # the ratio is against the policy that wrote
                    first = replace(first, logprobs=written.rows(places_of(keys, scene.keys, device)).logprobs)
            loss, metrics = judge(
                session.recipe, scene, read, first, frozen_logprobs, self._order, self._longest, counted, speaking
            )
            loss.backward()  # type: ignore[no-untyped-call]
            reader.backward()
            if counted is not None:
                metrics["read_share"] = len(again) / len(keys)
            yield {"loss": loss.item(), **metrics}


class Sampled:
    """What the policy writes about the items of a step's scenes, all in one go.

    Args:
        session: recipe, model and team.
        library: has taken the items.
        scenes: the scenes of the step.
        step: makes the sampling repeatable.
    """

    def __init__(self, session: Session, library: PreparedItems, scenes: Sequence[Scene], step: Step) -> None:
        self._recipe, self._library, self._device = session.recipe.reinforce.rollouts, library, session.device
        self._place: dict[str, int] = {}
        if not self._recipe.group_size:
            return
        asked = [key for scene in scenes for key in (scene.keys if self._recipe.of == "all" else scene.query_keys)]
        filled = session.team.filled([*dict.fromkeys(asked)])
        keys = [filled[place] for place in library.reading_order(filled, processes=session.team.size)]
        self._rollouts = sampled(session, library, keys, step, self._recipe)
        self._place = {key: row for row, key in enumerate(keys)}

    def written(self, keys: Sequence[str]) -> Rollouts:
        """(n, G') summaries of these items: those sampled, and the own caption beside them where the recipe adds it.

        Where no summary of an item was sampled, its own caption stands in every place.
        """
        places = self._recipe.group_size + self._recipe.own_caption
        if not self._place:
            return self._library.captions(keys)
        known = [key for key in keys if key in self._place]
        rollouts = self._rollouts.rows(torch.tensor([self._place[key] for key in known], device=self._device))
        if self._recipe.own_caption:
            rollouts = rollouts.join(self._library.captions(known))
        if len(known) == len(keys):
            return rollouts
        others = [key for key in keys if key not in self._place]
        both = Rollouts.stack([rollouts, self._library.captions(others).repeated(places)])
        return both.rows(places_of([*known, *others], keys, self._device))


class Reader(PartwiseForward):
    """Reads the rollouts of a step.

    Args:
        backbone: the policy, or the frozen reference.
        session: recipe and team.
        library: gives the items.
        keys: which ones, those of one length side by side: together they waste no padding.
        written: what was written about them.
        chosen: (n, G') bool, the summaries whose log-probabilities are needed; None for all. Where [RET] reads bare
            words only these are read with their items.
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
        chosen: Tensor | None = None,
        learns: bool = True,
        is_known: bool = False,
    ) -> None:
        stage, weights, longest = session.recipe.reinforce, session.recipe.reinforce.weights, written.tokens.shape[-1]
        ranks = weights.path or weights.order or weights.infonce or not stage.rollouts.group_size
        embed = learns and bool(ranks)  # sampling has read the embeddings that rewards need
        temperatures = [stage.rollouts.temperature] * written.tokens.shape[1]
        if stage.rollouts.own_caption:
            temperatures[-1] = 1.0  # it was not sampled, and its loss is that of an ordinary language model

        processor = session.embedder.processor
        apart = processor.settings.reads_apart
        needed = torch.ones_like(written.forced) if chosen is None else chosen

        def read(part: slice) -> tuple[Tensor, Tensor]:
            own = written.rows(part).trimmed()
            if not apart:
                fresh = replay(backbone, processor, library.prefix(keys[part], backbone), own, temperatures, embed)
                return fresh.embeddings, fresh.widened(longest).logprobs
            embeddings = own.embeddings
            if embed:
                embeddings = read_words(backbone, own.tokens, own.mask, library.own_words(keys[part]))
            return embeddings, logprobs_of(part, own).widened(longest).logprobs

        def logprobs_of(part: slice, own: Rollouts) -> Rollouts:
            items, columns = needed[part].any(1), needed[part].any(0)
            if not items.any():
                return replace(own, logprobs=torch.zeros_like(own.logprobs))
            asked = [key for key, wanted in zip(keys[part], items.tolist(), strict=True) if wanted]
            some = own.rows(items).columns(columns)
            heats = [heat for heat, wanted in zip(temperatures, columns.tolist(), strict=True) if wanted]
            fresh = replay(backbone, processor, library.prefix(asked, backbone), some, heats, embed=False)
            place = (items[:, None] & columns)[..., None].expand_as(own.logprobs)
            return replace(own, logprobs=torch.zeros_like(own.logprobs).masked_scatter(place, fresh.logprobs))

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
) -> Order:
    """Who is near, as the recipe's source says; before the first step, while the model is the one it starts from."""
    settings = session.recipe.reinforce.order
    if settings.source == "likelihood":
        scores = Scores(session.recipe.data.file("likelihoods"))
        whole_pool = session.recipe.reinforce.index is not None
        return LikelihoodOrder(scores, settings.nats, settings.other_offset, whole_pool)
    if settings.source == "annotations":
        return GrainOrder.by_annotations(data.candidates.values(), lexicon, settings.other_offset)
    if settings.source == "captions":
        assert captions is not None
        others = data.candidates.values()
        share, seed = settings.wrong_share, session.recipe.seed
        return GrainOrder.by_captions(others, captions, lexicon, settings.other_offset, share, seed)
    dids = data.dids
    with session.counted(), session.progress("vectors of the reference", len(dids)) as tick:
        vectors = library.vectors(data.candidate_items(), tick)
    return GrainOrder.by_reference(dids, vectors, settings.slope, settings.other_offset)


def _needed(keys: Sequence[str], scene: Scene, counted: Tensor) -> list[str]:
    """Those of the keys, in order and once each, of which (Q, M, G) `counted` holds a summary."""
    rows = summaries(scene)[counted.any(-1).cpu()].tolist()
    needed = {scene.keys[row] for row in rows}
    return [key for key in dict.fromkeys(keys) if key in needed]


def _speaking(recipe: Recipe, scene: Scene, step: Step) -> Tensor:
    """(Q + C,) bool, or (Q,) where no candidate is read: whose own captions `weights.lm` counts."""
    most, asked = recipe.reinforce.lm_candidates, len(scene.queries)
    shown = len(scene.keys) - asked
    speaking = torch.ones(asked + shown, dtype=torch.bool)
    if most is not None and most < shown:
        speaking[asked:] = False
        speaking[asked + torch.from_numpy(step.rng.permutation(shown)[:most])] = True
    return speaking


def _chosen(recipe: Recipe, scene: Scene, keys: Sequence[str], speaking: Tensor, width: int) -> Tensor:
    """(n, G') bool: the summaries whose log-probabilities an objective needs.

    Args:
        recipe: its objectives.
        scene: Q queries and C candidates.
        keys: n items of it.
        speaking: (Q + C,) from `_speaking`.
        width: G'.
    """
    stage = recipe.reinforce
    asking, heard = (
        set(scene.query_keys),
        {key for key, speaks in zip(scene.keys, speaking.tolist(), strict=True) if speaks},
    )
    chosen = torch.zeros(len(keys), width, dtype=torch.bool, device=speaking.device)
    if stage.weights.policy:
        sampled = torch.tensor([stage.rollouts.of == "all" or key in asking for key in keys], device=speaking.device)
        chosen[:, : stage.rollouts.group_size] = sampled[:, None]
    if stage.weights.lm:
        chosen[:, -1] = torch.tensor([key in heard for key in keys], device=speaking.device)
    return chosen
