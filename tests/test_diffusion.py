"""The schedule, the step and the network of the diffusion enhancer, and that it learns a pair."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from actlumos.baselines.networks.diffusion import (
    Denoiser,
    ddim_step,
    enhance,
    noise_schedule,
    training_loss,
)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Oracle(nn.Module):
    """Returns the clip in normal light, and records the times of its calls."""

    def __init__(self, clean: Tensor) -> None:
        super().__init__()
        self.clean, self.times = clean, []

    def forward(self, noisy: Tensor, dark: Tensor, time: Tensor) -> Tensor:
        self.times.append(time)
        return self.clean


def test_the_schedule_goes_from_picture_to_noise_and_keeps_the_variance() -> None:
    time = torch.linspace(0, 1, 101)
    picture, noise = noise_schedule(time)
    torch.testing.assert_close(picture.square() + noise.square(), torch.ones(101))
    assert (picture.diff() < 0).all() and (noise.diff() > 0).all()
    assert (picture[0].item(), noise[0].item()) == (1, 0)
    assert picture[-1].item() == pytest.approx(0, abs=1e-6) and noise[-1].item() == 1
    assert picture[50].item() == pytest.approx(math.sqrt(0.5))


def test_a_step_with_the_true_picture_lands_on_the_path_of_its_noise() -> None:
    clean, noise = torch.randn(2, 5, generator=seeded(0)), torch.randn(2, 5, generator=seeded(1))

    def mixed(time: float) -> Tensor:
        return math.cos(time * math.pi / 2) * clean + math.sin(time * math.pi / 2) * noise

    for now, later in ((1.0, 0.6), (0.6, 0.1), (0.6, 0.0), (1.0, 0.0)):
        found = ddim_step(mixed(now), clean, torch.tensor(now), torch.tensor(later))
        torch.testing.assert_close(found, mixed(later))
    torch.testing.assert_close(found, clean)


@pytest.mark.parametrize("steps", [1, 4, 8])
def test_a_perfect_guess_is_what_comes_out(steps: int) -> None:
    normal = torch.rand(2, 3, 4, 6, 8, generator=seeded(0))
    oracle = Oracle(2 * normal - 1)
    torch.testing.assert_close(enhance(oracle, normal / 10, steps), normal, atol=1e-5, rtol=0)
    asked = [time[0, 0].item() for time in oracle.times]
    assert asked == pytest.approx([1 - k / steps for k in range(steps)])
    assert all(time.shape == (2, 4) for time in oracle.times)


def test_the_loss_is_the_mean_squared_error_of_the_guess() -> None:
    normal = torch.rand(2, 3, 4, 6, 8, generator=seeded(0))
    offset = 0.3 * torch.randn(normal.shape, generator=seeded(1))
    clean = 2 * normal - 1
    assert training_loss(Oracle(clean), normal / 10, normal, seeded(2)).item() == 0
    found = training_loss(Oracle(clean + offset), normal / 10, normal, seeded(2))
    assert found.item() == pytest.approx(offset.square().mean().item(), rel=1e-5)


def test_the_input_of_the_network_is_mixed_by_the_schedule() -> None:
    seen: dict[str, Tensor] = {}

    class Spy(nn.Module):
        def forward(self, noisy: Tensor, dark: Tensor, time: Tensor) -> Tensor:
            seen.update(noisy=noisy, dark=dark, time=time)
            return noisy

    normal = torch.rand(3, 3, 50, 8, 8, generator=seeded(0))
    training_loss(Spy(), normal / 10, normal, seeded(1))
    time = seen["time"]
    assert time.shape == (3, 50) and 0 <= time.min() < 0.05 and 0.95 < time.max() <= 1
    picture = torch.cos(time * math.pi / 2)[:, None, :, None, None]
    noise = (seen["noisy"] - picture * (2 * normal - 1)) / (1 - picture.square()).sqrt()
    assert noise.mean().item() == pytest.approx(0, abs=0.03)
    assert noise.std().item() == pytest.approx(1, abs=0.03)
    assert noise[0, 0, 0].std() > 0.5 and not torch.allclose(noise[:, :, 0], noise[:, :, 1])
    assert torch.equal(seen["dark"], normal / 10)


@torch.no_grad()
def test_size_and_shapes_and_frames_are_independent() -> None:
    torch.manual_seed(0)
    model = Denoiser()
    for parameter in model.parameters():
        parameter.add_(0.02 * torch.randn_like(parameter))
    assert sum(p.numel() for p in model.parameters()) == 148_068
    noisy, dark = torch.randn(2, 3, 3, 15, 22), torch.rand(2, 3, 3, 15, 22) / 10
    time = torch.rand(2, 3)
    guess = model(noisy, dark, time)
    assert guess.shape == noisy.shape
    alone = model(noisy[1:, :, 2:], dark[1:, :, 2:], time[1:, 2:])
    torch.testing.assert_close(guess[1:, :, 2:], alone, atol=1e-5, rtol=1e-5)
    for other in ((noisy + 1, dark, time), (noisy, dark * 2, time), (noisy, dark, time / 2)):
        assert (model(*other) - guess).abs().max() > 1e-3


def test_a_seed_decides_the_result_and_frames_share_the_noise() -> None:
    torch.manual_seed(0)
    model = Denoiser(8)
    dark = torch.rand(1, 3, 1, 12, 16).expand(-1, -1, 4, -1, -1) / 10
    first = enhance(model, dark, 4, seeded(3))
    assert torch.equal(first, enhance(model, dark, 4, seeded(3)))
    assert not torch.allclose(first, enhance(model, dark, 4, seeded(4)))
    torch.testing.assert_close(first, first[:, :, :1].expand_as(first))
    assert first.min() >= 0 and first.max() <= 1


def test_it_learns_one_pair() -> None:
    torch.manual_seed(0)
    normal = nn.functional.interpolate(torch.rand(1, 3, 2, 4, 4), (2, 16, 16), mode="trilinear")
    dark = (normal * 0.08 + 0.01 * torch.randn(normal.shape)).clamp(0, 1)
    model = Denoiser(16)
    optimizer = torch.optim.Adam(model.parameters(), 4e-3)
    generator = seeded(0)
    losses = []
    for _ in range(150):
        loss = training_loss(model, dark, normal, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-20:]) < 0.05 * sum(losses[:3]) / 3 * 20
    error = (enhance(model, dark, 6, seeded(1)) - normal).square().mean().sqrt()
    assert error < 0.05 < (dark.clamp(min=0) ** 0.4 - normal).square().mean().sqrt()


def test_wrong_shapes_and_settings_are_refused() -> None:
    clip = torch.rand(2, 3, 4, 8, 8)
    with pytest.raises(ValueError, match="one shape"):
        training_loss(Denoiser(8), clip, clip[:, :, :2], seeded(0))
    with pytest.raises(ValueError, match="need times of shape"):
        Denoiser(8)(clip, clip, torch.rand(2))
    with pytest.raises(ValueError, match="steps"):
        enhance(Denoiser(8), clip, 0)
    with pytest.raises(ValueError, match="multiple of 4"):
        Denoiser(10)
