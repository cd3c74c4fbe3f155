"""Where a session stands, and what came of going on after a lost connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from . import _ffi
from ._errors import CLOSED, OutpourError, error_of


@dataclass(frozen=True, slots=True)
class ConnectionState:
    """Where a session stands.

    >>> session.connection.state
    'connected'
    """

    state: Literal["connecting", "connected", "disconnected", "suspended", "closed"]
    """On its way to a gateway; live; without a connection, so that replicas stay readable and publishes are queued; asleep
    after `suspend()`; over for good."""
    error: OutpourError | None = None
    """Why it is disconnected or closed; `None` after `close()`."""
    retry_in: float | None = None
    """In how many seconds the next attempt is made; `None` while there will be none."""


@dataclass(frozen=True, slots=True)
class MissedEvents:
    """Events of a topic that will not come."""

    path: str
    """The topic."""
    first: int
    """The sequence number of the first one missing."""
    last: int
    """That of the last one missing."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """A session is where it was before its connection was lost: every subscription is up to date again."""

    away: float
    """For how many seconds it was away; zero after a warm start, of which that is not known."""
    outcome: Literal["complete", "gaps", "afresh"]
    """Nothing is missing; the events in `missed` are no longer kept; or the log began anew, and everything was told from
    the beginning."""
    missed: tuple[MissedEvents, ...]
    """The gaps, of the first 1,000 topics."""
    more: int
    """How many gaps there are beside these."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """What has been counted since the session began."""

    messages_received: int
    """Messages received."""
    bytes_received: int
    """Bytes of these."""
    bytes_sent: int
    """Bytes of messages sent."""
    updates: int
    """Values and events received."""
    full_value_bytes: int
    """Bytes that these would have taken whole."""
    deltas: int
    """Values received as deltas."""
    snapshots: int
    """Values received whole."""
    repairs: int
    """Replicas that could not be continued and were asked for anew."""
    connections: int
    """Connections that were made."""
    round_trip: float | None
    """How many seconds the gateway took to answer last; `None` before it was asked."""


def state_of(state: _ffi.ConnectionState) -> ConnectionState:
    """What the library says, as this package says it."""
    if isinstance(state, _ffi.ConnectionState.DISCONNECTED):
        wait = state.retry_in_ms
        return ConnectionState("disconnected", error_of(state.error), None if wait is None else wait / 1e3)
    if isinstance(state, _ffi.ConnectionState.CLOSED):
        return ConnectionState("closed", None if state.error.code == CLOSED else error_of(state.error))
    if isinstance(state, _ffi.ConnectionState.CONNECTED):
        return ConnectionState("connected")
    if isinstance(state, _ffi.ConnectionState.SUSPENDED):
        return ConnectionState("suspended")
    return ConnectionState("connecting")


_OUTCOMES: dict[_ffi.ResumptionOutcome, Literal["complete", "gaps", "afresh"]] = {
    _ffi.ResumptionOutcome.COMPLETE: "complete",
    _ffi.ResumptionOutcome.GAPS: "gaps",
    _ffi.ResumptionOutcome.AFRESH: "afresh",
}


def resumption_of(resumption: _ffi.Resumption) -> Resumption:
    """What the library says, as this package says it."""
    missed = tuple(MissedEvents(gap.path, gap.first, gap.last) for gap in resumption.missed)
    return Resumption(resumption.away_ms / 1e3, _OUTCOMES[resumption.outcome], missed, resumption.more)


def statistics_of(counted: _ffi.Statistics) -> Statistics:
    """What the library says, as this package says it."""
    round_trip = counted.round_trip_us
    return Statistics(
        counted.messages_received,
        counted.bytes_received,
        counted.bytes_sent,
        counted.updates,
        counted.full_value_bytes,
        counted.deltas,
        counted.snapshots,
        counted.repairs,
        counted.connections,
        None if round_trip is None else round_trip / 1e6,
    )
