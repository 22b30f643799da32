"""Stories in words: what is seen of them, in sentences of few words that always read the same."""

from __future__ import annotations

from elva.data.world.shots import STEPS, TURNING
from elva.data.world.stories import STILL, Role, State, Story, place_name


def seen(role: Role, beat: int = 0) -> str:
    """What a clip shows of a thing in one beat: "The red solid moon is top, then middle: moving down."."""
    action = role.actions[beat]
    if action == STILL:
        return f"The {role.name} is still."
    before, after = role.states[beat : beat + 2]
    return f"The {role.name} is {_state(before, action)}, then {_state(after, action)}: {action}."


def seen_now(role: Role, beat: int) -> str:
    """What a picture shows of a thing after a beat that lies behind the clip."""
    return f"Now it is {_state(role.states[beat + 1], role.actions[beat])}: {role.actions[beat]}."


def told(story: Story) -> str:
    """All that a story shows: each thing, what it does beat by beat, and the background."""
    sentences = []
    for role in story.roles:
        acting = [beat for beat, action in enumerate(role.actions) if action != STILL]
        sentences += [
            seen(role, beat) if beat == (acting or [0])[0] else seen_now(role, beat) for beat in acting or [0]
        ]
    return " ".join([*sentences, f"The background is {story.background}."])


def concluded(answer: str) -> str:
    """The last step of every solution."""
    return f"So the answer is {answer}."


def _state(state: State, action: str) -> str:
    """How a thing stands, said by what the action changes."""
    if action in STEPS:
        return place_name(state.place)
    if action == TURNING:
        return "turned" if state.turns else "upright"
    return state.size
