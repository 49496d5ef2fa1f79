-- The schema `access` holds what is known of reading: the audit of what was denied, and of what operators read.
select pg_temp.ensure_role('query_api');
grant access_auditor to query_api;

-- A purge of the views takes the tenant's rows along: the projector, whose event it is, asks by this function.
select pg_temp.ensure_role('access_forgetter'), pg_temp.ensure_role('views_background');
create policy forgetter on access.audit to access_forgetter using (true);
grant usage on schema access to access_forgetter, views_background;
grant select (tenant_id), delete on access.audit to access_forgetter;
create function access.forget(p_tenant uuid) returns void
language sql security definer set search_path = '' as $$
    delete from access.audit a where a.tenant_id = p_tenant
$$;
grant create on schema access to access_forgetter;
alter function access.forget owner to access_forgetter;
revoke create on schema access from access_forgetter;
revoke all on function access.forget from public;
grant execute on function access.forget to views_background;
