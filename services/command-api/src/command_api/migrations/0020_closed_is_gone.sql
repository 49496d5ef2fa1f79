-- A tenant that was closed is unknown from that moment on: nobody finds it by slug or id, its slug is free for another one,
-- and whoever still holds a token of it is nobody.

create or replace function events.tenant_by_slug_or_id(p_slug text, p_id uuid)
returns table (tenant_id uuid, slug text, name text, settings json)
language sql stable security definer set search_path = '' as $$
    select t.tenant_id, t.slug, t.name, t.settings
    from events.tenant t where (t.slug = p_slug or t.tenant_id = p_id) and t.closed_at is null
$$;

-- The event that closes sets `closed_at` (events.follow_event). No slug that is asked for has a tilde.
create function events.free_slug() returns trigger language plpgsql as $$
begin
    new.slug := '~' || new.tenant_id;
    return new;
end $$;
create trigger tenant_slug_freed before update of closed_at on events.tenant for each row
    when (old.closed_at is null and new.closed_at is not null) execute function events.free_slug();

-- Operators ask which tenants are due to be purged.
create policy operator on events.tenant for select to events_operator using (true);

alter table events.tenant no force row level security;
update events.tenant set slug = '~' || tenant_id where closed_at is not null;
alter table events.tenant force row level security;
