"""The base: a tiny multimodal model that looks, reads, and writes a caption, from random weights.

Users of the paper start from a pre-trained MLLM that sees and describes. At the size of a laptop there is none,
so this stage makes one: supervised language modelling of canonical captions, [RET] last, with everything trained,
the vision tower included. Stages 1 to 3 freeze the tower.

1. Data: the split `base` of a data root: image -> caption, text -> caption of what the text says, image and text
   -> caption of both; each target is the text of the query's positive.
2. Instructions: queries carry one at evaluation and candidates none, so a share of the items gets an instruction
   drawn from those of its modality.
3. Queries: a share of the items may be answers of queries, each with an instruction of its own, and what is written
   is the query (`asked`).
4. Questions: a share of the items may be questions about videos, which ask by their own words, and what is written is
   the answer in words, the end of the turn last.
5. Loss: mean cross-entropy per written token, through the same packed forward that stage 3 learns with.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import torch
from PIL import Image, ImageOps

from elva.data.mbeir import MBeir
from elva.errors import InputError
from elva.items import Item, Modality
from elva.model.backbone import Backbone
from elva.model.embedder import Embedder
from elva.model.inputs import Inputs
from elva.model.processor import Processor
from elva.model.rollout import Rollouts, given, replay
from elva.model.tiny import TinySize, make_model, make_processor, make_tokenizer
from elva.prompts import Prompt, Prompts
from elva.reasoning.questions import Question
from elva.training.asked import AskedSet
from elva.training.prepared import some
from elva.training.questions import open_questions, parsed, with_response
from elva.training.recipe import Caption, Create, Recipe
from elva.training.session import Session

SPREAD = 1.5
"""Some questions ask for a word and others for their reasoning: read together, the short ones would be padding."""


def create_embedder(recipe: Recipe) -> Embedder:
    """Random weights and a tokenizer trained on every text of the data root (recipe: model.create)."""
    create = recipe.model.create
    assert create is not None
    data = MBeir.open(recipe.data.folder())
    prompts = _prompts(create)
    texts = [
        *_texts(data, recipe.data.split),
        *_instructions(data),
        *_asked_texts(data, recipe.caption),
        *_question_texts(recipe),
        prompts.generative,
        prompts.one_word,
        "sentence image and sentence",
    ]
    size = TinySize(**{name: value for name, value in asdict(create).items() if name in TinySize.__slots__})
    tokenizer = make_tokenizer(texts, create.vocabulary)
    backbone: Backbone = make_model(size, tokenizer, recipe.seed)
    processor: Processor = make_processor(tokenizer, size, prompts, create.max_summary, create.max_text)
    return Embedder(backbone, processor, recipe.name or "tiny")


def _prompts(create: Create) -> Prompts:
    built_in, generative, one_word = Prompts(), create.generative_prompt, create.one_word_prompt
    return Prompts(
        built_in.generative if generative is None else generative, built_in.one_word if one_word is None else one_word
    )


def _texts(data: MBeir, split: str, datasets: Sequence[str] = ()) -> Iterator[str]:
    for name in data.tasks(split, datasets):
        yield from (query.text for query in data.queries(name) if query.text)
        yield from (candidate.text for candidate in data.pool(name) if candidate.text)


def _asked_texts(data: MBeir, settings: Caption) -> Iterator[str]:
    if settings.asked_share:
        yield from _texts(data, settings.asked_split, settings.asked_datasets)
        yield settings.asked_instruction


def _question_texts(recipe: Recipe) -> Iterator[str]:
    if not recipe.caption.questions_share:
        return
    for question in parsed(recipe, recipe.caption.questions_folder(), recipe.caption.questions_file):
        yield from (part.text for part in question.item.parts if part.text)
        yield question.response or ""


def _instructions(data: MBeir) -> list[str]:
    return _instructions_of(data, "text") + _instructions_of(data, "image") + _instructions_of(data, "image,text")


def _instructions_of(data: MBeir, modality: Modality) -> list[str]:
    return sorted({p for (_, asked, _), prompts in data.instructions().items() if asked == modality for p in prompts})


class CaptionSet:
    """Items of the base split with the captions they should get.

    Attributes:
        items: modality to pairs of an item and its caption.
        distinct: the captions, each once.
        instructions: modality to the instructions that its queries may carry.

    Raises:
        InputError: the positive of a query has no text, so there is no caption to learn.
    """

    def __init__(self, recipe: Recipe, data: MBeir) -> None:
        train = data.train_examples(recipe.data.split, recipe.data.datasets, recipe.data.kept_tasks())
        queries = some(train.queries, recipe.data.max_queries, recipe.seed)
        captions = {did: candidate.text for did, candidate in train.candidates.items() if candidate.text is not None}
        silent = [query for query in queries if query.positives[0] not in captions]
        if silent:
            raise InputError(
                f"the positives of {len(silent)} of {len(queries)} queries have no text that could be learned as a "
                f"caption, {silent[0].positives[0]} of query {silent[0].qid} for one; "
                "choose tasks whose answers are texts with data.tasks, or another data.split"
            )
        self.items: dict[Modality, list[tuple[Item, str]]] = defaultdict(list)
        for query in queries:
            item = replace(data.query_item(query), instruction=None)
            self.items[item.modality].append((item, captions[query.positives[0]]))
        self.distinct = {caption for pairs in self.items.values() for _, caption in pairs}
        self.instructions = {modality: _instructions_of(data, modality) for modality in self.items}

    def draw(
        self, rng: np.random.Generator, count: int, text_share: float, instruction_share: float
    ) -> list[tuple[Item, str]]:
        """`count` pairs: `text_share` of them text alone, the rest as they lie in the data."""
        seeing: list[Modality] = [m for m in ("image", "image,text", "video", "video,text") if self.items.get(m)]
        sizes = np.array([len(self.items[m]) for m in seeing], float)
        pairs = []
        for _ in range(count):
            is_text = bool(self.items.get("text")) and (not seeing or rng.random() < text_share)
            modality: Modality = "text" if is_text else seeing[rng.choice(len(seeing), p=sizes / sizes.sum())]
            item, caption = self.items[modality][rng.integers(len(self.items[modality]))]
            if self.instructions[modality] and rng.random() < instruction_share:
                item = replace(item, instruction=str(rng.choice(self.instructions[modality])))
            pairs.append((item, caption))
        return pairs


def augmented(frames: list[Image.Image], settings: Caption, rng: np.random.Generator) -> list[Image.Image]:
    """A random part of the picture at the picture's own size, perhaps mirrored; of a clip, the same of every frame.

    Args:
        frames: what the data shows; a picture is one.
        settings: how much; by default nothing changes.
        rng: draws the part and the side.
    """
    if settings.crop:
        width, height = (1.0 - settings.crop * rng.random() for _ in range(2))
        left, top = rng.random(), rng.random()
        frames = [_part(frame, width, height, left, top) for frame in frames]
    if settings.mirror and rng.random() < settings.mirror:
        frames = [ImageOps.mirror(frame) for frame in frames]
    return frames


def _part(picture: Image.Image, width: float, height: float, left: float, top: float) -> Image.Image:
    """The part of these shares of both sides, with these shares of the rest before it, at the size of the whole."""
    wide, high = picture.width * width, picture.height * height
    x, y = (picture.width - wide) * left, (picture.height - high) * top
    return picture.resize(picture.size, Image.Resampling.BILINEAR, (x, y, x + wide, y + high))


def train_captioner(session: Session) -> Iterator[int]:
    """Run the loop until the budget is spent; gives the updates of each step, one, when it is done."""
    recipe, settings = session.recipe, session.recipe.caption
    captions = CaptionSet(recipe, session.data()[0])
    asked = _asked(session) if settings.asked_share else None
    questions = _questions(session) if settings.questions_share else []
    _say_cut(session, "captions", captions.distinct)
    for step in session.steps(sum(map(len, captions.items.values())) // settings.batch_size):
        answering = step.rng.binomial(settings.batch_size, settings.questions_share) if questions else 0
        told = settings.batch_size - answering
        count = step.rng.binomial(told, settings.asked_share / (1 - settings.questions_share)) if asked and told else 0
        pairs = captions.draw(step.rng, told - count, settings.text_share, settings.instruction_share)
        pairs += asked.draw(step.rng, count) if asked else []
        drawn = [questions[int(step.rng.integers(len(questions)))] for _ in range(answering)]
        session.update(_learn(session, pairs, drawn, step.rng))
        yield 1


def _learn(
    session: Session, pairs: Sequence[tuple[Item, str]], questions: Sequence[Question], rng: np.random.Generator
) -> dict[str, float]:
    """Add the gradient of the loss on captions and answers to what trains, and tell how it stands."""
    processor = session.embedder.processor
    parts = dict[str, list[Rollouts]]()
    if pairs:
        ids = [processor.summary_ids(text) for _, text in pairs]
        parts["caption"] = _read(session, [item for item, _ in pairs], ids, "generative", rng)
    if questions:  # by themselves: beside what is several times as long, captions would be padding for the most part
        ids = [processor.answer_ids(question.response or "") for question in questions]
        parts["answer"] = _read(session, [question.item for question in questions], ids, "own", rng)
    sums = {name: torch.stack([each.logprobs.sum() for each in read]).sum() for name, read in parts.items()}
    tokens = {name: torch.stack([each.credit.sum() for each in read]).sum() for name, read in parts.items()}
    loss = -torch.stack([*sums.values()]).sum() / torch.stack([*tokens.values()]).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    metrics = {"loss": loss.item()}
    for name, count in (("caption", len(pairs)), ("answer", len(questions))):
        if name in parts:
            metrics[f"{name}_tokens"] = tokens[name].item() / count
        if len(parts) > 1:
            metrics[f"{name}_loss"] = -(sums[name] / tokens[name]).item()
    return metrics


def _read(
    session: Session, items: Sequence[Item], ids: Sequence[Sequence[int]], prompt: Prompt, rng: np.random.Generator
) -> list[Rollouts]:
    """Given texts behind items that are looked at anew, with gradient into all that trains; answers in runs."""
    embedder = session.embedder
    backbone, processor = embedder.backbone, embedder.processor
    inputs = Inputs(backbone, processor, embedder.features)
    alter = partial(augmented, settings=session.recipe.caption, rng=rng)
    prepared = inputs.prepare_live(items, prompt, alter)
    if prompt != "own":
        written = given(ids, backbone.dimension, backbone.device)
        return [replay(backbone, processor, inputs.collate(prepared), written)]
    return [
        replay(
            backbone,
            processor,
            inputs.collate([prepared[row] for row in rows]),
            given([ids[row] for row in rows], 0, backbone.device),
            end=processor.end_id,
        )
        for rows in _runs([len(one) + len(written) for one, written in zip(prepared, ids, strict=True)])
    ]


def _runs(lengths: Sequence[int]) -> list[list[int]]:
    """The places of rows of about one length, together: a row is at most `SPREAD` times as long as the run's first."""
    runs = list[list[int]]()
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        if not runs or lengths[row] > SPREAD * lengths[runs[-1][0]]:
            runs.append([])
        runs[-1].append(row)
    return runs


def _questions(session: Session) -> Sequence[Question]:
    """Those of `caption.questions`, each with what is to be written."""
    settings = session.recipe.caption
    found = open_questions(session, settings.questions_folder(), settings.questions_file)
    return with_response(settings.questions_file, found)


def _asked(session: Session) -> AskedSet:
    """The queries of `caption.asked_split`; says what of them is left out or cut."""
    settings = session.recipe.caption
    data, _ = session.open(settings.asked_split, settings.asked_datasets)
    asked = AskedSet(data, settings.asked_split, settings.asked_datasets, settings.asked_instruction)
    if asked.left_out:
        told = f"{asked.left_out:,} {settings.asked_split} queries are not text alone, which can't be written"
        session.say(f"{told}; the other {len(asked.queries):,} are learned.")
    _say_cut(session, "queries", {query.text for query in asked.queries if query.text})
    return asked


def _say_cut(session: Session, what: str, texts: Collection[str]) -> None:
    processor = session.embedder.processor
    if cut := sum(map(processor.cuts, texts)):
        longest = processor.settings.max_summary
        session.say(f"{cut} of {len(texts)} {what} were cut to {longest} tokens (max_summary).")
