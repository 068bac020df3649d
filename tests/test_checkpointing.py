"""Activations recomputed in the backward pass: nothing but memory and time may change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from actlumos.config import profile
from actlumos.models import R2Plus1D, Student, Teacher


def stepped(net: nn.Module, *streams: Tensor, bf16: bool = False) -> dict[str, Tensor]:
    """Gradients and buffers after one step's backward pass."""
    torch.manual_seed(1)  # dropout
    net.train()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        output = net(*streams)
    logits = output if isinstance(output, Tensor) else output.logits
    logits.float().square().sum().backward()
    gradients = {n: p.grad for n, p in net.named_parameters() if p.grad is not None}
    return gradients | dict(net.named_buffers())


def identical(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def pair(kind: Callable[..., nn.Module] = Student) -> list[nn.Module]:
    """The same net twice: activations kept, and recomputed."""
    # Never two time steps: some CPUs' bfloat16 weight gradients are wrong there (torch 2.14.1).
    sizes = {
        "frames": 6,
        "layers": (2, 1, 1, 1),
        "widths": (16, 16, 16, 32),
        "stem": 16,
        "temporal_strides": (1, 2, 1, 1),
        "bert_heads": 4,
    }
    nets = []
    for recomputed in (False, True):
        torch.manual_seed(0)
        config = profile("paper", **sizes, checkpoint_activations=recomputed)
        nets.append(kind(5, config))
    return nets


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("kind", [Student, Teacher])
def test_gradients_and_statistics_are_the_same_bit_by_bit(
    kind: Callable[..., nn.Module], bf16: bool
) -> None:
    plain, recomputing = pair(kind)
    clip = torch.rand(3, 3, 6, 20, 28, generator=torch.Generator().manual_seed(5))
    streams = (clip,) if kind is Student else (clip, clip.sqrt())
    expected, found = (stepped(net, *streams, bf16=bf16) for net in (plain, recomputing))
    assert identical(expected, found)
    assert found["backbone.stem.1.num_batches_tracked"] == 1
    assert found["backbone.stem.0.weight"].abs().sum() > 0


def test_the_forward_pass_really_runs_twice_and_only_in_training() -> None:
    net = pair()[1]
    calls = []
    net.backbone.layer1[0].conv1.register_forward_hook(lambda *_: calls.append(1))
    clip = torch.rand(2, 3, 6, 20, 28)
    net(clip).sum().backward()
    assert len(calls) == 2
    net.eval()(clip).sum().backward()
    with torch.no_grad():
        net.train()(clip)
    assert len(calls) == 4


def test_a_second_backward_pass_over_one_graph() -> None:
    plain, recomputing = (net.backbone for net in pair())
    clip = torch.rand(2, 3, 6, 20, 28)
    for net in (plain, recomputing):
        loss = net.train()(clip).square().sum()
        loss.backward(retain_graph=True)
        loss.backward()
    assert identical(dict(plain.named_buffers()), dict(recomputing.named_buffers()))
    assert all(
        torch.equal(p.grad, q.grad)
        for p, q in zip(plain.parameters(), recomputing.parameters(), strict=True)
    )


def test_in_a_distributed_wrapper(tmp_path: Path) -> None:
    store = f"file://{tmp_path / 'store'}"
    torch.distributed.init_process_group("gloo", init_method=store, rank=0, world_size=1)
    try:
        plain, recomputing = pair()
        clip = torch.rand(2, 3, 6, 20, 28)
        expected = stepped(plain, clip)
        wrapped = stepped(nn.parallel.DistributedDataParallel(recomputing), clip)
    finally:
        torch.distributed.destroy_process_group()
    assert identical(expected, {k.removeprefix("module."): v for k, v in wrapped.items()})


def test_state_dict_names_do_not_depend_on_it() -> None:
    plain, recomputing = (
        R2Plus1D((1, 1, 1, 1), (8,) * 4, checkpoint_activations=w) for w in (False, True)
    )
    assert list(plain.state_dict()) == list(recomputing.state_dict())
