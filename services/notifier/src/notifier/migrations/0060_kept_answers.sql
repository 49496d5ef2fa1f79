-- Answers under idempotency keys, kept in the transaction of what they tell of. As `helpdesk.eventstore` keeps them with
-- events; here nothing is appended, so a key is taken by a function of its own.

create table notices.idempotency (
    tenant_id   uuid        not null,
    principal   text        not null,
    method      text        not null,
    path        text        not null,
    key         text        not null,
    fingerprint bytea       not null,
    status      smallint    not null,
    body        bytea,
    etag        text,
    token       text,
    location    text,
    expires_at  timestamptz not null,
    constraint idempotency_pkey primary key (tenant_id, principal, method, path, key)
);
create index idempotency_expires_idx on notices.idempotency (expires_at);
alter table notices.idempotency enable row level security;
alter table notices.idempotency force row level security;
create policy tenant on notices.idempotency
    using (tenant_id = (select nullif(current_setting('app.tenant', true), '')::uuid));
create policy background on notices.idempotency to notices_background using (true);
grant select, insert, update on notices.idempotency to notifier;
-- The intake empties what may quote a redacted text, and forgets purged tenants.
grant select, update (body), delete on notices.idempotency to notices_background;

-- Takes a key for the running transaction, whose answer is said by an update before it commits. Null, or why not:
--   in_flight  another transaction holds it · answered, reused  as `append` of an event store says it
-- It and a redaction of the same tenant, which holds the first lock alone, wait for each other: else an answer that shows a
-- name of before could be kept after the redaction has emptied the others.
create function notices.take_key(
    p_tenant uuid, p_principal text, p_method text, p_path text, p_key text, p_fingerprint bytea, p_seconds double precision)
returns text language plpgsql as $$
declare kept bytea;
begin
    perform pg_advisory_xact_lock_shared(hashtextextended('notices.answers/' || p_tenant, 0));
    if not pg_try_advisory_xact_lock(hashtextextended(
        concat_ws(E'\n', 'notices', p_tenant, p_principal, p_method, p_path, p_key), 0)) then
        return 'in_flight';
    end if;
    -- A statement of its own: it must see what was committed before the lock was free.
    select i.fingerprint into kept from notices.idempotency i
    where i.tenant_id = p_tenant and i.principal = p_principal and i.method = p_method and i.path = p_path
      and i.key = p_key and i.expires_at > clock_timestamp();
    if found then
        return case when kept = p_fingerprint then 'answered' else 'reused' end;
    end if;
    insert into notices.idempotency (tenant_id, principal, method, path, key, fingerprint, status, expires_at)
    values (p_tenant, p_principal, p_method, p_path, p_key, p_fingerprint, 0,
            clock_timestamp() + make_interval(secs => p_seconds))
    on conflict on constraint idempotency_pkey do update set
        fingerprint = excluded.fingerprint, status = 0, body = null, etag = null, token = null, location = null,
        expires_at = excluded.expires_at;
    return null;
end $$;

-- Forgets answers that nobody may ask for any more, of all tenants, some at a time. Returns how many.
create function notices.forget_answers(p_limit integer) returns integer
language plpgsql security definer set search_path = '' as $$
declare gone integer;
begin
    delete from notices.idempotency i where i.ctid = any (array(
        select d.ctid from notices.idempotency d where d.expires_at <= pg_catalog.clock_timestamp()
        order by d.expires_at limit p_limit for update skip locked));
    get diagnostics gone = row_count;
    return gone;
end $$;

select pg_temp.ensure_role('notices_forgetter');
grant usage on schema notices to notices_forgetter;
grant select, update, delete on notices.idempotency to notices_forgetter;
create policy forget on notices.idempotency to notices_forgetter using (expires_at <= clock_timestamp());
grant create on schema notices to notices_forgetter;
alter function notices.forget_answers owner to notices_forgetter;
revoke create on schema notices from notices_forgetter;

revoke all on function notices.take_key, notices.forget_answers from public;
grant execute on function notices.take_key, notices.forget_answers to notifier;
