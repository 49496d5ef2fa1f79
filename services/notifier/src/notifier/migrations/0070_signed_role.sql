-- As in 0050; and a caller who is believed to have another role than `p_signed`, the token's, must have it by a row that is
-- later than the token. After a restore a process may believe what the rows no longer say. (What is there without
-- `p_signed` is for processes of the release before, until they have ended.)
create function notices.enter(p_tenant uuid, p_user uuid, p_issued timestamptz, p_role text, p_signed text)
returns boolean language plpgsql as $$
declare
    setting text := set_config('app.tenant', p_tenant::text, true);
begin
    return not exists (select from notices.closed_tenant t where t.tenant_id = p_tenant)
        and coalesce((
            select case when p.valid_from > p_issued
                then p.enabled and coalesce(p.sessions_from <= p_issued, true) and p.role = p_role
                else p_role = p_signed end
            from notices.person p where p.tenant_id = p_tenant and p.id = p_user), p_role = p_signed);
end $$;
revoke all on function notices.enter(uuid, uuid, timestamptz, text, text) from public;
grant execute on function notices.enter(uuid, uuid, timestamptz, text, text) to notifier;
