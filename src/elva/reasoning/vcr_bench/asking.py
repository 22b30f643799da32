"""What a model is asked to judge a response by, and what it is told where its reply can't be read.

The words are ours, made to the published protocol: four questions about a response, the same rules for steps. A
published figure was judged by another model with other words.
"""

from __future__ import annotations

from elva.reasoning.vcr_bench.judging import NOTHING, Answered
from elva.reasoning.vcr_bench.wording import MOST

_KINDS = """\
Kinds of step:
- "Video Description Steps": what is seen, and when; nothing is concluded.
- "Logical Inference Steps": one conclusion that was not stated before. The final answer is such a step.
- "Background Review Steps": repeats the question, or has nothing to do with solving it."""

_SEEN = """\
[Question]
{question}

[Right answer]
{answer}

[Reference steps]
{steps}

[Response]
{response}"""
"""What both questions about steps are about."""

EXTRACT = """\
Below are a question about a video and a response to it. Find the final answer that the response gives.
- Where the question offers options: the letter of the option that the answer names, or whose content it gives.
- Else: the answer itself, as a value, a short phrase or a sentence. A span of time as [start, end] in seconds: from 1 \
minute 30 to 2 minutes 30 is [90, 150]. A box as [x1, y1, x2, y2].
- Where the response gives no answer, or none of the options: {nothing}
Write the answer and nothing else.

[Question]
{question}

[Response]
{response}"""

SCORE = """\
Below are a question about a video, its right answer, and the answer that somebody gave. Do the two agree?
- Where the question offers options, the letter has to be the same, or the content that of the right option.
- Else they have to mean the same: 0.5 m and 50 cm agree, "two" and "three" do not.
Write 1 if they agree and 0 if they do not, and nothing else.

[Question]
{question}

[Right answer]
{answer}

[Given answer]
{given}"""

RECALL = (
    """\
Below are a question about a video, its right answer, the steps of a reference solution, and somebody's response. For \
each reference step, say of which kind it is, and whether the response has it.
{kinds}

A reference step is "Matched" if the response says the same, or something it follows from directly, in all details: \
things, numbers, order. Else it is "Unmatched".
Judge every reference step once, in order: there are {count}. Write a JSON list and nothing else:
[{{"step": "the reference step", "step_type": "Video Description Steps", "judgment": "Matched"}}]

"""
    + _SEEN
)

PRECISION = (
    """\
Below are a question about a video, its right answer, the steps of a reference solution, and somebody's response. Take \
the response apart into steps of one statement each, in its order, without adding or leaving out anything; of what \
repeats itself, keep one. At most {most} steps, the one with the final answer among them. Then judge each.
{kinds}

- "Matched": it agrees with the reference; or the reference lacks it, but it is sound, helps to solve the question, \
and contradicts neither the reference nor the right answer.
- "Wrong": it contradicts them. What is seen may be up to 3 seconds off; said without a time, it is wrong.
- "Redundant": it does not help to solve the question. Background mostly does not.
Write a JSON list and nothing else:
[{{"step": "a step of the response", "step_type": "Logical Inference Steps", "reason": "why", "judgment": "Wrong"}}]

"""
    + _SEEN
)


def extraction(answered: Answered) -> str:
    """Asks for the answer that a response gives."""
    return EXTRACT.format(question=answered.question.words, response=answered.response, nothing=NOTHING)


def scoring(answered: Answered, given: str) -> str:
    """Asks whether that is right."""
    return SCORE.format(question=answered.question.words, answer=answered.question.answer, given=given)


def recalling(answered: Answered) -> str:
    """Asks which steps of the reference a response has."""
    return RECALL.format(count=len(answered.question.steps), **_shown(answered))


def dissecting(answered: Answered) -> str:
    """Asks for the steps of a response."""
    return PRECISION.format(most=MOST, **_shown(answered))


def _shown(answered: Answered) -> dict[str, str]:
    question = answered.question
    return {
        "kinds": _KINDS,
        "question": question.words,
        "answer": question.answer,
        "steps": "\n".join(question.steps),
        "response": answered.response,
    }
