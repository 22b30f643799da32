"""Weights spread over the processes of a team, for models that don't fit into one device (FSDP).

Each layer of the language model is a unit of torch's `fully_shard`: a process holds its part of every weight, of its
gradient and of its optimiser state, and a layer is put together while it computes. What lies outside the layers
(vision tower, token tables, the rows of [RET]) is small beside them and stays whole in every process.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from elva.model.backbone import Backbone
from elva.training.team import Team


def shard(backbone: Backbone, team: Team) -> None:
    """Spread the layers over the team; afterwards their parameters are DTensors.

    Gradients are summed over the processes, not averaged: each carries the gradient of its own share of one loss.
    """
    mesh = init_device_mesh(backbone.device.type, (team.size,))
    for layer in backbone.layers:
        fully_shard(layer, mesh=mesh)
        assert isinstance(layer, FSDPModule)
        layer.set_gradient_divide_factor(1.0)
        layer.set_force_sum_reduction_for_comms(True)
    # The model around them only leads: a layer that is nobody's part would stay whole after its forward.
    model = backbone.plain.model.language_model
    inside = {id(each) for layer in backbone.layers for each in layer.parameters()}
    fully_shard(model, mesh=mesh, ignored_params={each for each in model.parameters() if id(each) not in inside})


@contextmanager
def put_together(backbone: Backbone) -> Iterator[None]:
    """Hold all layers whole meanwhile: writing a summary reads every weight once per token, which is much to send."""
    layers = [layer for layer in backbone.layers if isinstance(layer, FSDPModule)]
    for layer in layers:
        layer.unshard()
        layer.set_reshard_after_forward(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.set_reshard_after_forward(True)
            layer.reshard()


def whole(tensor: Tensor) -> Tensor:
    """A tensor put together from all processes, each of which must call this; one that isn't spread as it is."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def gathered(tensors: Mapping[str, Tensor], team: Team) -> dict[str, Tensor]:
    """Whole tensors on the CPU, one after the other: a device has room for its part. Empty but for the leader."""
    found = {}
    for name, tensor in tensors.items():
        complete = whole(tensor.detach())
        if team.leads:
            found[name] = complete.cpu()
    return found


def is_spread(tensor: Tensor) -> bool:
    """Whether processes hold parts of it."""
    return isinstance(tensor, DTensor)


def own_part(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def spread_like(tensor: Tensor, like: Tensor) -> Tensor:
    """A whole tensor, spread as another one is."""
    if not isinstance(like, DTensor):
        return tensor
    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements)


def clip_gradients(parameters: Iterable[nn.Parameter], longest: float, team: Team) -> float:
    """Scale all gradients, which have been summed over the team, to a norm of at most `longest`; gives their norm."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    held = [gradient for gradient in gradients if not isinstance(gradient, DTensor)]
    spread = [own_part(gradient) for gradient in gradients if isinstance(gradient, DTensor)]
    square = float(nn.utils.get_total_norm(held)) ** 2
    if spread:
        square += team.sum(float(nn.utils.get_total_norm(spread)) ** 2)
    norm = math.sqrt(square)
    if norm > longest:
        for gradient in held + spread:
            gradient.mul_(longest / norm)
    return norm
