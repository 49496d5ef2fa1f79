-- Whoever calls enters by this (docs/adr/0028-who-may-act-at-once.md): it binds the transaction to the caller's tenant, and
-- answers whether the caller is still who they are believed to be, by a token that was issued at `p_issued`, with `p_role`.
create function webhooks.enter(p_tenant uuid, p_user uuid, p_issued timestamptz, p_role text) returns boolean
language plpgsql as $$
declare
    setting text := set_config('app.tenant', p_tenant::text, true);
begin
    return not exists (select from webhooks.closed_tenant t where t.tenant_id = p_tenant)
        and not exists (
            select from webhooks.person p
            where p.tenant_id = p_tenant and p.id = p_user and p.valid_from > p_issued
              and (not p.enabled or p.sessions_from > p_issued or p.role <> p_role));
end $$;
revoke all on function webhooks.enter from public;
grant execute on function webhooks.enter to webhook_dispatcher;

-- Who may ask how far the intake is: the command API, before it answers what ends a token.
select pg_temp.ensure_role('webhooks_progress');
grant usage on schema webhooks to webhooks_progress;
grant execute on function webhooks.applied to webhooks_progress;
