"""Transformers' vision towers, asked so that they answer sooner: the same numbers, but for rounding."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PatchProduct(nn.Conv3d):
    """A convolution over what is one patch already, as the product of matrices that it is.

    The towers lay patches out one by one and then convolve each with a kernel of its size, at a fraction of the speed.
    """

    def forward(self, patches: Tensor) -> Tensor:
        """(N, D, 1, 1, 1) of (N, C, T, P, P); whatever is larger than the kernel is convolved."""
        if patches.shape[2:] != self.kernel_size or any(self.padding) or self.groups > 1:
            return super().forward(patches)
        product = F.linear(patches.flatten(1), self.weight.flatten(1), self.bias)
        return product[:, :, None, None, None]


def multiply_patches(tower: Any) -> None:
    """Let the tower embed its patches by a product of matrices; weights and their names stay."""
    embed = getattr(getattr(tower, "patch_embed", None), "proj", None)
    if type(embed) is nn.Conv3d:
        embed.__class__ = PatchProduct


def joined(grids: Tensor) -> Tensor:
    """The grids (m, 3) of fewer and longer clips, m <= n, that hold the patches of n pictures and clips (n, 3).

    A tower that looks at one temporal patch at a time sees no difference, and works through its clips one by one.
    """
    sides, each = torch.unique_consecutive(grids[:, 1:], dim=0, return_inverse=True)
    lengths = grids.new_zeros(len(sides)).index_add_(0, each, grids[:, 0])
    return torch.cat([lengths[:, None], sides], 1)
