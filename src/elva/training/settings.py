"""Every setting of a training run, with its type, its default and what it does.

`recipe.py` reads these from YAML; a field without a default must be given. Those of answers stand in
`answer_settings.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from elva.data.layout import kept_tasks
from elva.errors import RecipeError
from elva.strict import AT_LEAST_ONE, AT_LEAST_ZERO, POSITIVE, SHARE, Bounds
from elva.training.answer_settings import Answer, Grpo, Sampling


def _folder(key: str, value: str) -> Path:
    if not value:
        raise RecipeError(f"{key} is not set; add {key}=FOLDER to the command")
    if not Path(value).is_dir():
        raise RecipeError(f"{key} is {value}, which is no folder")
    return Path(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """Low-rank adapters on the language model; the defaults are those of the paper's peers."""

    rank: Annotated[int, "rank of the adapter matrices", AT_LEAST_ONE] = 64
    alpha: Annotated[float, "scale: the adapter adds alpha / rank times its product", POSITIVE] = 128.0
    dropout: Annotated[float, "dropout on the adapter's input", SHARE] = 0.0
    targets: Annotated[tuple[str, ...], "linear layers that get an adapter"] = (
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """A new tiny Qwen2-VL with random weights and a tokenizer trained on the data's texts."""

    hidden_size: Annotated[int, "width of the language model", AT_LEAST_ONE] = 128
    intermediate_size: Annotated[int, "width of its feed-forward layers", AT_LEAST_ONE] = 256
    layers: Annotated[int, "layers of the language model", AT_LEAST_ONE] = 3
    heads: Annotated[int, "attention heads", AT_LEAST_ONE] = 4
    kv_heads: Annotated[int, "key and value heads; divides heads", AT_LEAST_ONE] = 2
    rope_theta: Annotated[
        float, "base of the rotary frequencies: longer turns need more, small pictures less", Bounds(1)
    ] = 20.0
    vision_width: Annotated[int, "width of the vision tower", AT_LEAST_ONE] = 128
    vision_layers: Annotated[int, "layers of the vision tower", AT_LEAST_ONE] = 4
    vision_heads: Annotated[int, "attention heads of the vision tower", AT_LEAST_ONE] = 4
    patch_size: Annotated[int, "side of a vision patch in pixels", AT_LEAST_ONE] = 16
    vocabulary: Annotated[int, "tokens of the trained tokenizer", Bounds(300)] = 800
    min_pixels: Annotated[int, "images below this area are scaled up to it", AT_LEAST_ONE] = 4096
    max_pixels: Annotated[int, "images above this area are scaled down to it", AT_LEAST_ONE] = 4096
    generative_prompt: Annotated[str | None, "prompt of the summary; null: the built-in one"] = None
    one_word_prompt: Annotated[str | None, "prompt of one_word; null: the built-in one"] = None
    max_summary: Annotated[int, "longest summary in tokens, before [RET] is forced", AT_LEAST_ONE] = 40
    max_text: Annotated[int, "tokens of an item's own text, and of a question's; the rest is cut", AT_LEAST_ONE] = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Which model is trained, and which part of it."""

    path: Annotated[str, "checkpoint folder, or the name of a packaged one"] = "tiny-base"
    trainable: Annotated[
        Literal["language_model", "lora", "all"],
        "the language model itself, LoRA adapters on it, or everything with the vision tower",
    ] = "language_model"
    precision: Annotated[
        Literal["float32", "bfloat16"],
        "of matrix products, and of weights that don't train beside LoRA; what trains stays float32",
    ] = "float32"
    gradient_checkpointing: Annotated[bool, "compute layers again in the backward pass, to hold less memory"] = False
    shard: Annotated[bool, "spread the layers over the processes (FSDP), for a model too large for one device"] = False
    lora: Lora = Lora()
    create: Annotated[Create | None, "null: start from path; else a new model, base stage"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """What is trained on: a folder in M-BEIR layout, and files that earlier commands made."""

    root: Annotated[str, "data folder in M-BEIR layout"] = ""
    split: Annotated[str, "split to train on"] = "train"
    datasets: Annotated[tuple[str, ...], "only these data sets; empty: all"] = ()
    tasks: Annotated[tuple[int, ...], "only these M-BEIR task ids; empty: all", AT_LEAST_ZERO] = ()
    exclude_tasks: Annotated[tuple[int, ...], "none of these M-BEIR task ids: held out of training", AT_LEAST_ZERO] = ()
    triples: Annotated[str | None, "NLI triples (csv or jsonl): the data of stage 1"] = None
    captions: Annotated[str | None, "captions.jsonl made by `elva caption`"] = None
    negatives: Annotated[str | None, "file of negatives made by `elva mine`"] = None
    likelihoods: Annotated[str | None, "file made by `elva likelihood`, for reinforce.order.source likelihood"] = None
    max_queries: Annotated[int | None, "use at most this many queries", AT_LEAST_ONE] = None
    skip_bad_rows: Annotated[bool, "count and drop bad rows where they would be errors"] = False
    check_images: Annotated[bool, "open every picture before the first step; False: `elva data check` did"] = True
    image_cache: Annotated[str | None, "folder that keeps vision features between runs"] = None
    picture_memory: Annotated[
        float, "GiB for vision features; where all need more, each step looks at its own pictures", AT_LEAST_ZERO
    ] = 4.0

    def kept_tasks(self) -> tuple[int, ...]:
        """Task ids to read, as every reader takes them: empty for all."""
        return kept_tasks(self.tasks, self.exclude_tasks)

    def folder(self) -> Path:
        """The data folder.

        Raises:
            RecipeError: root is not set, or is no folder.
        """
        return _folder("data.root", self.root)

    def file(self, name: Literal["triples", "captions", "negatives", "likelihoods"]) -> Path:
        """The file of a setting, looked up below the data folder first, then as it stands.

        Raises:
            RecipeError: the setting is null, or there is no such file.
        """
        value: str | None = getattr(self, name)
        if value is None:
            raise RecipeError(f"data.{name} is not set; add data.{name}=FILE to the command")
        places = [self.folder() / value, Path(value)] if self.root else [Path(value)]
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            looked = " and ".join(str(place) for place in dict.fromkeys(places))
            raise RecipeError(f"data.{name} is {value}, but there is no file {looked}")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How long to train: exactly one of the three is set."""

    steps: Annotated[int | None, "updates of the weights", AT_LEAST_ONE] = None
    epochs: Annotated[float | None, "passes over the data", POSITIVE] = None
    seconds: Annotated[float | None, "seconds of training, without loading", POSITIVE] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimizer:
    """AdamW and its learning rate over the budget."""

    lr: Annotated[float, "largest learning rate", POSITIVE]
    weight_decay: Annotated[float, "decay of the weight matrices", AT_LEAST_ZERO] = 0.01
    warmup: Annotated[float, "share of the budget in which the rate rises from 0", SHARE] = 0.05
    schedule: Annotated[Literal["constant", "linear", "cosine"], "how the rate falls after it"] = "cosine"
    clip_norm: Annotated[float, "largest norm of the gradient", POSITIVE] = 1.0
    betas: Annotated[tuple[float, float], "AdamW's averaging of gradient and square", SHARE] = (
        0.9,
        0.98,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """Base stage: the model learns to say what it sees."""

    batch_size: Annotated[int, "items in one step", AT_LEAST_ONE] = 64
    text_share: Annotated[float, "share of items that are text only", SHARE] = 0.3
    instruction_share: Annotated[float, "share of items that carry an instruction", SHARE] = 0.5
    crop: Annotated[float, "largest share of a picture's side that is cut away at random", SHARE] = 0.0
    mirror: Annotated[float, "share of pictures mirrored; only where left and right mean nothing", SHARE] = 0.0
    asked_share: Annotated[
        float, "share of items that show an answer of a query, whose words are written instead of a caption", SHARE
    ] = 0.0
    asked_split: Annotated[str, "split of those queries"] = "train"
    asked_datasets: Annotated[tuple[str, ...], "only queries of these data sets; empty: all"] = ()
    asked_instruction: Annotated[
        str, "what such an item is shown with; stays with the model, for `elva likelihood --asked`"
    ] = "What would one ask for to find this?"
    questions_share: Annotated[float, "share of items that are questions about videos, answered in words", SHARE] = 0.0
    questions: Annotated[str | None, "folder of those questions, in the layout of SEED-Bench-R1"] = None
    questions_file: Annotated[str, "which of its files; every row says what to write"] = "training_base"

    def questions_folder(self) -> Path:
        """The folder of the questions.

        Raises:
            RecipeError: questions is not set, or is no folder.
        """
        return _folder("caption.questions", self.questions or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Nested:
    """Shorter vectors within the vector, for stages 1 to 3 (Kusupati et al., 2022): each length ranks by itself."""

    lengths: Annotated[
        tuple[int, ...],
        "numbers of a vector's beginning that learn to rank alone, beside the whole; falling, and below the model's "
        "width; empty: the whole alone",
        AT_LEAST_ONE,
    ] = ()
    weights: Annotated[
        tuple[float, ...], "of these lengths, beside 1 for the whole, in a mean; empty: 1 each", POSITIVE
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """Stages 1 and 2: InfoNCE (paper section 2)."""

    batch_size: Annotated[int, "queries in one step", Bounds(2)] = 64
    temperature: Annotated[float, "temperature of the softmax over cosines", POSITIVE] = 0.05
    learn_temperature: Annotated[bool, "the temperature trains too, from that value, and is at least 0.01"] = False
    hard_negatives: Annotated[int, "mined negatives per query", AT_LEAST_ZERO] = 0
    triple_negatives: Annotated[bool, "use the contradictions of data.triples"] = True
    symmetric: Annotated[bool, "also rank the queries for each candidate"] = True
    lm_weight: Annotated[float, "weight of the summary's language-model loss", AT_LEAST_ZERO] = 0.0
    prefill_weight: Annotated[
        float,
        "weight of the same loss on the states at the end of the summary's prompt, so that extraction prefill can be "
        "used; they are read on the way",
        AT_LEAST_ZERO,
    ] = 0.0
    items_per_forward: Annotated[int | None, "items read at once, for memory; null: a whole batch", AT_LEAST_ONE] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollouts(Sampling):
    """Sampling of summaries in stage 3."""

    group_size: Annotated[int, "sampled summaries per item: the paper's G; 0 samples none", AT_LEAST_ZERO] = 8
    max_new_tokens: Annotated[
        int | None, "longest summary, before [RET] is forced; null: the checkpoint's own", AT_LEAST_ONE
    ] = None
    of: Annotated[
        Literal["all", "queries"], "whose summaries are sampled; those of candidates may be their own captions instead"
    ] = "all"
    own_caption: Annotated[bool, "add one rollout on the base's own caption"] = False
    scenes_at_once: Annotated[
        int, "so many steps' queries are written about in one go, then each step makes its update", AT_LEAST_ONE
    ] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Which objectives stage 3 adds up, and how strongly."""

    policy: Annotated[float, "GRPO on the rewards: their gradient through the tokens", AT_LEAST_ZERO] = 1.0
    path: Annotated[float, "the rewards themselves: their gradient through the embeddings", AT_LEAST_ZERO] = 0.0
    order: Annotated[float, "a verified order of the candidates, by reinforce.order", AT_LEAST_ZERO] = 0.0
    infonce: Annotated[float, "InfoNCE on the same summaries: the control", AT_LEAST_ZERO] = 0.0
    lm: Annotated[float, "language-model loss on the own caption", AT_LEAST_ZERO] = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reward:
    """The paper's rewards (section 4): alpha * R_margin + epsilon * R_rank."""

    alpha: Annotated[float, "weight of R_margin", AT_LEAST_ZERO] = 0.4
    epsilon: Annotated[float, "weight of R_rank", AT_LEAST_ZERO] = 0.6
    delta: Annotated[float, "margin that R_margin asks for"] = 0.0
    margin: Annotated[
        Literal["printed", "clipped"],
        "R_margin as printed, max(0, gap - delta), or min(gap, delta), which also tells lost rankings apart",
    ] = "printed"
    gamma: Annotated[float, "charge on the negatives; a larger one pays for bad ranks"] = 0.005
    log_base: Annotated[Literal["e", 2, 10], "base of the logarithm of ranks"] = "e"
    shape: Annotated[Literal["printed", "normalised"], "weights of the negatives: as printed, or summing to 1"] = (
        "printed"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(Grpo):
    """GRPO of stage 3."""

    reward: Annotated[
        Literal["ranks", "order"], "what is rewarded: the paper's R_total, or the order that weights.order teaches"
    ] = "ranks"
    pairings: Annotated[
        Literal["diagonal", "all", "single"],
        "what pays a rollout: its own index's ranking; all rollouts of query and of candidates against each other; or "
        "what each single summary changes while the others of an index stay",
    ] = "diagonal"
    gradient_negatives: Annotated[
        int | None,
        "the gradient is that of query, positive and so many nearest negatives of each rollout; the rest is not read "
        "again; null: all",
        AT_LEAST_ZERO,
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The order of the candidates that `weights.order` teaches: h, how many grains each is away."""

    source: Annotated[
        Literal["captions", "likelihood", "reference", "annotations"],
        "who says h: the base's captions; how probable it finds the query behind a candidate; the cosines of the model "
        "that stage 3 starts from; or the annotations of the data, an upper bound that no unlabelled data has",
    ] = "captions"
    loss: Annotated[
        Literal["listwise", "regression", "listmle", "approx_ndcg", "lambda_rank", "cosent"],
        "what compares the cosines with h",
    ] = "listwise"
    grain_temperature: Annotated[
        float, "in grains: softness of listwise's target, and of the gains of approx_ndcg and lambda_rank", POSITIVE
    ] = 0.5
    temperature: Annotated[float, "temperature of the cosines in all losses but regression", POSITIVE] = 0.05
    other_offset: Annotated[float, "grains added for all but the positive", AT_LEAST_ZERO] = 1.0
    wrong_share: Annotated[
        float, "share of the grains of captions that are exchanged for others: how good must the base be?", SHARE
    ] = 0.0
    anchors: Annotated[Literal["all", "queries"], "who ranks: every item of the step, or the queries alone"] = "all"
    nats: Annotated[float, "log-likelihood that one grain costs, for source likelihood", POSITIVE] = 4.0
    slope: Annotated[float, "cosine that one grain costs, in the regression and for source reference", POSITIVE] = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """Constant vectors of every candidate: queries alone learn, and each ranks its whole pool."""

    refresh_every: Annotated[
        int | None,
        "with reinforce.index={}, which gives all candidates constant vectors and lets queries alone learn: updates "
        "after which the policy makes the vectors anew; null: never",
        AT_LEAST_ONE,
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reinforce:
    """Stage 3: ranking-driven reinforcement learning (paper sections 3 to 5)."""

    queries_per_step: Annotated[int, "queries in one step", AT_LEAST_ONE] = 8
    hard_negatives: Annotated[int, "mined negatives per query", AT_LEAST_ZERO] = 50
    random_negatives: Annotated[int, "random negatives per query", AT_LEAST_ZERO] = 50
    shared_negatives: Annotated[
        bool, "a query ranks the candidates of the step's other queries too, where they are no right answers of its own"
    ] = False
    rollouts: Rollouts = Rollouts()
    weights: Weights = Weights()
    reward: Reward = Reward()
    policy: Policy = Policy()
    order: Order = Order()
    index: Annotated[
        Index | None,
        "null: a step ranks its own candidates, which learn too; else queries alone learn, and weights.order and "
        "weights.infonce rank the whole pool by vectors made before the first step",
    ] = None
    items_per_forward: Annotated[int | None, "items read at once, for memory; null: what is fastest", AT_LEAST_ONE] = (
        None
    )
    infonce_temperature: Annotated[float, "temperature of weights.infonce", POSITIVE] = 0.05
    lm_candidates: Annotated[
        int | None,
        "candidates of a step whose captions weights.lm counts, beside all queries; null: all that are read",
        AT_LEAST_ZERO,
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """How often the state of the training is written, for `--resume`."""

    every_steps: Annotated[int, "updates between two checkpoints", AT_LEAST_ONE] = 200
    keep: Annotated[int, "newest checkpoints that are kept", AT_LEAST_ONE] = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """How often a line goes to metrics.jsonl, and where else it goes."""

    every_steps: Annotated[int, "updates between two lines", AT_LEAST_ONE] = 10
    to: Annotated[
        tuple[Literal["tensorboard", "trackio", "wandb"], ...],
        "where the lines go beside metrics.jsonl; empty: nowhere",
    ] = ()
    project: Annotated[str, "the project that trackio and wandb file the run under"] = "elva"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All settings of one training run."""

    stage: Annotated[Literal["base", "contrast", "reinforce", "answer_sft", "answer_grpo"], "which training loop runs"]
    name: Annotated[str, "a name for logs and tables"] = ""
    seed: Annotated[int, "seed of weights, order and sampling", AT_LEAST_ZERO] = 0
    extraction: Annotated[Literal["generative", "one_word"], "[RET] after a summary, or one word (paper section 3)"] = (
        "generative"
    )
    bottleneck: Annotated[
        Literal["none", "states", "words", "pictures"],
        "what [RET] sees: item and summary; the summary alone, whose states have seen the item; its words alone; or "
        "the item's own words and those of the summary, so that only pictures and clips are hidden",
    ] = "none"
    summaries: Annotated[
        int,
        "of how many summaries the trained model's vectors are the mean: a greedy one, others sampled",
        AT_LEAST_ONE,
    ] = 1
    summary_temperature: Annotated[float, "temperature of those that are sampled", POSITIVE] = 1.0
    nested: Nested = Nested()
    model: Model = Model()
    data: Data = Data()
    budget: Budget
    optimizer: Optimizer
    caption: Caption = Caption()
    contrast: Contrast = Contrast()
    reinforce: Reinforce = Reinforce()
    answer: Answer = Answer()  # noqa: RUF009  # frozen, as the others are
    checkpoint: Saving = Saving()
    log: Log = Log()

    @property
    def answers(self) -> bool:
        """Whether questions are answered in words: nothing is embedded."""
        return self.stage in ("answer_sft", "answer_grpo")
