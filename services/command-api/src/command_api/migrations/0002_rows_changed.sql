-- Processes keep people and tenants in memory for a few seconds; a row that changes or goes is told to all of them.
-- (New rows are not: what is missing is never kept. And only commands about users and tenants change any, so the
-- lock that NOTIFY takes at the commit is not in the way of tickets.)
create function events.tell_changed() returns trigger language plpgsql as $$
begin
    perform pg_notify('events_rows', old.tenant_id::text);
    return null;
end $$;
create trigger person_changed after update or delete on events.person
    for each row execute function events.tell_changed();
create trigger tenant_changed after update or delete on events.tenant
    for each row execute function events.tell_changed();
