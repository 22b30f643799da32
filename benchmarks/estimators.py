"""Gradient estimators of stage 3: bias, variance and seconds of each form, against GRPO as the paper has it.

    python benchmarks/estimators.py               # 20 minutes on one thread
    python benchmarks/estimators.py --folder DIR  # keeps world, model and negatives there for the next time

A few updates of stage 2 make a retriever of the packaged base model; its negatives are mined. Then the same scenes
(2 queries, 24 negatives each, 8 rollouts of at most 24 tokens) are sampled over and over at the same weights.

The plain form is the paper's without the division by the deviation. Its mean is the gradient of the expected reward,
but its noise hides it; so the others are compared with the mean of single pairings, which is the same:
`tests/objectives/test_policy.py` counts every outcome. Forms that differ in nothing but what they make of the rollouts
get the same ones, so that their differences are measured more finely than they themselves; the others are measured in
every second repetition. KL is left out: at the weights that sampled, its gradient is 0. Variance x seconds is the time
to the same certainty.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import Tensor

from elva.data.mbeir import MBeir
from elva.data.world import write_world
from elva.model.embedder import Embedder
from elva.model.rollout import Rollouts, replay, sample
from elva.training.captions import write_captions
from elva.training.judge import judge, learning
from elva.training.negatives import mine
from elva.training.prepared import PreparedItems
from elva.training.recipe import Recipe, load_recipe
from elva.training.reinforce import Lesson
from elva.training.run import train
from elva.training.scenes import Scene, SceneSource
from elva.training.session import Session, Step, make_optimizer
from interleaved import rounds, save
from measure import options
from moments import Measures, Moments, Target, compared

BLOCKS = 8
TASKS = [0, 3, 4, 7]
EXACT, SINGLE, REDRAWN, FRESH, STALE = (
    "plain",
    "single",
    "single, negatives redrawn",
    "single, at the moved weights",
    "single, second update on the same rollouts",
)
POLICY = "reinforce.policy."
ONE_BY_ONE = f"{POLICY}pairings=single"
DIVIDED = f"{POLICY}scale_by_std=true"
RIGHT = Target(SINGLE)
OF_ANY_LENGTH = Target(SINGLE, None)
G_4 = Target(SINGLE, (1 - 1 / 8) / (1 - 1 / 4))
"""A group mean takes 1 / G of the gradient away."""


@dataclass(frozen=True)
class Form:
    """An estimator.

    Attributes:
        settings: what it sets beside the plain form's.
        target: what its mean should be.
        timed_as: the form whose seconds it takes.
    """

    settings: tuple[str, ...] = ()
    target: Target = RIGHT
    timed_as: str | None = None


SAME_ROLLOUTS = {
    EXACT: Form(),
    "all": Form((f"{POLICY}pairings=all",)),
    SINGLE: Form((ONE_BY_ONE,)),
    "plain, 4 nearest negatives": Form((f"{POLICY}gradient_negatives=4",)),
    **{f"single, {k} nearest negatives": Form((ONE_BY_ONE, f"{POLICY}gradient_negatives={k}")) for k in (8, 4, 0)},
    "plain, divided": Form((DIVIDED,), OF_ANY_LENGTH, timed_as=EXACT),
    "single, divided": Form((ONE_BY_ONE, DIVIDED), OF_ANY_LENGTH, timed_as=SINGLE),
}
OWN_ROLLOUTS = {
    "single, G 4": Form((ONE_BY_ONE, "reinforce.rollouts.group_size=4"), G_4),
    "single, temperature 0.7": Form((ONE_BY_ONE, "reinforce.rollouts.temperature=0.7"), OF_ANY_LENGTH),
}
HALF = ("reinforce.shared_negatives=true", "reinforce.hard_negatives=6", "reinforce.random_negatives=6")
REDRAWN_NEGATIVES = {
    REDRAWN: Form((ONE_BY_ONE,), Target(REDRAWN), timed_as=SINGLE),
    "single, 12 own negatives, 13 shared": Form((ONE_BY_ONE, *HALF), Target(REDRAWN, None)),
}
UPDATED = {
    FRESH: Form((ONE_BY_ONE,), Target(FRESH), timed_as=SINGLE),
    STALE: Form((ONE_BY_ONE, f"{POLICY}updates_per_rollout=2"), Target(FRESH)),
}
FORMS = {**SAME_ROLLOUTS, **OWN_ROLLOUTS, **REDRAWN_NEGATIVES, **UPDATED}
QUICK = [
    "reinforce.queries_per_step=2",
    "reinforce.hard_negatives=1",
    "reinforce.random_negatives=2",
    "reinforce.rollouts.max_new_tokens=4",
    "data.tasks=[0]",
]


def main(arguments: Sequence[str] | None = None) -> None:
    """Prepare, measure, show."""
    parser = options(__doc__, "estimators")
    parser.set_defaults(repeats=2 * BLOCKS)
    parser.add_argument("--scenes", type=int, default=4, help="of so many different queries")
    parser.add_argument("--folder", type=Path, help="where to keep world, model and negatives")
    asked = parser.parse_args(arguments)
    scenes, blocks, repeats = (1, 2, 4) if asked.quick else (asked.scenes, BLOCKS, asked.repeats)
    if repeats < 2 * blocks or repeats % (2 * blocks):
        parser.error(f"--repeats must be a multiple of {2 * blocks}, twice the number of blocks; found {repeats}")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        home = asked.folder or Path(folder)
        prepare(home, asked.quick)
        recipes = {name: _recipe(home, form.settings, asked.quick) for name, form in FORMS.items()}
        bench = Bench(recipes)
        timed = {name: bench.work(name) for name, form in FORMS.items() if form.timed_as is None}
        runs = rounds(timed, 1 if asked.quick else 3)
        seconds = {name: median(runs[form.timed_as or name]) for name, form in FORMS.items()}
        seconds[STALE] /= 2  # of one update
        sums = []
        for number in range(scenes):
            moments = Moments([*FORMS], blocks)
            for repeat in range(repeats):
                for name, gradient in bench.gradients(number, repeat):
                    moments.add(name, repeat * blocks // repeats, gradient)
                print(f"  scene {number}, repeat {repeat}", flush=True)
            sums.append(moments.sums())
    targets = {name: form.target for name, form in FORMS.items()}
    measures = compared(sums, targets, EXACT)
    for name, own in measures.items():
        ratio = seconds[name] / seconds[EXACT]
        own |= {"seconds": [ratio, 0.0], "cost": [each * ratio for each in own["variance"]]}
    print(shown(measures))
    save(asked.out, measures, scenes=scenes, repeats=repeats, seconds=runs)


def prepare(home: Path, quick: bool) -> None:
    """World, captions, a model after a few updates of stage 2, mined negatives; what is there stays."""
    if (home / "negatives.jsonl").exists():
        return
    root, captions = home / "world", home / "captions.jsonl"
    write_world(root, size="tiny" if quick else "demo")
    write_captions(root, Embedder.load("tiny-base"), captions)
    updates = 1 if quick else 60
    settings = [f"data.root={root}", f"data.captions={captions}", f"budget.steps={updates}", "model.path=tiny-base"]
    small = ["contrast.batch_size=2"] if quick else []
    stage2 = train(load_recipe("tiny/stage2", [*settings, *small]), home / "stage2")
    mine(root, Embedder.load(stage2.model), home / "negatives.jsonl", task_ids=TASKS, queries=64)


def _recipe(home: Path, settings: Sequence[str], quick: bool) -> Recipe:
    data = [f"data.root={home / 'world'}", f"data.negatives={home / 'negatives.jsonl'}"]
    model = [f"model.path={home / 'stage2/model'}"]
    plain = [
        "reinforce.queries_per_step=2",
        "reinforce.hard_negatives=12",
        "reinforce.random_negatives=12",
        "reinforce.rollouts.group_size=8",
        "reinforce.rollouts.max_new_tokens=24",
        f"{POLICY}kl_beta=0",
        f"{POLICY}scale_by_std=false",
    ]
    return load_recipe("tiny/elva_paper", [*data, *model, *plain, *(QUICK if quick else []), *settings])


class Bench:
    """One model, and what the forms make of scenes of the same queries.

    Args:
        recipes: of each form.
    """

    def __init__(self, recipes: Mapping[str, Recipe]) -> None:
        recipe = recipes[EXACT]
        self._recipes = recipes
        self._embedder = Embedder.load(recipe.model.path)
        self._embedder.backbone.open_training("language_model")
        self._weights = [*self._embedder.backbone.trainable_parameters().values()]
        self._library = PreparedItems(self._embedder, "generative")
        root = MBeir.open(recipe.data.folder())
        names = root.tasks("train", recipe.data.datasets, recipe.data.kept_tasks())
        self._sources = {name: SceneSource(each, root, names) for name, each in recipes.items()}

    def work(self, name: str) -> Callable[[], object]:
        """All gradients of a scene, by the training's own code."""
        session = Session(self._recipes[name], self._embedder, Path("unused"), {}, resume=False)
        lesson = Lesson(session, self._library)
        scene, step = self._scene(name, 0, 0), _step(0, 0)
        step = replace(step, updates=self._recipes[name].reinforce.policy.updates_per_rollout)

        def once() -> None:
            self._embedder.backbone.zero_grad(set_to_none=True)
            for _ in lesson.gradients([scene], step):
                pass

        return once

    def gradients(self, number: int, repeat: int) -> Iterator[tuple[str, Tensor]]:
        """Each form's gradient (P,) of a scene from new rollouts."""
        scene = self._scene(EXACT, number, 0)
        step = _step(number, repeat)
        texts = self._written(EXACT, scene, step)
        fresh = self._read(EXACT, scene, texts)
        found = {name: self._gradient(name, scene, fresh, fresh.detached()) for name in SAME_ROLLOUTS}
        yield from found.items()
        if repeat % 2:
            return
        for name in OWN_ROLLOUTS:
            yield name, self._new(name, scene, step)
        for name in REDRAWN_NEGATIVES:
            yield name, self._new(name, self._scene(name, number, 1 + repeat), step)
        with _moved(self._weights, found[SINGLE], self._recipes[EXACT]):
            yield STALE, self._gradient(STALE, scene, self._read(STALE, scene, texts), fresh.detached())
            yield FRESH, self._new(FRESH, scene, step)

    def _scene(self, name: str, number: int, draw: int) -> Scene:
        """Of the queries of this number, with the negatives of this draw."""
        scene = self._sources[name].scenes(_step(number, draw))[0]
        self._library.take(scene.items)
        return scene

    def _new(self, name: str, scene: Scene, step: Step) -> Tensor:
        fresh = self._read(name, scene, self._written(name, scene, step))
        return self._gradient(name, scene, fresh, fresh.detached())

    def _written(self, name: str, scene: Scene, step: Step) -> Rollouts:
        settings = self._recipes[name].reinforce.rollouts
        return sample(
            self._embedder.backbone,
            self._embedder.processor,
            self._library.prefix(scene.keys),
            group_size=settings.group_size,
            temperature=settings.temperature,
            max_tokens=settings.max_new_tokens,
            generator=step.generator,
        )

    def _read(self, name: str, scene: Scene, texts: Rollouts) -> Rollouts:
        backbone, processor = self._embedder.backbone, self._embedder.processor
        heat = self._recipes[name].reinforce.rollouts.temperature
        return replay(backbone, processor, self._library.prefix(scene.keys), texts, heat)

    def _gradient(self, name: str, scene: Scene, fresh: Rollouts, first: Rollouts) -> Tensor:
        """(P,), of what was read with a graph, which stays."""
        recipe, processor = self._recipes[name], self._embedder.processor
        leaf = fresh.logprobs.detach().requires_grad_()
        read = replace(fresh.detached(), logprobs=leaf)
        longest = recipe.reinforce.rollouts.max_new_tokens or processor.settings.max_summary
        loss, _ = judge(recipe, scene, read, first, None, None, longest, learning(recipe, scene, first))
        (credit,) = torch.autograd.grad(loss, leaf)
        found = torch.autograd.grad(fresh.logprobs, self._weights, credit, retain_graph=True, materialize_grads=True)
        return torch.cat([each.flatten() for each in found])


