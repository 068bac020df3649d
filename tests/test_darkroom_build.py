"""The rendered data set on disk: files, manifest, resuming, and how dark it is."""

from __future__ import annotations

import ast
import graphlib
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from actlumos.darkroom import build, worker
from actlumos.darkroom.codec import decode, encode
from actlumos.darkroom.dataset import load
from actlumos.darkroom.plan import CLASSES, ClipSpec
from actlumos.darkroom.statistics import clip_statistics, recorded, summary
from actlumos.data.manifest import Manifest, check_groups
from actlumos.runtime.files import sha256

COUNTS = {"train": 8, "val": 1, "test": 2}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """121 clips on two processes."""
    return load("darkroom", tmp_path_factory.mktemp("darkroom"), COUNTS, workers=2, progress=False)


@pytest.fixture
def few(tmp_path: Path) -> Manifest:
    """One clip of each action of the second domain, in this process."""
    return load("darkroom-b", tmp_path, {"train": 1}, workers=1, progress=False)


def test_manifest_describes_the_files(rendered: Manifest) -> None:
    assert rendered.classes == CLASSES and set(rendered.counts().values()) == {11}
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
    """Quartiles; 121 clips in 11 places vary more than the whole set, which is within a tenth."""
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
    monkeypatch.setattr(build, "write_dark", lambda *a, **k: pytest.fail("rendered again"))
    assert load("darkroom", rendered.root, COUNTS, progress=False).digest == rendered.digest


def test_only_missing_or_broken_files_are_made_again(few: Manifest) -> None:
    before = {i: few.path(i).stat().st_mtime_ns for i in range(len(few))}
    few.path(0).unlink()
    few.path(1).write_bytes(b"broken")
    again = load("darkroom-b", few.root, {"train": 1}, workers=1, progress=False)
    assert again.digest == few.digest
    kept = [i for i in before if again.path(i).stat().st_mtime_ns == before[i]]
    assert kept == list(range(2, len(few)))


def test_an_interrupted_render_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def stop_after_four(spec, root, key):  # noqa: ANN001, ANN202
        if len(done) == 4:
            raise KeyboardInterrupt
        done.append(spec.path)
        return worker.write_dark(spec, root, key)

    monkeypatch.setattr(build, "write_dark", stop_after_four)
    with pytest.raises(KeyboardInterrupt):
        load("darkroom-b", tmp_path, {"train": 1}, workers=1, progress=False)
    assert not (tmp_path / "manifest.csv").exists()
    first, rest = list(done), []
    monkeypatch.setattr(
        build, "write_dark",
        lambda spec, root, key: (rest.append(spec.path), worker.write_dark(spec, root, key))[1],
    )  # fmt: skip
    manifest = load("darkroom-b", tmp_path, {"train": 1}, workers=1, progress=False)
    assert len(manifest) == 10 and len(rest) == 6 and not set(first) & set(rest)


def test_workers_and_order_do_not_matter(
    few: Manifest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = load(
        "darkroom-b", tmp_path_factory.mktemp("b"), {"train": 1}, workers=2, progress=False
    )
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
        few.root, domain="darkroom-b", counts={"train": 1}, workers=1, normal_light=True,
        progress=False,
    )  # fmt: skip
    for i in (0, 5):
        bright = decode(few.root / "normal_light" / few.clips[i].path)
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


RENDER_20 = """
import sys
from actlumos.darkroom.build import render
if __name__ == "__main__":
    render(sys.argv[1], domain="darkroom-b", counts={"train": 2}, workers=2, progress=False)
"""


