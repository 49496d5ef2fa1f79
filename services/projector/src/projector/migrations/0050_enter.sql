-- Who reads the views enters by this (docs/adr/0028-who-may-act-at-once.md): it binds the transaction to the caller's tenant,
-- and answers whether the caller is still who they are believed to be, by a token that was issued at `p_issued`, with
-- `p_role`. The same rule as `helpdesk.auth.standing.judged`; a test compares them. One function, so that a read pays for
-- no more statements than before.
create function views.enter(p_tenant uuid, p_user uuid, p_issued timestamptz, p_role text) returns boolean
language plpgsql as $$
declare
    setting text := set_config('app.tenant', p_tenant::text, true);
begin
    return not exists (select from views.tenants t where t.tenant_id = p_tenant and t.closed_at is not null)
        and not exists (
            select from views.people p
            where p.tenant_id = p_tenant and p.id = p_user and p.valid_from > p_issued
              and (not p.enabled or p.sessions_from > p_issued or p.role <> p_role));
end $$;
revoke all on function views.enter from public;
grant execute on function views.enter to query_api;
