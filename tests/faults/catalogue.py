"""Every fault that the engine must survive: what shows it on the whole stack, and what shows it on the engine alone.

A fault of the stack is a function that harms a running world (tests/faults/*.py); `brief` ones run in `make test`, all
of them in `make chaos`. The engine's own tests (tests/integration/engine) look at the same guard from inside.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from faults import (
    bus,
    disks,
    kills,
    members,
    outages,
    poison,
    rebuilding,
    relays,
    restoring,
    surroundings,
    transactions,
)
from faults.world import World

Harm = Callable[[World], Awaitable[None]]
ENGINE: Final = "tests/integration/engine"


@dataclass(frozen=True, slots=True)
class Fault:
    """`name` as the report prints it."""

    name: str
    stack: Mapping[str, Harm] = field(default_factory=lambda: MappingProxyType({}))
    engine: tuple[str, ...] = ()
    brief: bool = True


def _fault(name: str, *stack: Harm, engine: tuple[str, ...] = (), brief: bool = True) -> Fault:
    return Fault(name, MappingProxyType({one.__name__: one for one in stack}), engine, brief)


FAULTS: Final = (
    _fault("command-api killed between append and answer", kills.command_api_between_append_and_answer),
    _fault("command-api killed in the middle of a group", kills.command_api_in_the_middle_of_a_group),
    _fault("relay killed before its checkpoint", kills.relay_before_its_checkpoint),
    _fault("relay killed after its checkpoint", kills.relay_after_its_checkpoint),
    _fault("projector killed before its commit", kills.projector_before_its_commit),
    _fault("projector killed after its commit", kills.projector_after_its_commit),
    _fault("dispatcher and notifier killed", kills.dispatcher_in_the_middle, kills.notifier_and_queries, brief=False),
    _fault("PostgreSQL killed and restarted", outages.postgres_killed_and_restarted),
    _fault("Kafka killed and restarted", outages.kafka_killed_and_restarted, brief=False),
    _fault("Kafka down under writes", outages.kafka_down_under_writes),
    _fault("Kafka restarted during its election", outages.kafka_restarted_during_its_election, brief=False),
    _fault("an appender sleeps before its commit", transactions.slow_appender),
    _fault("a foreign transaction in this database", transactions.foreign_transaction_here),
    _fault("a foreign transaction in another database", transactions.foreign_transaction_elsewhere),
    _fault("a prepared transaction", transactions.prepared_transaction),
    _fault("two streams in inverted order", transactions.inverted_streams, transactions.inverted_versions),
    _fault("every record three times", bus.every_record_three_times),
    _fault("a partition replayed from 0", bus.partition_from_0),
    _fault("a record dropped", bus.record_dropped),
    _fault("rebalances", bus.rebalances),
    _fault("rebalances of two projectors", members.second_projector_comes_and_goes, brief=False),
    _fault("a handler slower than the poll interval", members.handler_slower_than_the_poll_interval),
    _fault("an offset out of range", bus.retention_passed),
    _fault("poison of every kind", poison.every_kind),
    _fault("poison that is not JSON", poison.not_json, poison.no_value, brief=False),
    _fault("poison with a null header", poison.null_header, brief=False),
    _fault("poison of an unknown version", poison.unknown_version, brief=False),
    _fault("poison that raises", poison.raises, brief=False),
    _fault("two relays, the leader paused and woken", relays.leader_paused_and_woken),
    _fault("the leader's connection silently cut", relays.connection_silently_cut),
    _fault("clocks an hour off", surroundings.clocks_an_hour_off),
    _fault("lost wake-ups", surroundings.wake_ups_lost),
    _fault("SIGTERM under load", surroundings.sigterm_under_load),
    _fault("rebuild while writing", rebuilding.rebuild_while_writing, brief=False),
    _fault("rebuild killed at each step", rebuilding.rebuild_killed_at_each_step, brief=False),
    _fault("a dump restored into a new cluster", restoring.dump_restored_into_a_new_cluster, brief=False),
    _fault("disk full for PostgreSQL", disks.full_for_postgres, brief=False),
    _fault("disk full for Kafka", disks.full_for_kafka, brief=False),
)
