-- The login by which the intake reads history: to heal gaps, to replay what Kafka has lost.
select pg_temp.ensure_role('events_reader'), pg_temp.ensure_role('notices_events');
grant events_reader to notices_events;
