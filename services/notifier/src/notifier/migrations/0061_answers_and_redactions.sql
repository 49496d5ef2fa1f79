-- As in 0060; but an answer that is being made and a redaction of the same tenant wait for each other (the redaction holds
-- this lock alone). Else an answer that shows a name of before could be kept after the redaction has emptied the others.
create or replace function notices.take_key(
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
