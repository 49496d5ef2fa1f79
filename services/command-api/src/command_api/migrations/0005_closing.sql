-- What follows from a closed tenant and from a redacted account in the private rows. The append itself does it, as with
-- numbers and places: one transaction, and never one without the other.

alter table events.tenant add column closed_at timestamptz;

-- Nobody signs in to a closed tenant, keeps a session beyond the token at hand, or registers.
create function events.close_tenant() returns trigger language plpgsql as $$
begin
    update events.tenant set closed_at = clock_timestamp() where tenant_id = new.tenant_id;
    delete from events.refresh_token where tenant_id = new.tenant_id;
    return null;
end $$;
create trigger tenant_closed after insert on events.event
    for each row when (new.type = 'tenant.closed') execute function events.close_tenant();

-- Without its address an account cannot be signed in to: the credential goes with it.
create function events.redact_person() returns trigger language plpgsql as $$
begin
    if (new.data -> 'fields')::jsonb ? 'name' then
        update events.person set name = '' where tenant_id = new.tenant_id and id = new.stream_id;
    end if;
    if (new.data -> 'fields')::jsonb ? 'email' then
        update events.person set email = '' where tenant_id = new.tenant_id and id = new.stream_id;
        delete from events.credential where tenant_id = new.tenant_id and user_id = new.stream_id;
        delete from events.refresh_token where tenant_id = new.tenant_id and user_id = new.stream_id;
        delete from events.api_key where tenant_id = new.tenant_id and user_id = new.stream_id;
    end if;
    return null;
end $$;
create trigger user_redacted after insert on events.event
    for each row when (new.type = 'user.redacted') execute function events.redact_person();

grant select, update, delete on events.tenant, events.person, events.credential, events.refresh_token, events.api_key
    to events_operator;

create or replace function events.logins_by_address(p_address text)
returns table (tenant_id uuid, slug text, user_id uuid, password_hash text)
language sql stable security definer set search_path = '' as $$
    select c.tenant_id, t.slug, c.user_id, c.password_hash
    from events.credential c join events.tenant t using (tenant_id)
    where c.address = lower(p_address) and t.closed_at is null
    order by t.slug
$$;

create or replace function events.api_key_by_hash(p_hash bytea)
returns table (tenant_id uuid, id uuid, user_id uuid, expires_at timestamptz)
language sql stable security definer set search_path = '' as $$
    select k.tenant_id, k.id, k.user_id, k.expires_at
    from events.api_key k join events.tenant t using (tenant_id)
    where k.key_hash = p_hash and t.closed_at is null
$$;

-- A closed tenant is found, but strangers may not register.
create or replace function events.tenant_by_slug_or_id(p_slug text, p_id uuid)
returns table (tenant_id uuid, slug text, name text, settings json)
language sql stable security definer set search_path = '' as $$
    select t.tenant_id, t.slug, t.name,
           case when t.closed_at is null then t.settings
                else (t.settings::jsonb || '{"openRegistration": false}')::json end
    from events.tenant t where t.slug = p_slug or t.tenant_id = p_id
$$;
