-- One stream as it stood: up to a version, or up to a moment of the database's clock, or both.
-- By moment: the longest beginning of the stream all of which was recorded by then, and of whole commands only.
-- `recorded_at` and not the event's own time: that is what a process believed, or what an import brought along.
create function :schema.read_stream_as_of(
    p_tenant uuid, p_type text, p_id uuid, p_version integer default null, p_moment timestamptz default null)
returns setof :schema.event language plpgsql volatile security definer set search_path = '' as $$
declare
    last  integer := p_version;
    later integer;
begin
    if p_moment is not null then
        select min(e.version) into later from :schema.event e
        where e.tenant_id = p_tenant and e.stream_type = p_type and e.stream_id = p_id and e.recorded_at > p_moment;
        select max(e.version) into last from :schema.event e
        where e.tenant_id = p_tenant and e.stream_type = p_type and e.stream_id = p_id and e.remaining = 0
          and (later is null or e.version < later) and (p_version is null or e.version <= p_version);
        if last is null then
            return;
        end if;
    end if;
    return query
        select * from :schema.event e
        where e.tenant_id = p_tenant and e.stream_type = p_type and e.stream_id = p_id
          and (last is null or e.version <= last)
        order by e.version;
end $$;
grant create on schema :schema to :schema_feed;
alter function :schema.read_stream_as_of owner to :schema_feed;
revoke create on schema :schema from :schema_feed;
revoke all on function :schema.read_stream_as_of from public;
grant execute on function :schema.read_stream_as_of to :schema_appender, :schema_reader;