def kill_a_render(root: Path, script: Path, how: signal.Signals) -> dict[str, int]:
    """Start a render of 20 clips on two workers, kill the parent after two clips, and wait until
    all its processes have ended; returns the finished clips with the times of their files."""
    script.write_text(RENDER_20)
    # Workers inherit the pipe of the parent: it is at its end when the last of them has ended.
    with subprocess.Popen([sys.executable, script, root], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        notes = root / "partial" / "darkroom-b-v5-s0"
        deadline = time.monotonic() + 60
        while len(list(notes.glob("[!.]*.npz"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        parent.send_signal(how)
        assert parent.wait(10) == -how
        assert select.select([parent.stdout], [], [], 10)[0], "a worker is still alive"
        assert parent.stdout.read() == b""
    done = [worker.read_record(note).path for note in notes.glob("[!.]*.npz")]
    assert 2 <= len(done) < 20
    return {path: (root / path).stat().st_mtime_ns for path in done}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "terminate"])
def test_workers_end_with_a_killed_render_and_its_clips_are_used_again(
    tmp_path: Path, how: signal.Signals
) -> None:
    root = tmp_path / "set"
    done = kill_a_render(root, tmp_path / "script.py", how)
    manifest = load("darkroom-b", root, {"train": 1}, workers=2, progress=False)
    kept = {path: time for path, time in done.items() if "p000" in path}
    assert kept and len(manifest) == 10
    assert kept == {path: (root / path).stat().st_mtime_ns for path in kept}
    assert not (root / "partial").exists()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Rendering writes short files instead of videos; the list holds what was rendered."""
    rendered: list[str] = []

    def write_dark(spec: ClipSpec, root: Path, key: str) -> worker.Record:
        rendered.append(spec.path)
        (root / spec.path).parent.mkdir(exist_ok=True)
        (root / spec.path).write_text(spec.path)
        return worker.Record(spec.path, 40, sha256(root / spec.path), np.zeros((1, 1, 3), np.uint8))

    def write_normal_light(spec: ClipSpec, root: Path) -> None:
        worker.normal_light_path(root, spec.path).write_text("bright")

    monkeypatch.setattr(build, "write_dark", write_dark)
    monkeypatch.setattr(build, "write_normal_light", write_normal_light)
    return rendered


HERE = {"domain": "darkroom-b", "workers": 1, "progress": False}


def test_what_killed_writes_left_is_removed_by_the_next_call(
    quick: list[str], tmp_path: Path
) -> None:
    build.render(tmp_path, counts={"train": 1}, **HERE)
    clip, notes = tmp_path / quick[0], tmp_path / "partial" / "darkroom-b-v5-s0"
    bright = worker.normal_light_path(tmp_path, quick[1])
    clip.unlink()
    notes.mkdir(parents=True)
    bright.parent.mkdir(parents=True)
    left = [
        clip.with_name(f".{clip.stem}-0a1b2c3d.mp4"),
        bright.with_name(f".{bright.stem}-0a1b2c3d.mp4"),
        notes / f".{clip.stem}-0a1b2c3d.npz",
        tmp_path / ".manifest-0a1b2c3d.csv",
        tmp_path / ".backgrounds-0a1b2c3d.npz",
    ]
    for path in left:
        path.write_bytes(b"half of a file")
    build.render(tmp_path, counts={"train": 1}, normal_light=True, **HERE)
    assert not [path for path in left if path.exists()] and clip.exists() and bright.exists()
    assert quick[10:] == quick[:1]


def test_a_call_killed_between_backgrounds_and_manifest_is_continued(
    quick: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build.render(tmp_path, counts={"train": 2}, **HERE)

    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Manifest, "write", killed)
        build.render(tmp_path, counts={"train": 1}, **HERE)
    assert len(Manifest.read(tmp_path / "manifest.csv", tmp_path)) == 20
    assert len(Manifest.read(build.render(tmp_path, counts={"train": 1}, **HERE), tmp_path)) == 10
    assert len(build.backgrounds(tmp_path)) == 10 and len(quick) == 20


def test_a_second_process_waits_unless_there_is_nothing_to_do(
    quick: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build.render(tmp_path, counts={"train": 1}, **HERE)
    clip = tmp_path / quick[0]
    with FileLock(tmp_path / ".render.lock"):
        build.render(tmp_path, counts={"train": 1}, **HERE)
        clip.unlink()
        second = threading.Thread(
            target=build.render, args=(tmp_path,), kwargs={"counts": {"train": 1}, **HERE}
        )
        second.start()
        second.join(0.3)
        assert second.is_alive() and not clip.exists()
    second.join(30)
    assert clip.exists() and quick[10:] == quick[:1]
    assert "another process renders into it, waiting" in capsys.readouterr().out


def imports_of(path: Path) -> set[str]:
    """Modules of this package that a file imports, also for type checkers."""
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    found = {f"{node.module}.{name.name}" for node in froms for name in node.names}
    return {name for name in found if name.startswith("actlumos.")}


def test_the_renderer_imports_manifest_and_runtime_only_and_without_a_circle() -> None:
    package = Path(build.__file__).parents[1]
    graph: dict[str, set[str]] = {}
    for path in (package / "darkroom").glob("*.py"):
        names = imports_of(path)
        own = {name for name in names if name.startswith("actlumos.darkroom.")}
        allowed = ("actlumos.data.manifest.", "actlumos.runtime.")
        assert not [name for name in names - own if not name.startswith(allowed)], path.name
        parts = [name.removeprefix("actlumos.darkroom.") for name in own]
        graph[path.stem] = {part.partition(".")[0] for part in parts}
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(graph)
    below = [*(package / "data").rglob("*.py"), *(package / "runtime").glob("*.py")]
    assert not [p for p in below if any(".darkroom" in name for name in imports_of(p))]
