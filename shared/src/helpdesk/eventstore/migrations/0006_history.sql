-- Whole streams in key order, for who reads very many of them (rebuild): a function would gather its answer before the
-- first row leaves, a view streams. It is its owner's policy that applies, so its readers see every tenant.
create view :schema.history as
    select tenant_id, stream_type, stream_id, version, event_id, type, schema_version, data
    from :schema.event;
grant create on schema :schema to :schema_feed;
alter view :schema.history owner to :schema_feed;
revoke create on schema :schema from :schema_feed;
grant select on :schema.history to :schema_reader;
