"""What makes a vision tower answer sooner changes none of its numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from elva.model.backbone import Backbone
from elva.model.tower import PatchProduct, joined, multiply_patches
from families import CLASSES, save_family


def test_a_product_over_whole_patches_is_their_convolution() -> None:
    torch.manual_seed(0)
    conv = nn.Conv3d(3, 8, (2, 4, 4), stride=(2, 4, 4))
    tower = nn.Module()
    tower.patch_embed = nn.Module()
    tower.patch_embed.proj = conv
    patches, larger = torch.randn(5, 3, 2, 4, 4), torch.randn(2, 3, 4, 8, 8)
    before = [conv(patches), conv(larger)]
    names = {*conv.state_dict()}
    multiply_patches(tower)
    assert isinstance(conv, PatchProduct)
    assert {*conv.state_dict()} == names
    torch.testing.assert_close(conv(patches), before[0])
    torch.testing.assert_close(conv(larger), before[1])


def test_a_convolution_of_another_kind_is_left_alone() -> None:
    tower = nn.Module()
    tower.patch_embed = nn.Module()
    tower.patch_embed.proj = nn.Conv2d(3, 8, 4, stride=4)
    multiply_patches(tower)
    multiply_patches(nn.Module())
    assert type(tower.patch_embed.proj) is nn.Conv2d


def test_neighbours_of_one_size_become_one_clip() -> None:
    grids = torch.tensor([[1, 2, 4], [1, 2, 4], [3, 2, 4], [1, 4, 2], [1, 2, 4]])
    assert joined(grids).tolist() == [[5, 2, 4], [1, 4, 2], [1, 2, 4]]


@pytest.mark.parametrize("family", CLASSES)
def test_pictures_of_one_size_are_seen_as_each_alone(family: str, tmp_path: Path) -> None:
    backbone = Backbone.load(save_family(family, tmp_path))
    vision = backbone.plain.config.vision_config
    merge = vision.spatial_merge_size
    grids = torch.tensor([[1, 2 * merge, merge]] * 3 + [[2, merge, merge]] * 2)
    width = vision.temporal_patch_size * vision.patch_size**2 * 3
    pixels = torch.randn(int(grids.prod(-1).sum()), width)
    together = backbone.see(pixels, grids)
    parts = pixels.split(grids.prod(-1).tolist())
    alone = [backbone.see(part, grid[None])[0] for part, grid in zip(parts, grids, strict=True)]
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
