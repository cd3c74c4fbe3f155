"""Errors, split by who has to act."""

from __future__ import annotations

from types import TracebackType
from typing import Literal

from . import _ffi

Fault = Literal["nobody", "caller", "peer", "network", "gateway"]
"""Who has to act for an error to go away."""


class OutpourError(Exception):
    """Something that went wrong.

    Number and name of its code are the same in every language and release; `docs/errors.md` has a page for each.

    >>> session.set("prices/eurusd", {"bid": 1.0841}) > 0
    True
    >>> try:
    ...     session.set("prices/eurusd", {"bid": 1.0842}, if_absent=True)
    ... except outpour.CallerError as error:
    ...     print(error.code, error.reason, error.fault, error.retryable)
    4106 already-exists caller False
    """

    code: int
    """The code's number: 41xx is the caller's fault, 42xx the peer's, 43xx the network's, 44xx the gateway's."""
    reason: str
    """The code's name, such as `"version-mismatch"`."""
    fault: Fault
    """Who has to act."""
    retryable: bool
    """Whether the same call can succeed later without anything being changed."""
    detail: str
    """What is known beyond the code; may be empty."""
    version: int | None
    """For a change that was refused: the version that the topic has."""

    def __init__(self, info: _ffi.ErrorInfo) -> None:
        """For the package's own use."""
        said = f"{info.message} {info.detail}" if info.detail else info.message
        super().__init__(f"{said} ({info.reason}, {info.code})")
        self._info = info
        self.code = info.code
        self.reason = info.reason
        self.fault = _FAULTS[info.fault]
        self.retryable = info.retryable
        self.detail = info.detail
        self.version = info.version

    def __reduce__(self) -> tuple[type[OutpourError], tuple[_ffi.ErrorInfo]]:
        """Errors travel between processes."""
        return type(self), (self._info,)


class CallerError(OutpourError):
    """The application that made the call has to change something."""


class PeerError(OutpourError):
    """The other side broke the protocol."""


class NetworkError(OutpourError):
    """Something between the two failed."""


class GatewayError(OutpourError):
    """The gateway can't, or met a limit that its operator set."""


class ClosedError(OutpourError):
    """The session was closed in order."""


_FAULTS: dict[_ffi.ErrorFault, Fault] = {
    _ffi.ErrorFault.NOBODY: "nobody",
    _ffi.ErrorFault.CALLER: "caller",
    _ffi.ErrorFault.PEER: "peer",
    _ffi.ErrorFault.NETWORK: "network",
    _ffi.ErrorFault.GATEWAY: "gateway",
}

_CLASSES: dict[Fault, type[OutpourError]] = {
    "nobody": ClosedError,
    "caller": CallerError,
    "peer": PeerError,
    "network": NetworkError,
    "gateway": GatewayError,
}

CLOSED = 4000


def error_of(info: _ffi.ErrorInfo) -> OutpourError:
    """The error that the library speaks of."""
    return _CLASSES[_FAULTS[info.fault]](info)


def bad_value(detail: str) -> CallerError:
    """A value that can't be published."""
    return CallerError(
        _ffi.ErrorInfo(
            code=4102,
            reason="bad-value",
            fault=_ffi.ErrorFault.CALLER,
            retryable=False,
            message="The value is not well formed for its type.",
            detail=detail,
            version=None,
        )
    )


class Translation:
    """A context in which errors of the library become those of this package."""

    __slots__ = ()

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        """Raises the error that stands for the library's."""
        if isinstance(error, _ffi.OutpourError):
            raise error_of(error.info()) from None


translated = Translation()
"""`with translated: …`"""
