"""The rendered data set on disk: files, manifest, resuming, and how dark it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from actlumos.data.published.synthetic import darkroom, darkroom_b

from actlumos.darkroom import build, worker
from actlumos.darkroom.codec import decode, encode
from actlumos.darkroom.plan import CLASSES
from actlumos.darkroom.statistics import clip_statistics, recorded, summary
from actlumos.data.manifest import Manifest, check_groups
from actlumos.runtime.files import sha256

COUNTS = {"train": 5, "val": 1, "test": 2}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """88 clips on two processes."""
    return darkroom(tmp_path_factory.mktemp("darkroom"), COUNTS, workers=2, progress=False)


@pytest.fixture
def few(tmp_path: Path) -> Manifest:
    """One clip of each action of the second domain, in this process."""
    return darkroom_b(tmp_path, {"train": 1}, workers=1, progress=False)


def test_manifest_describes_the_files(rendered: Manifest) -> None:
    assert rendered.classes == CLASSES and set(rendered.counts().values()) == {8}
    check_groups(rendered)
    for i in range(0, len(rendered), 9):
        clip, frames = rendered.clips[i], decode(rendered.path(i))
        assert frames.shape == (clip.frames, 120, 160, 3) and clip.fps == 30
        assert 33 <= clip.frames <= 105
        assert sha256(rendered.path(i)) == clip.sha256
    assert not (rendered.root / "partial").exists()


def test_background_frames_hold_no_figure_but_the_same_place(rendered: Manifest) -> None:
    empty = build.backgrounds(rendered.root)
    assert set(empty) == {clip.path for clip in rendered.clips}
    for i in range(0, len(rendered), 11):
        frames, frame = decode(rendered.path(i)), empty[rendered.clips[i].path]
        assert frame.shape == (120, 160, 3) and frame.dtype == np.uint8
        gap = np.abs(np.median(frames, 0).mean(-1) - frame.mean(-1))
        assert np.median(gap) < 4


@pytest.mark.parametrize(
    "name, tolerance", [("luma", 0.15), ("red", 0.2), ("green", 0.2), ("blue", 0.2)]
)
def test_darkness_matches_the_real_clips(rendered: Manifest, name: str, tolerance: float) -> None:
    """Quartiles; 88 clips in 8 places vary more than the whole set, which is within a tenth."""
    ours = _summary(rendered)[name][1:4]
    np.testing.assert_allclose(ours, recorded()[name][1:4], rtol=tolerance)


def test_contrast_and_noise_are_near_the_real_ones(rendered: Manifest) -> None:
    ours, real = _summary(rendered), recorded()
    assert 0.5 * real["luma_p99"][2] < ours["luma_p99"][2] < 1.3 * real["luma_p99"][2]
    assert 0.7 < ours["frame_difference"][2] / real["frame_difference"][2] < 1.5
    assert 0.6 < ours["detail"][2] / real["detail"][2] < 1.4
    common = np.minimum(ours["histogram"], real["histogram"]).sum()
    assert common > 0.7, "luma histograms overlap"


def _summary(manifest: Manifest, cache: dict[str, dict] = {}) -> dict[str, list[float]]:  # noqa: B006
    if manifest.digest not in cache:
        clips = (clip_statistics(decode(manifest.path(i))) for i in range(len(manifest)))
        cache[manifest.digest] = summary(clips)
    return cache[manifest.digest]


def test_a_second_call_renders_nothing(rendered: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "render_dark", lambda *a, **k: pytest.fail("rendered again"))
    assert darkroom(rendered.root, COUNTS, progress=False).digest == rendered.digest


def test_only_missing_or_broken_files_are_made_again(few: Manifest) -> None:
    before = {i: few.path(i).stat().st_mtime_ns for i in range(len(few))}
    few.path(0).unlink()
    few.path(1).write_bytes(b"broken")
    again = darkroom_b(few.root, {"train": 1}, workers=1, progress=False)
    assert again.digest == few.digest
    kept = [i for i in before if again.path(i).stat().st_mtime_ns == before[i]]
    assert kept == list(range(2, len(few)))


def test_an_interrupted_render_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def stop_after_four(spec, root, key):  # noqa: ANN001, ANN202
        if len(done) == 4:
            raise KeyboardInterrupt
        done.append(spec.path)
        return worker.render_dark(spec, root, key)

    monkeypatch.setattr(build, "render_dark", stop_after_four)
    with pytest.raises(KeyboardInterrupt):
        darkroom_b(tmp_path, {"train": 1}, workers=1, progress=False)
    assert not (tmp_path / "manifest.csv").exists()
    first, rest = list(done), []
    monkeypatch.setattr(
        build, "render_dark",
        lambda spec, root, key: (rest.append(spec.path), worker.render_dark(spec, root, key))[1],
    )  # fmt: skip
    manifest = darkroom_b(tmp_path, {"train": 1}, workers=1, progress=False)
    assert len(manifest) == 10 and len(rest) == 6 and not set(first) & set(rest)


def test_workers_and_order_do_not_matter(
    few: Manifest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = darkroom_b(tmp_path_factory.mktemp("b"), {"train": 1}, workers=2, progress=False)
    assert [c.sha256 for c in other.clips] == [c.sha256 for c in few.clips]


def test_equal_frames_give_equal_bytes(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 9, (40, 120, 160, 3), dtype=np.uint8)
    frames = np.cumsum(frames, 0, dtype=np.uint8) // 4
    for name in "abcd":
        encode(tmp_path / f"{name}.mp4", frames, 18)
        _ = np.random.default_rng(1).bytes(200_000)
    assert len({sha256(path) for path in tmp_path.glob("*.mp4")}) == 1


def test_the_second_domain_has_no_labels(few: Manifest) -> None:
    assert few.classes == () and set(few.labels) == {-1} and len(few) == 10


def test_normal_light_originals_on_request(few: Manifest) -> None:
    build.render(
        few.root, domain="darkroom-b", counts={"train": 1}, workers=1, light=True, progress=False
    )
    for i in (0, 5):
        bright = decode(few.root / "light" / few.clips[i].path)
        assert len(bright) == few.clips[i].frames and bright.mean() > 60


def test_bad_requests_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="workers"):
        build.render(tmp_path, workers=0)
    with pytest.raises(ValueError, match="crf"):
        encode(tmp_path / "x.mp4", np.zeros((2, 8, 8, 3), np.uint8), 60)
    with pytest.raises(ValueError, match="uint8"):
        encode(tmp_path / "x.mp4", np.zeros((2, 8, 8, 3)), 18)
    with pytest.raises(FileNotFoundError):
        build.backgrounds(tmp_path / "nowhere")
