-- The login by which intake reads history: to heal gaps, to replay what Kafka has lost.
select pg_temp.ensure_role('events_reader'), pg_temp.ensure_role('webhook_events');
grant events_reader to webhook_events;
