"""What a recipe may not say: settings that are each allowed and contradict each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from elva.errors import InputError
from elva.training.settings import Create, Data, Recipe

RANKED = ("datasets", "tasks", "exclude_tasks", "captions", "negatives", "likelihoods")
"""Settings of `data` that are about data to rank."""


def contradictions(recipe: Recipe) -> list[str]:
    """Every contradiction as one sentence that names the keys and the cure; empty when sound."""
    found = [
        *_budget(recipe),
        *_bottleneck(recipe),
        *_summaries(recipe),
        *_nested(recipe),
        *_model(recipe),
        *_triples(recipe),
        *_tasks(recipe),
    ]
    if recipe.model.create is not None:
        found += _shape(recipe.model.create)
    if recipe.stage == "base":
        found += _base(recipe)
    if recipe.stage == "contrast":
        found += _contrast(recipe)
    if recipe.stage == "reinforce":
        found += _reinforce(recipe)
    if recipe.answers:
        found += _answer(recipe)
    return found


def _budget(recipe: Recipe) -> Iterator[str]:
    given = [name for name, value in asdict(recipe.budget).items() if value is not None]
    if len(given) != 1:
        yield (
            "budget needs exactly one of steps, epochs, seconds; "
            f"found {' and '.join(given) or 'none'} (set the others to null)"
        )


def _bottleneck(recipe: Recipe) -> Iterator[str]:
    reader = _without_vectors(recipe)
    if recipe.bottleneck != "none" and reader:
        yield f"bottleneck is {recipe.bottleneck}, but {reader} reads nothing at [RET]; set it to none"


def _summaries(recipe: Recipe) -> Iterator[str]:
    reader = _without_vectors(recipe)
    if recipe.summaries > 1 and reader:
        yield f"summaries is {recipe.summaries}, but {reader} reads no vector behind a summary; set it to 1"
    if recipe.summaries == 1 and recipe.summary_temperature != 1:
        yield (
            f"summary_temperature is {recipe.summary_temperature:g}, but summaries is 1, and that one is greedy; "
            "set summaries to 2 or more, or leave summary_temperature out"
        )


def _nested(recipe: Recipe) -> Iterator[str]:
    lengths, weights = recipe.nested.lengths, recipe.nested.weights
    if lengths and (recipe.stage == "base" or recipe.answers):
        yield f"nested.lengths is {list(lengths)}, but stage {recipe.stage} ranks nothing; leave it out"
    falling = sorted(set(lengths), reverse=True)
    if list(lengths) != falling:
        yield f"nested.lengths is {list(lengths)}; give each length once, the longest first: {falling}"
    if weights and len(weights) != len(lengths):
        yield (
            f"nested.weights has {len(weights)} numbers for {len(lengths)} of nested.lengths; give one for each, or "
            "none for 1 each"
        )


def _without_vectors(recipe: Recipe) -> str:
    """Who reads no vector behind a summary, in words; nothing where one is read."""
    if recipe.stage == "base" or recipe.answers:
        return f"stage {recipe.stage}"
    return "extraction one_word" if recipe.extraction == "one_word" else ""


def _model(recipe: Recipe) -> Iterator[str]:
    if recipe.model.create is not None and recipe.stage != "base":
        yield "model.create makes a new model, which only stage base can train; set it to null"
    if recipe.model.create is not None and recipe.model.trainable != "all":
        yield "model.create starts from random weights; set model.trainable to all"
    if recipe.model.trainable == "all" and recipe.stage != "base":
        yield (
            f"model.trainable is all, but stage {recipe.stage} freezes the vision tower; "
            "set it to language_model or lora"
        )
    if recipe.model.shard and recipe.stage == "base":
        yield "model.shard spreads layers over processes, but the base stage trains in one; set it to false"


def _shape(create: Create) -> Iterator[str]:
    pairs = [
        ("hidden_size", create.hidden_size, "heads", create.heads),
        ("heads", create.heads, "kv_heads", create.kv_heads),
        ("vision_width", create.vision_width, "vision_heads", create.vision_heads),
    ]
    for whole_name, whole, part_name, part in pairs:
        if whole % part:
            yield (f"model.create.{whole_name} is {whole}, which model.create.{part_name} ({part}) does not divide")


def _triples(recipe: Recipe) -> Iterator[str]:
    if recipe.data.triples is not None and recipe.stage != "contrast":
        yield f"data.triples is for stage contrast, not {recipe.stage}; set it to null"


def _tasks(recipe: Recipe) -> Iterator[str]:
    try:
        recipe.data.kept_tasks()
    except InputError as error:
        yield f"data.exclude_tasks: {error}"


def _base(recipe: Recipe) -> Iterator[str]:
    if recipe.caption.asked_share and not recipe.caption.asked_instruction.strip():
        yield (
            "caption.asked_instruction is empty: nothing would tell what is to be asked for from what is to be "
            "described; write one, or set caption.asked_share to 0"
        )
    caption = recipe.caption
    if bool(caption.questions_share) != (caption.questions is not None):
        lacking = "questions_share" if caption.questions else "questions"
        yield f"caption.questions and questions_share need each other: set caption.{lacking} too"
    if caption.asked_share + caption.questions_share > 1:
        yield "caption.asked_share and questions_share are shares of the same items: lower them to 1 together"


def _contrast(recipe: Recipe) -> Iterator[str]:
    if recipe.contrast.hard_negatives and recipe.data.negatives is None:
        yield "contrast.hard_negatives needs data.negatives, a file made by `elva mine`"
    for name in ("lm_weight", "prefill_weight"):
        weight = getattr(recipe.contrast, name)
        if weight and recipe.extraction == "one_word":
            yield (
                f"contrast.{name} is {weight:g}, but extraction one_word reads no summary; "
                f"set contrast.{name} to 0, or extraction to generative"
            )


def _reinforce(recipe: Recipe) -> Iterator[str]:
    stage = recipe.reinforce
    weights = stage.weights
    if recipe.extraction == "one_word":
        yield "stage reinforce learns from summaries, which extraction one_word has none of; set it to generative"
    if recipe.data.negatives is None:
        yield "stage reinforce needs data.negatives, a file made by `elva mine`"
    if stage.hard_negatives + stage.random_negatives == 0:
        yield "reinforce.hard_negatives and random_negatives are both 0: there is nothing to rank"
    if not stage.rollouts.group_size and not stage.rollouts.own_caption:
        yield "reinforce.rollouts has group_size 0 and no own_caption: there is nothing to read"
    if weights.lm and not stage.rollouts.own_caption:
        yield "reinforce.weights.lm needs reinforce.rollouts.own_caption: true"
    if not any(asdict(weights).values()):
        yield "every one of reinforce.weights is 0: there is nothing to learn"
    if stage.shared_negatives and stage.queries_per_step == 1:
        yield (
            "reinforce.shared_negatives is true, but reinforce.queries_per_step is 1: there are no other queries to "
            "share with; set it to 2 or more, or shared_negatives to false"
        )
    yield from _policy(recipe)
    yield from _of_queries(recipe)
    yield from _wrong_share(recipe)
    yield from _index(recipe)
    yield from _likelihood(recipe)
    yield from _captions(recipe)


def _policy(recipe: Recipe) -> Iterator[str]:
    others = {name: weight for name, weight in asdict(recipe.reinforce.weights).items() if name != "policy" and weight}
    if recipe.reinforce.policy.gradient_negatives is not None and others:
        yield (
            f"reinforce.policy.gradient_negatives leaves items unread that reinforce.weights.{' and '.join(others)} "
            f"would learn from; set {'it' if len(others) == 1 else 'them'} to 0, or gradient_negatives to null"
        )
    if not recipe.reinforce.weights.policy:
        return
    if recipe.reinforce.rollouts.group_size < 2:
        yield (
            "reinforce.rollouts.group_size is below 2: such a group has no advantage; "
            "set it to 2 or more, or reinforce.weights.policy to 0"
        )
    yield from _kept_reference(recipe, recipe.reinforce.policy.kl_beta, "reinforce.policy.kl_beta")


def _kept_reference(recipe: Recipe, kl_beta: float, key: str) -> Iterator[str]:
    if recipe.model.shard and recipe.model.trainable != "lora" and kl_beta:
        yield (
            "model.shard needs model.trainable lora for the KL term: the reference is then the model without its "
            f"adapter, where otherwise every process would hold a whole copy; or set {key} to 0"
        )


def _answer(recipe: Recipe) -> Iterator[str]:
    default, given = Data(), recipe.data
    strange = [f"data.{name}" for name in RANKED if getattr(given, name) != getattr(default, name)]
    if strange:
        yield f"{', '.join(strange)}: stage {recipe.stage} reads questions, and no data to rank; leave it out"
    if recipe.extraction == "one_word":
        yield f"extraction is one_word, but stage {recipe.stage} embeds nothing; leave it out"
    if recipe.stage == "answer_grpo":
        if not any(asdict(recipe.answer.rewards).values()):
            yield "every one of answer.rewards is 0: there is nothing to learn"
        yield from _kept_reference(recipe, recipe.answer.policy.kl_beta, "answer.policy.kl_beta")


def _wrong_share(recipe: Recipe) -> Iterator[str]:
    order = recipe.reinforce.order
    if order.wrong_share and order.source != "captions":
        yield "reinforce.order.wrong_share is about captions: set it to 0, or reinforce.order.source to captions"


def _likelihood(recipe: Recipe) -> Iterator[str]:
    order = recipe.reinforce.order
    if order.source != "likelihood":
        return
    if recipe.data.likelihoods is None:
        yield "reinforce.order.source likelihood needs data.likelihoods, a file made by `elva likelihood`"
    if order.anchors == "all":
        yield "reinforce.order.source likelihood knows queries alone: set reinforce.order.anchors to queries"


def _of_queries(recipe: Recipe) -> Iterator[str]:
    stage = recipe.reinforce
    if stage.rollouts.of == "all":
        return
    if recipe.data.captions is None and stage.index is None:
        yield "reinforce.rollouts.of queries reads captions of candidates: give data.captions, made by `elva caption`"
    if stage.policy.pairings != "diagonal":
        yield "reinforce.policy.pairings pays candidates too, but rollouts.of queries samples none; set it to diagonal"
    if stage.policy.gradient_negatives is not None:
        yield "reinforce.policy.gradient_negatives is for sampled candidates; with rollouts.of queries set it to null"


def _index(recipe: Recipe) -> Iterator[str]:
    stage = recipe.reinforce
    if stage.index is None:
        return
    if stage.rollouts.of == "all":
        yield "reinforce.index has constant vectors of candidates: set reinforce.rollouts.of to queries"
    if stage.order.anchors == "all":
        yield "reinforce.index lets queries alone rank: set reinforce.order.anchors to queries"
    if stage.weights.order and stage.order.loss in ("approx_ndcg", "lambda_rank"):
        yield (
            f"reinforce.order.loss {stage.order.loss} compares all pairs of candidates, too many in a whole pool: with "
            "reinforce.index set it to listwise, regression, listmle or cosent"
        )
    if stage.shared_negatives:
        yield "reinforce.index ranks the whole pool: there is nothing to share, set reinforce.shared_negatives to false"
    if stage.lm_candidates:
        yield f"reinforce.lm_candidates is {stage.lm_candidates}, but reinforce.index reads no candidate; set it to 0"


def _captions(recipe: Recipe) -> Iterator[str]:
    if recipe.data.captions is not None:
        return
    stage = recipe.reinforce
    if stage.rollouts.own_caption:
        yield "reinforce.rollouts.own_caption needs data.captions, made by `elva caption`"
    if stage.order.source == "captions":
        for key, ordered in (
            ("weights.order", stage.weights.order),
            ("policy.reward order", stage.weights.policy and stage.policy.reward == "order"),
        ):
            if ordered:
                yield f"reinforce.{key} needs data.captions, made by `elva caption`; or another reinforce.order.source"
