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
    _fault(
        "command-api killed between append and answer",
        kills.command_api_between_append_and_answer,
        engine=(
            "test_lost_answers.py::test_whoever_lost_the_answer_is_told_that_the_command_is_done",
            "test_idempotency.py::test_after_a_crash_before_the_answer_the_key_tells_what_was_done",
        ),
    ),
    _fault(
        "command-api killed in the middle of a group",
        kills.command_api_in_the_middle_of_a_group,
        engine=(
            "test_grouping.py::test_a_connection_that_breaks_doubles_and_loses_nothing",
            "test_grouping.py::test_a_backend_that_is_ended_in_the_middle_of_a_batch_doubles_and_loses_nothing",
        ),
    ),
    _fault(
        "relay killed before its checkpoint",
        kills.relay_before_its_checkpoint,
        kills.relay_while_it_sends,
        engine=(
            "test_relay.py::test_the_standby_leads_when_the_leader_ends",
            "test_consumer.py::test_a_relay_that_began_again_repeats_a_stretch_in_order",
        ),
    ),
    _fault(
        "relay killed after its checkpoint",
        kills.relay_after_its_checkpoint,
        engine=(
            "test_relay.py::test_one_relay_leads_and_the_other_takes_over_when_the_leader_loses_its_connection",
            "test_relay_shares.py::test_a_share_begins_at_the_lowest_checkpoint_that_covers_it",
        ),
    ),
    _fault(
        "projector killed before its commit",
        kills.projector_before_its_commit,
        engine=("test_consumer.py::test_consumers_that_are_cut_off_again_and_again_apply_each_event_once",),
    ),
    _fault(
        "projector killed after its commit",
        kills.projector_after_its_commit,
        engine=("test_consumer.py::test_kafkas_own_offset_is_never_believed",),
    ),
    _fault("dispatcher and notifier killed", kills.dispatcher_in_the_middle, kills.notifier_and_queries, brief=False),
    _fault(
        "PostgreSQL killed and restarted",
        outages.postgres_killed_and_restarted,
        engine=(
            "test_consumer_lost_commits.py::test_what_the_database_lost_is_applied_again_before_what_comes_next",
            "test_grouping.py::test_a_connection_that_breaks_doubles_and_loses_nothing",
        ),
    ),
    _fault(
        "PostgreSQL away",
        outages.postgres_away,
        engine=(
            "test_grouping.py::test_when_the_database_is_away_everybody_is_told",
            "test_consumer.py::test_a_handler_that_cannot_reach_the_database_is_asked_again",
        ),
        brief=False,
    ),
    _fault(
        "Kafka down under writes",
        outages.kafka_down_under_writes,
        engine=("test_relay.py::test_kafka_stops_under_appends_and_everything_arrives",),
    ),
    _fault("Kafka killed and restarted", outages.kafka_killed_and_restarted, brief=False),
    _fault("Kafka restarted during its election", outages.kafka_restarted_during_its_election, brief=False),
    _fault(
        "an appender sleeps before its commit while others commit",
        transactions.slow_appender,
        engine=(
            "test_feed_deep.py::test_whoever_appended_and_sleeps_is_waited_for_by_both_tiers",
            "test_feed_deep.py::test_in_a_storm_of_appends_of_every_pace_nothing_is_skipped_or_inverted",
        ),
    ),
    _fault(
        "a foreign transaction in this database",
        transactions.foreign_transaction_here,
        engine=("test_feed_deep.py::test_a_foreign_transaction_holds_nobody_back",),
    ),
    _fault("a foreign transaction in another database", transactions.foreign_transaction_elsewhere),
    _fault(
        "a prepared transaction",
        transactions.prepared_transaction,
        engine=("test_feed_deep.py::test_an_append_that_was_prepared_is_waited_for",),
    ),
    _fault(
        "the order inversion of two streams",
        transactions.inverted_streams,
        transactions.inverted_versions,
        engine=("test_feed_deep.py::test_an_append_that_is_not_the_first_write_is_refused",),
    ),
    _fault(
        "every record three times",
        bus.every_record_three_times,
        engine=("test_consumer_group.py::test_every_record_that_comes_three_times_is_applied_once",),
    ),
    _fault(
        "a partition replayed from 0",
        bus.partition_from_0,
        engine=("test_consumer.py::test_a_partition_that_is_read_again_from_its_beginning_changes_nothing",),
    ),
    _fault(
        "a record dropped",
        bus.record_dropped,
        engine=(
            "test_consumer_healing.py::test_a_record_that_never_came_is_read_from_the_store_when_its_stream_goes_on",
        ),
    ),
    _fault(
        "rebalances every 3 s",
        bus.rebalances,
        engine=("test_consumer.py::test_two_consumers_share_the_work_and_a_rebalance_doubles_nothing",),
    ),
    _fault(
        "rebalances of two projectors",
        members.second_projector_comes_and_goes,
        engine=("test_consumer_group.py::test_a_rebalance_every_moment_under_load_doubles_and_loses_nothing",),
        brief=False,
    ),
    _fault(
        "a handler slower than the poll interval",
        members.handler_slower_than_the_poll_interval,
        engine=(
            "test_consumer_group.py::test_a_handler_that_is_slower_than_the_poll_interval_gets_on_all_the_same",
            "test_consumer_group.py::test_a_zombie_whose_writes_collide_with_nothing_counts_nothing_twice",
            "test_consumer_group.py::"
            "test_when_a_task_of_the_client_ends_by_a_stray_cancellation_the_consumer_begins_again",
        ),
    ),
    _fault(
        "a Kafka offset out of range",
        bus.retention_passed,
        engine=("test_consumer_healing.py::test_an_offset_outside_of_what_kafka_holds_is_healed_from_the_store",),
    ),
    _fault(
        "poison of each kind: raises, not JSON, null header, unknown version",
        poison.every_kind,
        engine=(
            "test_consumer_parking.py::test_an_event_that_the_handler_cannot_apply_parks_its_stream_alone",
            "test_consumer_parking.py::"
            "test_a_record_that_is_no_envelope_is_kept_and_what_should_have_stood_there_comes_from_the_store",
            "test_consumer_parking.py::test_keys_and_headers_do_not_matter",
            "test_consumer_parking.py::test_an_event_that_cannot_be_read_parks_its_stream_and_the_others_go_on",
        ),
    ),
    _fault(
        "two relays, one paused and woken",
        relays.leader_paused_and_woken,
        engine=("test_relay_faults.py::test_a_leader_that_wakes_from_a_pause_sends_doubles_at_most",),
    ),
    _fault(
        "the connection that holds the lock silently cut",
        relays.connection_silently_cut,
        engine=("test_relay_faults.py::test_a_line_that_goes_dead_costs_the_lead_and_loses_nothing",),
        brief=False,  # the leader's own time-outs take 12 s; the engine's test shrinks them
    ),
    _fault("disk full for PostgreSQL", disks.full_for_postgres, brief=False),
    _fault("disk full for Kafka", disks.full_for_kafka, brief=False),
    _fault("clocks an hour off", surroundings.clocks_an_hour_off),
    _fault(
        "lost wake-ups",
        surroundings.wake_ups_lost,
        engine=("test_relay_faults.py::test_without_any_wake_up_the_net_beneath_catches_every_event",),
    ),
    _fault(
        "rebuild while writing",
        rebuilding.rebuild_while_writing,
        engine=("test_rebuild_beside.py::test_rebuilds_while_writes_go_on_agree_and_reads_neither_fail_nor_go_back",),
        brief=False,
    ),
    _fault(
        "rebuild killed at each of its steps",
        rebuilding.rebuild_killed_at_each_step,
        engine=("test_rebuild.py::test_a_rebuild_that_is_killed_goes_on_where_it_was",),
        brief=False,
    ),
    _fault(
        "a dump restored into a new cluster",
        restoring.dump_restored_into_a_new_cluster,
        engine=(
            "test_relay.py::test_a_checkpoint_of_another_store_is_refused",
            "test_relay_restore.py::test_a_dump_restored_beside_its_original_is_refused_until_it_has_an_epoch_of_its_own",
            "test_consumer_healing.py::test_a_store_that_was_restored_under_the_consumer_is_read_from_its_beginning",
        ),
        brief=False,
    ),
    _fault("SIGTERM under load", surroundings.sigterm_under_load),
    _fault(
        "settings of an operator for the whole database",
        surroundings.settings_of_an_operator,
        engine=("test_pool.py::test_what_an_operator_sets_for_a_role_changes_nothing_of_what_our_statements_rely_on",),
    ),
    _fault(
        "a foreign transaction in the topic",
        bus.foreign_transaction_ends,
        engine=("test_consumer_healing.py::test_the_end_of_a_foreign_transaction_is_nothing_that_waits",),
    ),
)
