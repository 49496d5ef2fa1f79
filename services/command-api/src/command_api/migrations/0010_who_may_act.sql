-- Who may act now (docs/adr/0007-who-may-act.md): `valid_from` says since when role and account are as they are, tokens
-- issued before `sessions_from` have ended (null: none has). `invited`: there is no password yet.
alter table events.person
    add column invited       boolean not null default false,
    add column sessions_from timestamptz;
create index person_admin_idx on events.person (tenant_id) where role = 'ADMIN' and enabled and not invited;

-- One-shot refresh tokens: what follows a token is of its family; one that was used is kept, so that its second use is
-- seen, which ends the family.
alter table events.refresh_token
    add column family  uuid not null default gen_random_uuid(),
    add column used_at timestamptz;
create index refresh_token_family_idx on events.refresh_token (tenant_id, family);

drop function events.refresh_token_by_hash(bytea);
create function events.refresh_token_by_hash(p_hash bytea)
returns table (tenant_id uuid, user_id uuid, created_at timestamptz, expires_at timestamptz, family uuid,
               used_at timestamptz)
language sql stable security definer set search_path = '' as $$
    select r.tenant_id, r.user_id, r.created_at, r.expires_at, r.family, r.used_at
    from events.refresh_token r where r.token_hash = p_hash
$$;
grant create on schema events to events_lookup;
alter function events.refresh_token_by_hash(bytea) owner to events_lookup;
revoke create on schema events from events_lookup;
revoke all on function events.refresh_token_by_hash(bytea) from public;
grant execute on function events.refresh_token_by_hash(bytea) to command_api;
