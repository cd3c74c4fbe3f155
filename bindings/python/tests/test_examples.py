"""The programs in examples/python, run as their README says."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import outpour

EXAMPLES = pathlib.Path(__file__).parents[3] / "examples/python"


def run(program: str, *arguments: str) -> str:
    command = [sys.executable, "-X", "utf8", str(EXAMPLES / program), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_publishing_and_following(url: str) -> None:
    assert run("publish.py", "--url", url, "--count", "3", "--pause", "0").count("version") == 3
    told = run("follow.py", "prices/eurusd", "--url", url, "--count", "1")
    assert told.startswith("value prices/eurusd ")
    assert "'pair': 'EUR/USD'" in told


def test_a_lamp(url: str) -> None:
    assert run("lamp.py", "hall", "on", "--url", url) == "hall is on\n"
    assert run("lamp.py", "hall", "off", "--url", url) == "hall is off\n"


def test_recording_and_analysing(session: outpour.sync.Session, url: str, path: str, tmp_path: pathlib.Path) -> None:
    for number in range(10):
        session.append(f"{path}/a", {"bid": number})
    file = tmp_path / "prices.jsonl"
    assert "10 updates" in run("record.py", f"{path}/**", str(file), "--url", url, "--count", "10")
    said = run("analyse.py", str(file), "bid")
    assert [cell.strip() for cell in said.splitlines()[-2].split("|")[1:6]] == [f"{path}/a", "10", "0.0", "9.0", "9.0"]
