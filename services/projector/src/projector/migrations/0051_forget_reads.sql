-- What the query API wrote down of who read a tenant goes with the tenant: its function, once the query API has one here.
create function views.forget_reads(p_tenant uuid) returns void language plpgsql as $$
begin
    if to_regprocedure('access.forget(uuid)') is not null then
        perform access.forget(p_tenant);
    end if;
end $$;
revoke all on function views.forget_reads from public;
grant execute on function views.forget_reads to views_background;
