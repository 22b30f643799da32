"""A pretended device: tensors that say they lie on it compute on the CPU, and refuse to meet those that don't.

On a machine without a GPU this finds what a GPU would refuse: a tensor that was made on the CPU where the model's are
not. It says nothing about speed, memory, or a device's own rounding.

    python tests/pretended.py RECIPE OUT [KEY=VALUE ...]     trains there

A device is registered for a whole process and for good, so tests train in a process of their own.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "pretended"
CROSSING = ("_to_copy", "copy_")
INDEXING = ("index", "index_put_", "_index_put_impl_")  # a device takes indices from the CPU


class There(torch.Tensor):
    """A tensor on the pretended device."""

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> There:
        return torch.Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=torch.device(NAME, 0),
        )

    def __init__(self, inner: torch.Tensor) -> None:
        self.inner = inner

    def tolist(self) -> Any:
        return self.inner.tolist()

    @classmethod
    def __torch_dispatch__(cls, function: Any, kinds: Any, args: Any = (), kwargs: Any = None) -> Any:
        return compute(function, args, kwargs or {})


class Pretending(TorchDispatchMode):
    """Meanwhile the device is there: what is made on it, is."""

    def __enter__(self) -> Any:
        torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(..., device=...) is a copy that we get to see
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        torch._C._set_only_lift_cpu_tensors(False)

    def __torch_dispatch__(self, function: Any, kinds: Any, args: Any = (), kwargs: Any = None) -> Any:
        return compute(function, args, kwargs or {})


def compute(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Call a kernel on the CPU's tensors; RuntimeError where its arguments lie on two devices."""
    name = function._schema.name.split("::")[1]
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    there = any(isinstance(each, There) for each in tensors)
    strangers = [each for each in tensors if not isinstance(each, There) and each.ndim]
    if there and strangers and name not in CROSSING + INDEXING:
        shapes = [(tuple(each.shape), each.dtype) for each in strangers]
        raise RuntimeError(f"{function}: {shapes} on the CPU meet tensors on {NAME}")
    if name == "copy_":
        there = isinstance(args[0], There)
    if kwargs.get("device") is not None:
        there = torch.device(kwargs["device"]).type == NAME
        kwargs = {**kwargs, "device": torch.device("cpu")}
    with torch.no_grad():
        result = function(*tree_map(inner, args), **tree_map(inner, kwargs))
    if not function._schema.returns:
        return None
    if name.endswith("_") and not name.endswith("__"):
        return args[0]
    return tree_map(lambda each: There(each) if there and isinstance(each, torch.Tensor) else each, result)


def inner(value: Any) -> Any:
    """The CPU's tensor of one there."""
    return value.inner if isinstance(value, There) else value


def bring_back(module: nn.Module) -> None:
    """Put a module's weights on the CPU, storages and all."""
    for each in module.modules():
        for slots in (each._parameters, each._buffers):
            slots.update({name: inner(tensor.data) for name, tensor in slots.items() if tensor is not None})


def register() -> None:
    """Make the device known to torch."""
    backend = types.ModuleType(NAME)
    backend.is_available = lambda: False  # type: ignore[attr-defined]  # as an accelerator with graphs and the like
    backend.get_amp_supported_dtype = lambda: [torch.bfloat16]  # type: ignore[attr-defined]
    backend.manual_seed_all = lambda seed: None  # type: ignore[attr-defined]
    backend._is_in_bad_fork = lambda: False  # type: ignore[attr-defined]
    _setup_privateuseone_for_python_backend(NAME, backend)


def main(recipe: str, out: str, *settings: str) -> None:
    """Train on the pretended device."""
    from elva.model.embedder import Embedder
    from elva.training.recipe import load_recipe
    from elva.training.run import train

    register()
    generator, save = torch.Generator, Embedder.save
    torch.Generator = lambda device="cpu": generator()  # type: ignore[assignment, misc]

    def saved(self: Embedder, folder: Path) -> None:
        self.backbone.merge_adapter()
        bring_back(self.backbone)
        save(self, folder)

    Embedder.save = saved  # type: ignore[method-assign]
    with Pretending():
        train(load_recipe(recipe, settings), Path(out), device=f"{NAME}:0")


if __name__ == "__main__":
    main(*sys.argv[1:])
