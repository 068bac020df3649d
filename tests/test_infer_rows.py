"""The rows of inference, at toy size: their names, and that ours and the peer do the same work."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from machine import Machine
from rows import infer

from actlumos.evaluation import engines


def test_ours_and_the_peer_of_the_stream_agree(tmp_path: Path) -> None:
    config = infer.profile("smoke")
    film = tmp_path / "film.mp4"
    infer.write_film(film, 45)
    student = infer.student(config)
    engine = infer.build("torch", student, infer.example_clips(("dark",), config))
    hop = infer.default_hop(config)
    ours = infer.streamed(film, engine, config, hop)
    peer = infer.one_by_one(film, 45, engine, config, hop)
    assert len(ours) == len(peer) == 2
    torch.testing.assert_close(torch.stack(ours), torch.stack(peer), rtol=0, atol=0.02)


def test_the_plain_network_is_the_student() -> None:
    config = infer.profile("smoke")
    student = infer.student(config)
    example = infer.example_clips(("dark",), config)
    with torch.no_grad():
        wanted = student(*example)
    torch.testing.assert_close(infer.as_written(student)(*example), wanted, rtol=0, atol=1e-5)


def test_rows_without_their_packages_are_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda package: None)
    limits = Machine(1, 1e11, 2e11, 1e10)
    found = {name: measures(limits, True) for name, measures in infer.ROWS.items()}
    assert [name for name, row in found.items() if row] == ["infer_torch", "stream"]
    assert all(row.ours > 0 and row.peer > 0 for row in found.values() if row)
    told = "infer_int8 is left out: onnx, onnxscript, openvino, nncf not installed"
    assert told in capsys.readouterr().out