@contextmanager
def _moved(weights: Sequence[torch.nn.Parameter], gradient: Tensor, recipe: Recipe) -> Iterator[None]:
    """The weights after one update by a gradient; afterwards as they were."""
    before = [weight.detach().clone() for weight in weights]
    for weight, part in zip(weights, gradient.split([each.numel() for each in weights]), strict=True):
        weight.grad = part.view_as(weight).clone()
    torch.nn.utils.clip_grad_norm_(weights, recipe.optimizer.clip_norm)
    make_optimizer([*weights], recipe.optimizer).step()
    yield
    with torch.no_grad():
        for weight, old in zip(weights, before, strict=True):
            weight.copy_(old)
            weight.grad = None


def _step(number: int, repeat: int) -> Step:
    """The queries follow from the number, negatives and rollouts from both."""
    seed = 1000 * number + repeat
    return Step(number, np.random.default_rng(seed), torch.Generator().manual_seed(seed))


def shown(measures: Measures) -> str:
    """A table in Markdown."""
    head = ["form", "cosine", "bias, relative", "variance", "seconds", "variance x seconds"]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for name, own in measures.items():
        bias, error = own["bias"]
        largest = max(bias + 2 * error, 0) ** 0.5
        itself = FORMS[name].target.name == name
        cells = [
            "" if itself else f"{own['cosine'][0]:.3f} ± {own['cosine'][1]:.3f}",
            "" if itself else f"{max(bias, 0) ** 0.5:.2f} (< {largest:.2f})",
            f"{own['variance'][0]:.3f} ± {own['variance'][1]:.3f}",
            f"{own['seconds'][0]:.2f}",
            f"{own['cost'][0]:.3f}",
        ]
        lines.append([name, *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
