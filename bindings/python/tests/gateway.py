"""Real gateways, and a proxy before them that can break things."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator

PROGRAM = os.environ.get("OUTPOUR", "")


class Gateway:
    """`outpour serve` on a free port."""

    def __init__(self, *arguments: str, **settings: str) -> None:
        if not PROGRAM:
            raise RuntimeError("Set OUTPOUR to the program to test with; `cargo xtask test --only python` does.")
        self._process = subprocess.Popen(
            [PROGRAM, "serve", "--listen", "127.0.0.1:0", *arguments],
            env={**os.environ, "RUST_LOG": "outpour=info", **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        found = (re.search(r"ws://[\d.:]+", line) for line in self._process.stdout)
        self.url = next((match[0] for match in found if match), "")
        if not self.url:
            raise RuntimeError("the gateway did not start")

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def end(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()


@contextlib.contextmanager
def serve(*arguments: str, **settings: str) -> Iterator[Gateway]:
    gateway = Gateway(*arguments, **settings)
    try:
        yield gateway
    finally:
        gateway.end()


class Proxy:
    """Stands between sessions and a gateway: its connections can be cut, and new ones refused."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}"
        self.is_open = True
        self._run(self._accept)

    def _run(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if not self.is_open:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._target))
                for end in (near, far):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self._sockets |= {near, far}
                self._run(self._pump, near, far)
                self._run(self._pump, far, near)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        source.close()

    def cut(self) -> None:
        """Resets every connection."""
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        for end in sockets:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        self.is_open = False
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join()


@contextlib.contextmanager
def proxy(gateway: Gateway) -> Iterator[Proxy]:
    between = Proxy(gateway.port)
    try:
        yield between
    finally:
        between.end()
