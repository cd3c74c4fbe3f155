"""The real gateway and publisher, as processes."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

PROJECT = pathlib.Path(__file__).parents[2]


def program():
    """The path of the program under test."""
    name = os.environ.get("OUTPOUR_BIN") or shutil.which("outpour")
    if not name:
        pytest.fail("set OUTPOUR_BIN to the path of the outpour program")
    return name


@contextlib.contextmanager
def serve(config=""):
    """A gateway of its own: gives its URL."""
    command = [program(), "serve", "--listen", "127.0.0.1:0", "--log", "warn"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OUTPOUR_")}
    with contextlib.ExitStack() as stack:
        if config:
            file = stack.enter_context(tempfile.NamedTemporaryFile("w", suffix=".toml"))
            file.write(config)
            file.flush()
            command += ["--config", file.name]
        process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment))
        try:
            line = process.stdout.readline()
            assert line.startswith("listening on ws://"), line
            yield line.removeprefix("listening on ").strip()
        finally:
            process.terminate()
            try:
                code = process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        assert code == 0, f"the gateway ended with {code}"


def publish(url, lines, *options):
    """Publishes JSON lines with the program, and waits until all are acknowledged."""
    subprocess.run([program(), "pub", url, "--jsonl", *options], input=lines, check=True, timeout=120)
