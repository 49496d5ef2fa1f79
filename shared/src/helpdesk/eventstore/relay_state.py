"""How a process's relay is: for health, for tests, and as metrics."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from time import monotonic
from typing import Final
from weakref import WeakSet

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from helpdesk.eventstore.checkpoint import Page, Share
from helpdesk.eventstore.feed import Depth
from helpdesk.recorded import Cursor

PAGE: Final = 1000


@dataclass(slots=True)
class ShareState:
    """One share as this process knows it. `error` is why it does not lead, if something is wrong.

    `page` is how many events to send at once: fewer after a failure, since as many as cannot be sent in time (they may
    have 256 KB each) could not be sent the next time either.
    """

    leading: bool = False
    caught_up: bool = False
    cursor: Cursor | None = None
    sent: int = 0
    error: str | None = None
    page: int = PAGE
    depth: Depth = field(default_factory=Depth)
    _unsent_since: float | None = None

    @property
    def lag_s(self) -> float:
        """For how long the oldest event that is known to be unsent has waited; 0 when everything was sent."""
        return 0.0 if self._unsent_since is None else monotonic() - self._unsent_since

    def looked(self, page: Page) -> None:
        """What waits now."""
        self.caught_up = not page.events and not page.held_back
        if self.caught_up:
            self._unsent_since = None
        elif page.events:
            self._unsent_since = monotonic() - page.age_s
        elif self._unsent_since is None:
            self._unsent_since = monotonic()

    def went(self, count: int, to: Cursor) -> None:
        """Kafka has everything up to `to`."""
        self.sent += count
        self.page = min(2 * self.page, PAGE) if count >= self.page else self.page
        self.cursor, self._unsent_since = to, None

    def failed(self) -> None:
        """What was asked for may have been too much."""
        self.page = max(1, self.page // 4)


class RelayState:
    """All shares of one topic in this process."""

    def __init__(self) -> None:
        self._shares: dict[Share, ShareState] = {}
        _STATES.add(self)

    def of(self, share: Share) -> ShareState:
        """A share's own state, made at its first mention."""
        return self._shares.setdefault(share, ShareState())

    @property
    def shares(self) -> dict[Share, ShareState]:
        """By share."""
        return self._shares

    @property
    def leads(self) -> int:
        """How many shares this process leads."""
        return sum(one.leading for one in self._shares.values())

    @property
    def leading(self) -> bool:
        """Whether it leads any."""
        return self.leads > 0

    @property
    def sent(self) -> int:
        """Events sent since the process began."""
        return sum(one.sent for one in self._shares.values())

    @property
    def caught_up(self) -> bool:
        """Whether nothing waits in what it leads."""
        return self.leading and all(one.caught_up for one in self._shares.values() if one.leading)

    @property
    def error(self) -> str | None:
        """Why a share is not relayed, as far as this process knows."""
        return next((one.error for one in self._shares.values() if one.error), None)


_STATES: WeakSet[RelayState] = WeakSet()
_METER = metrics.get_meter("helpdesk.relay")


def _each() -> Iterable[tuple[dict[str, str | int], ShareState]]:
    for state in _STATES:
        for share, one in state.shares.items():
            yield {"topic": share.topic, "share": f"{share.remainder}/{share.divisor}"}, one


def _lag(_: CallbackOptions) -> Iterable[Observation]:
    return [Observation(one.lag_s, names) for names, one in _each() if one.leading or one.error]


def _leading(_: CallbackOptions) -> Iterable[Observation]:
    return [Observation(int(one.leading), names) for names, one in _each()]


def _sent(_: CallbackOptions) -> Iterable[Observation]:
    return [Observation(one.sent, names) for names, one in _each()]


def _held_back(_: CallbackOptions) -> Iterable[Observation]:
    return [Observation(one.depth.held_back, names) for names, one in _each()]


def _deep(_: CallbackOptions) -> Iterable[Observation]:
    return [Observation(one.depth.deep_looks, names) for names, one in _each()]


_METER.create_observable_gauge("helpdesk.relay.lag", [_lag], "s", "Age of the oldest event that waits to be sent.")
_METER.create_observable_gauge("helpdesk.relay.leading", [_leading], "1", "Whether this process leads the share.")
_METER.create_observable_counter("helpdesk.relay.sent", [_sent], "1", "Events sent.")
_METER.create_observable_counter("helpdesk.relay.held_back", [_held_back], "1", "Looks that tier 1 left events out of.")
_METER.create_observable_counter("helpdesk.relay.deep_looks", [_deep], "1", "Looks by tier 2.")
