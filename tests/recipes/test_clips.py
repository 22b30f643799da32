"""The stages on clips: captions, stage 2, mining, stage 3; and what a thing does, judged as a grain."""

from __future__ import annotations

import json
from pathlib import Path

from chain import STAGE3, Chain
from elva.data.world import write_world
from elva.data.world.words import CLIP_KINDS
from elva.evaluation.mbeir import evaluate
from elva.model.embedder import Embedder
from elva.training.captions import write_captions
from elva.training.negatives import mine

CLIPS = ["data.datasets=[clips]", "data.tasks=[10]"]


def test_every_stage_runs_on_clips(chain: Chain, tmp_path: Path) -> None:
    clips = Chain(write_world(tmp_path / "world", size="tiny", clips=True).root, tmp_path)
    base = chain.home / "base" / "model"
    write_captions(clips.world, Embedder.load(base), tmp_path / "captions.jsonl", datasets=["clips"])
    stage2 = clips.run("stage2", f"model.path={base}", clips.captions, *CLIPS)
    mine(clips.world, Embedder.load(stage2.model), tmp_path / "negatives.jsonl", datasets=["clips"], top=6)
    stage3 = clips.stage3("elva", *CLIPS, *STAGE3, "reinforce.order={source: annotations, loss: cosent}")
    evaluate(clips.world, Embedder.load(stage3.model), out=tmp_path / "evaluation", datasets=["clips"])
    results = json.loads((tmp_path / "evaluation" / "results.json").read_text())
    assert results["tasks"]["clips_task10_test"]["queries"] == 3
    assert sorted(results["grains"]) == sorted(CLIP_KINDS)
