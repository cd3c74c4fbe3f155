"""What is left when a session, a task, an interpreter or a process ends."""

from __future__ import annotations

import asyncio
import gc
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import threading

import pytest

import outpour

CYCLES = 1000


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-X", "dev", "-W", "ignore::DeprecationWarning", "-c", code, *arguments]
    return subprocess.run(program, capture_output=True, text=True, check=False)


def held() -> tuple[int, int, int]:
    """Descriptors, threads of the system, and threads that Python knows."""
    return descriptors(), threads(), threading.active_count()


def until_left(before: tuple[int, int, int]) -> None:
    """Until no more is held than before: a socket is closed shortly after its session."""
    while any(now > then for now, then in zip(held(), before, strict=True)):
        threading.Event().wait(0.01)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def threads() -> int:
    return len(os.listdir("/proc/self/task"))


def resident() -> int:
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_sessions_leave_nothing_behind(url: str, path: str) -> None:
    def cycle() -> None:
        with outpour.sync.connect(url) as session:
            session.set(path, 1)
            next(session.subscribe(path))

    for _ in range(100):
        cycle()
    gc.collect()
    before = held()
    memory = resident()
    for _ in range(CYCLES):
        cycle()
    gc.collect()
    until_left(before)
    assert resident() - memory < 16 << 20


async def test_sessions_in_tasks_leave_nothing_behind(url: str, path: str) -> None:
    async def cycle() -> None:
        async with outpour.connect(url) as session:
            await session.set(path, 1)
            async for _ in session.subscribe(path):
                break

    for _ in range(20):
        await cycle()
    before = held()
    for _ in range(100):
        await cycle()
    until_left(before)


def test_a_session_that_is_dropped_closes(url: str) -> None:
    before = held()
    session = outpour.sync.connect(url)
    states = session.connection_states()
    del session
    gc.collect()
    assert [state.state for state in states][-1] == "closed"
    until_left(before)


def test_an_interpreter_may_end_with_open_sessions(url: str) -> None:
    code = """
import asyncio, sys, threading, outpour
url = sys.argv[1]
held = outpour.sync.connect(url)
subscription = held.subscribe("**")
waiting = threading.Thread(target=lambda: list(subscription), daemon=True)
waiting.start()
async def main():
    global session, task
    session = await outpour.connect(url)
    task = asyncio.ensure_future(anext(session.subscribe("nothing/here")))
    await asyncio.sleep(0.01)
asyncio.run(main())
print("done")
"""
    ended = run(code, url)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")


@pytest.mark.parametrize("way", ["asyncio", "sync"])
def test_an_interrupt_ends_the_program(url: str, way: str) -> None:
    codes = {
        "asyncio": """
import asyncio, sys, outpour
async def main():
    async with outpour.connect(sys.argv[1]) as session:
        print("ready", flush=True)
        async for update in session.subscribe("nothing/here"):
            pass
try:
    asyncio.run(main())
except KeyboardInterrupt:
    import threading
    print([thread.name for thread in threading.enumerate() if not thread.daemon])
""",
        "sync": """
import sys, threading, outpour.sync
try:
    with outpour.sync.connect(sys.argv[1]) as session:
        print("ready", flush=True)
        for update in session.subscribe("nothing/here"):
            pass
except KeyboardInterrupt:
    print([thread.name for thread in threading.enumerate() if not thread.daemon])
""",
    }
    # Where tests run in the background, interrupts are ignored, and that is handed down.
    heeding = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = [sys.executable, "-c", heeding + codes[way], url]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    said, complained = process.communicate()
    assert (process.returncode, said, complained) == (0, "['MainThread']\n", "")


def test_a_fork_is_told_so_and_may_open_sessions_of_its_own(url: str, path: str) -> None:
    code = """
import os, sys, outpour, outpour.sync
url, path = sys.argv[1:]
session = outpour.sync.connect(url)
subscription = session.subscribe(path)
child = os.fork()
if child == 0:
    for call in (lambda: session.set(path, 1), lambda: next(subscription), lambda: session.connection, session.close):
        try:
            call()
            print("no error")
        except outpour.CallerError as error:
            assert error.reason == "forked", error
    del session, subscription
    with outpour.sync.connect(url) as own:
        own.set(path, "child")
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
print(next(subscription).value, session.set(path, "parent") > 0)
session.close()
"""
    ended = run(code, url, path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "child True\n", "")


async def test_errors_travel_between_processes(url: str) -> None:
    async with outpour.connect(url) as session:
        with pytest.raises(outpour.CallerError) as refused:
            await session.set("a//b", 1)
    copy = pickle.loads(pickle.dumps(refused.value))
    assert (type(copy), str(copy), copy.code) == (outpour.CallerError, str(refused.value), 4100)


def test_several_event_loops_use_a_session(url: str, path: str) -> None:
    session = asyncio.run(_connect(url))
    answers: list[int] = []

    def work() -> None:
        answers.append(asyncio.run(session.set(path, 1)))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(set(answers)) == 4
    asyncio.run(session.close())


async def _connect(url: str) -> outpour.Session:
    return await outpour.connect(url)
