-- The login by which the projector reads history: to heal gaps, to replay what Kafka has lost.
select pg_temp.ensure_role('events_reader'), pg_temp.ensure_role('projector_events');
grant events_reader to projector_events;
