"""The two extraction templates, the words of a user turn around one item, and how a question with options is put.

Generative (paper, section 3): the model writes a summary and then [RET]; the embedding is the state at [RET].
One-word: the classic extraction; the embedding is the state at the end of the prompt, just before the one word.
Own: the item's own words ask already, as a benchmark's questions do; what is written is an answer, not an embedding.
The chat format around the turn is the checkpoint's own template.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from elva.items import Item, Modality

RET = "[RET]"

Prompt = Literal["generative", "one_word", "own"]
"""What a user's turn ends with: the template of an extraction, or the item's own words."""

PAPER_GENERATIVE = (
    "Analyze and summarize the key information of the above input. "
    f"Finally, append the special token {RET} to represent the entire input."
)
CLASSIC_ONE_WORD = "Summarize above {modality} in one word:"

MODALITY_WORDS = {
    "text": "sentence",
    "image": "image",
    "image,text": "image and sentence",
    "video": "video",
    "video,text": "video and sentence",
}
"""What the one-word prompt calls each modality."""
MIXED_WORDS = {"video": "image and video", "video,text": "image, video and sentence"}
"""What it calls turns that show images and videos."""

MATCH = (
    f"I will provide you with a query and a candidate. Please evaluate whether the candidate{' ' * 24}meets the "
    "requirements of the query. If it does, respond with 'Yes'; if it doesn't, responed with 'No'."
)
"""What LamRA-Rank (Liu et al., 2024) was asked in training, to the letter: it knows its spaces and its slip."""
QUERY, CANDIDATE = "Query:", "Candidate:"
YES, NO = "Yes", "No"
"""Around query and candidate in that turn, and the two answers."""

THINK_AND_ANSWER = "Think inside <think> </think>, then give the letter of the right option inside <answer> </answer>."
"""What follows the options of a question."""
STEP_BY_STEP = (
    "Solve this step by step. Begin each step that says what is seen with when it is seen, such as 0:08-0:30. "
    "Put the final answer last."
)
"""What follows a question whose steps are judged."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """The instructions that follow the item in the user's turn; saved with the checkpoint.

    The tiny model uses shorter ones: at its size every prompt token is a share of the running time.

    Attributes:
        generative: asks for a summary.
        one_word: asks for one word. `{modality}` becomes what the item holds; `{above}` what stands above the prompt,
            where an instruction is a sentence like any other.
        sentences: write instruction and text as sentences first (`as_sentence`).
    """

    generative: str = PAPER_GENERATIVE
    one_word: str = CLASSIC_ONE_WORD
    sentences: bool = False

    def own_texts(self, item: Item, texts: Sequence[str | None]) -> list[str]:
        """The words behind what each part of an item shows: its text, the first one's behind the instruction.

        They may be nothing. A line break ends all but the last. Arguments as in `user_texts`.
        """
        first, *others = texts
        *before, last = [self._above(item.instruction, first), *(self._above(None, text) for text in others)]
        return [*(f"{words}\n" if words else "" for words in before), last]

    def user_texts(self, item: Item, texts: Sequence[str | None], prompt: Prompt) -> list[str]:
        """As `own_texts`; behind the last a line break and the extraction prompt.

        A prompt that begins with a line break of its own has it with nothing above, too. Under "own" the texts stand
        as they are, the first one behind the instruction: whoever asks has written the breaks, too.

        Args:
            item: gives the instruction and, for the one-word prompt, the modality.
            texts: of each part of the item its text after truncation, or None.
            prompt: which template, if any.
        """
        if prompt == "own":
            return [_joined(item.instruction, texts[0]), *(text or "" for text in texts[1:])]
        *before, above = self.own_texts(item, texts)
        pictured, written = any(part.image is not None for part in item.parts), any((*before, above))
        shown: Modality = "text" if not pictured else "image,text" if written else "image"
        words = self.generative if prompt == "generative" else self.one_word
        words = words.replace("{modality}", _modality_words(item)).replace("{above}", MODALITY_WORDS[shown])
        return [*before, above + words if words.startswith("\n") or not above else f"{above}\n{words}"]

    def _above(self, instruction: str | None, text: str | None) -> str:
        if self.sentences and instruction:
            instruction = as_sentence(instruction)
        above = _joined(instruction, text)
        return as_sentence(above) if self.sentences else above


def _joined(*parts: str | None) -> str:
    return " ".join(part for part in parts if part)


def _modality_words(item: Item) -> str:
    mixed = {part.video is None for part in item.parts if part.shown is not None} == {True, False}
    return MIXED_WORDS[item.modality] if mixed else MODALITY_WORDS[item.modality]


def as_sentence(text: str) -> str:
    """A text as the code of M-BEIR hands it to models: bare of quotes around, a capital first, a mark at the end."""
    bare = text.replace("\r", "").strip().strip('"')
    return bare[:1].upper() + bare[1:] + ("." if bare and bare[-1] not in ".?!" else "")


def multiple_choice(question: str, choices: Sequence[str]) -> str:
    """A question, its options by letter (A, B, ...), and how to answer; a line each."""
    options = (f"{chr(ord('A') + place)}. {choice}" for place, choice in enumerate(choices))
    return "\n".join([question, *options, THINK_AND_ANSWER])


def step_by_step(question: str, times: Sequence[float]) -> str:
    """A question, when the frames are that are shown, in seconds, and how to answer; a line each."""
    shown = [f"The video is shown at {', '.join(map(clock, times))}."] if times else []
    return "\n".join([question, *shown, STEP_BY_STEP])


def clock(seconds: float) -> str:
    """A moment as steps write it, to a tenth of a second: 1:05, 0:00.5."""
    tenths = round(seconds * 10)
    rest = tenths % 10
    return f"{tenths // 600}:{tenths // 10 % 60:02d}" + (f".{rest}" if rest else "")
