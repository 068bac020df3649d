"""Damaged, foreign and hostile files: made again or refused, in one line, and nothing is run."""

from __future__ import annotations

import errno
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from actlumos import stages
from actlumos.cli import main
from actlumos.runtime import files
from actlumos.runtime.files import atomic_write, load_json, read_json, write_json
from actlumos.runtime.tensors import load_tensors, read_tensors, save_tensors
from actlumos.stages.checkpoint import Checkpoint, State
from actlumos.stages.distill import TeacherLogits
from actlumos.stages.recipe import load_checkpoint
from actlumos.stages.results import check_place, record
from actlumos.stages.runs import Run


class Hostile:
    """Makes a file where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return (os.mkdir, (str(self.mark),))


def not_ours(tmp_path: Path) -> dict[str, bytes]:
    """Contents that no file of tensors or JSON should have."""
    rng = np.random.default_rng(0)
    torch.save([1, 2, 3], tmp_path / "list.pt")
    torch.save({"other": torch.ones(3)}, tmp_path / "other.pt")
    torch.save({"key": "k", "state": 3, "parts": [], "logits": "none"}, tmp_path / "keyed.pt")
    torch.save({"weights": {}, "x": Hostile(tmp_path / "ran")}, tmp_path / "hostile.pt")
    saved = {path.stem: path.read_bytes() for path in sorted(tmp_path.glob("*.pt"))}
    return saved | {
        "empty": b"",
        "text": b"no tensors\n" * 9,
        "random": rng.bytes(3000),
        "pickle": pickle.dumps(Hostile(tmp_path / "ran")),
        "zip": saved["list"][:-9],
        "utf-16": '{"a": 1}'.encode("utf-16-be"),
        "nested": b"[" * 200_000,
        "number": b"17",
        "json list": b"[1, 2]",
        "null": b"null",
    }


def flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_one_flipped_bit_is_found_or_changes_nothing(tmp_path: Path) -> None:
    path, weights = tmp_path / "a.pt", torch.arange(2000.0)
    save_tensors(path, {"weights": weights, "epoch": 3})
    whole = path.read_bytes()
    inside = whole.find(weights.numpy().tobytes())
    bits = np.random.default_rng(0).integers(0, 8 * len(whole), 300)
    missed = 0
    for bit in bits.tolist():
        path.write_bytes(flipped(whole, bit))
        try:
            content = read_tensors(path)
        except ValueError as error:
            assert "is damaged, or not a file of tensors" in str(error)
            continue
        assert torch.equal(content["weights"], weights) and content["epoch"] == 3
        assert not inside <= bit // 8 < inside + weights.nbytes
        missed += 1
    assert missed < len(bits) / 2  # most bits are data


def test_pytorch_alone_does_not_see_a_flipped_bit(tmp_path: Path) -> None:
    """Why the check sums are compared: this test fails once PyTorch does it."""
    path = tmp_path / "a.pt"
    save_tensors(path, torch.arange(2000.0))
    whole = path.read_bytes()
    place = whole.find(torch.arange(2000.0).numpy().tobytes()) + 4000
    path.write_bytes(flipped(whole, 8 * place))
    assert not torch.equal(torch.load(path, weights_only=True), torch.arange(2000.0))
    with pytest.raises(ValueError, match="the check sum of its part data/0 is wrong"):
        read_tensors(path)


def test_a_packed_file_is_not_unpacked(tmp_path: Path) -> None:
    """Ten megabytes of zeros in a file of ten kilobytes could as well be ten gigabytes."""
    save_tensors(tmp_path / "a.pt", torch.zeros(2_500_000))
    source = zipfile.ZipFile(tmp_path / "a.pt")
    with source, zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    assert (tmp_path / "b.pt").stat().st_size < 20_000
    with pytest.raises(ValueError, match="its part data.pkl is compressed"):
        read_tensors(tmp_path / "b.pt")


def test_whatever_a_tensor_file_holds_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, refused = tmp_path / "a.bin", []
    for name, content in not_ours(tmp_path).items():
        path.write_bytes(content)
        if load_tensors(path) is None:
            refused.append(name)
            said = capsys.readouterr().out
            assert said.count("\n") == 1 and f"{path} is damaged and made again" in said
            assert "weights_only" not in said and "torch.load" not in said
    assert len(refused) == 11 and "hostile" in refused and "pickle" in refused
    assert not (tmp_path / "ran").exists()


def test_whatever_a_json_file_holds_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.json"
    assert load_json(path) is None and not capsys.readouterr().out
    for content in not_ours(tmp_path).values():
        path.write_bytes(content)
        assert load_json(path) is None
        said = capsys.readouterr().out
        assert said.count("\n") == 1 and f"{path} is damaged and made again" in said
    path.write_text('{"a": 1}')
    assert load_json(path) == {"a": 1} and not capsys.readouterr().out


def test_a_last_pt_of_any_kind_begins_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = torch.nn.Linear(2, 1)
    start = model.weight.clone()
    optimizer = torch.optim.AdamW(model.parameters())
    parts = {"model": model, "optimizer": optimizer}
    contents = not_ours(tmp_path)
    wrong = {"model": {"weight": torch.ones(1, 2), "bias": torch.ones(1)}, "optimizer": "none"}
    for name, state in (("wrong part", vars(State())), ("wrong state", {"epochs": 9})):
        good = {name: part.state_dict() for name, part in parts.items()}
        content = {"key": "k", "state": state, "parts": wrong if name == "wrong part" else good}
        torch.save(content, tmp_path / "made.pt")
        contents[name] = (tmp_path / "made.pt").read_bytes()
    (tmp_path / "arm").mkdir()
    for content in contents.values():
        (tmp_path / "arm" / "last.pt").write_bytes(content)
        state = Checkpoint(tmp_path / "arm" / "last.pt", "k", parts, 1.0).resume()
        assert state.epoch == state.step == 0 and torch.equal(model.weight, start)
        assert capsys.readouterr().out.count("\n") <= 1
    assert not (tmp_path / "ran").exists()


def test_a_last_pt_with_nan_begins_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = torch.nn.Linear(2, 1)
    checkpoint = Checkpoint(tmp_path / "last.pt", "k", {"model": model}, 1.0)
    with torch.no_grad():
        model.bias.fill_(float("nan"))
    checkpoint.save(State(epoch=3))
    assert checkpoint.resume().epoch == 0
    assert "made again (model.bias is not finite)" in capsys.readouterr().out


def test_teacher_logits_of_any_kind_are_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, contents = tmp_path / "teacher_logits.pt", not_ours(tmp_path)
    good = torch.ones(4, 2)
    for logits in ([good], {7: "text"}, {7: good * float("nan")}, {7: torch.ones(3)}, None):
        torch.save({"key": "k", "logits": logits}, tmp_path / "made.pt")
        contents[str(logits)] = (tmp_path / "made.pt").read_bytes()
    for content in contents.values():
        path.write_bytes(content)
        assert TeacherLogits(path, "k").logits == {}
        assert capsys.readouterr().out.count("\n") <= 1
    save_tensors(path, {"key": "k", "logits": {7: good}})
    assert torch.equal(TeacherLogits(path, "k").logits[7], good)
    path.write_bytes(flipped(path.read_bytes(), 8 * path.read_bytes().find(good.numpy().tobytes())))
    assert TeacherLogits(path, "k").logits == {}


@pytest.fixture
def trained(open_tiny: Callable[..., Run]) -> tuple[Run, Path]:
    run = open_tiny(epochs_supervised=1)
    return run, stages.ensure(run, "dark").directory


def test_a_damaged_result_is_trained_again(
    trained: tuple[Run, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, directory = trained
    before = read_json(directory / "result.json")
    capsys.readouterr()
    (directory / "result.json").write_bytes(np.random.default_rng(0).bytes(500))
    again = stages.ensure(run, "dark").result
    said = capsys.readouterr().out
    assert said.count("result.json is damaged and made again") >= 1 and "Traceback" not in said
    assert again["per_clip"] == before["per_clip"] and again["key"] == before["key"]
    assert read_json(directory / "result.json") == again


def test_a_damaged_results_json_loses_no_arm(
    trained: tuple[Run, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, directory = trained
    path, result = run.directory / "results.json", read_json(directory / "result.json")
    record(run, "another", result)
    write_json(run.directory / "another" / "result.json", {**result, "arm": "another"})
    whole = read_json(path)
    contents = not_ours(tmp_path) | {"arms": b'{"arms": [1]}', "arm": b'{"arms": {"dark": 3}}'}
    for name, content in contents.items():
        path.write_bytes(content)
        check_place(run)
        record(run, "dark", result)
        assert read_json(path) == whole, name
        assert capsys.readouterr().out.count("\n") <= 1


def test_a_folder_of_another_run_is_refused(trained: tuple[Run, Path], tmp_path: Path) -> None:
    run, _ = trained
    path = run.directory / "results.json"
    whole = read_json(path)
    for name, other in (("dataset", "arid-v1.0"), ("split", 2), ("profile", "demo"), ("seed", 9)):
        write_json(path, whole | {name: other})
        with pytest.raises(ValueError, match=f"holds results with {name} {other}, and this run h"):
            stages.ensure(run, "dark")
        assert read_json(path) == whole | {name: other}


def tampered(path: Path, mark: Path) -> list[bytes]:
    """Fifty ways to spoil a checkpoint: bytes, structure, hostile contents."""
    whole, content = path.read_bytes(), torch.load(path, weights_only=True)
    rng, made = np.random.default_rng(1), path.with_name("made.pt")
    found = [whole[: int(rng.integers(len(whole)))] for _ in range(8)]
    for _ in range(10):
        changed = bytearray(whole)
        for place in rng.integers(0, len(whole), 40).tolist():
            changed[place] = int(rng.integers(256))
        found.append(bytes(changed))
    first = next(iter(content["weights"]))
    huge = torch.ones(1).expand(10**12)
    config = content["config"]
    structures: list[Any] = [
        {}, [], 3, "text", None, content["weights"], [content], torch.ones(3),
        *({k: v for k, v in content.items() if k != name} for name in content),
        *({**content, name: value} for name in content for value in (None, 7, [1], "x")),
        {**content, "weights": {**content["weights"], first: huge}},
        {**content, "weights": {**content["weights"], first: "text"}},
        {**content, "weights": {**content["weights"], "more": huge}},
        {**content, "weights": {1: torch.ones(1)}},
        {**content, "config": {**config, "widths": [8192] * 4, "layers": [100] * 4}},
        {**content, "config": {**config, "frames": -1}},
        {**content, "config": {**config, "widths": [10**30] * 4}},
        {**content, "classes": ["a"] * 100_000},
        {**content, "arm": "baselines/../../x"},
    ]  # fmt: skip
    for structure in structures:
        torch.save(structure, made)
        found.append(made.read_bytes())
    for protocol in range(2, 6):
        found.append(pickle.dumps({**content, "x": Hostile(mark)}, protocol))
        torch.save({**content, "x": Hostile(mark)}, made, pickle_protocol=protocol)
        found.append(made.read_bytes())
    made.unlink()
    return found


def test_a_tampered_checkpoint_is_refused_in_one_line_and_runs_nothing(
    trained: tuple[Run, Path], tmp_path: Path
) -> None:
    path = trained[1] / "checkpoint.pt"
    contents = tampered(path, tmp_path / "ran")
    assert len(contents) >= 50
    harmless = 0
    for content in contents:
        path.write_bytes(content)
        try:
            load_checkpoint(path)
        except ValueError as error:
            said = str(error)
            assert said.startswith(f"{path} is not a checkpoint of this kit: ") and "\n" not in said
            assert not {"weights_only", "torch.load", "unsafe"} & set(said.split())
        else:
            harmless += 1  # classes without names, as a list of other words, are still classes
    assert not (tmp_path / "ran").exists() and harmless <= 1


def test_predict_says_it_in_one_line(
    trained: tuple[Run, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = trained[1] / "checkpoint.pt"
    (tmp_path / "a.mp4").write_bytes(b"")
    for content in tampered(path, tmp_path / "ran")[::6]:
        path.write_bytes(content)
        assert main(["predict", str(tmp_path / "a.mp4"), "--checkpoint", str(path)]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and "is not a checkpoint of this kit" in error


def no_room(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("write", "needs"),
    [
        (lambda path: save_tensors(path, {"w": torch.zeros(500_000)}), "it needs 2.0 MB, "),
        (lambda path: write_json(path, "x" * 3_000_000), "it needs 3.0 MB, "),
    ],
)
def test_a_full_disk_says_what_and_how_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None], needs: str
) -> None:
    path = tmp_path / "a.file"
    path.write_text("old")
    monkeypatch.setattr(files.os, "fsync", no_room)
    with pytest.raises(OSError, match="could not be written, the disk is full") as raised:
        write(path)
    assert str(path) in str(raised.value) and needs in str(raised.value)
    assert "MB are free" in str(raised.value)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_numpys_own_error_for_a_full_disk_is_translated(tmp_path: Path) -> None:
    """It has no error number; the frames of every clip are written by NumPy."""
    refused = pytest.raises(OSError, match=r"a\.npy could not be written, the disk is full")
    with refused, atomic_write(tmp_path / "a.npy"), open("/dev/full", "wb") as full:
        np.zeros(1_000_000).tofile(full)


def test_other_errors_while_writing_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="source"), atomic_write(tmp_path / "a"):
        (tmp_path / "source").read_bytes()


def test_json_of_a_checkpoint_is_not_needed_to_name_it(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(ValueError, match=r"x\.json"):
        read_json(path)
    path.write_text(json.dumps({"a": 1}))
    assert read_json(path) == {"a": 1}
