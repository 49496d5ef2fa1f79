-- Tokens outlive the tenant that they were given out in: the doors ask here whether it is closed.
create table webhooks.closed_tenant (tenant_id uuid primary key);
alter table webhooks.closed_tenant enable row level security;
alter table webhooks.closed_tenant force row level security;
create policy tenant on webhooks.closed_tenant
    using (tenant_id = (select nullif(current_setting('app.tenant', true), '')::uuid));
create policy background on webhooks.closed_tenant to webhooks_background using (true);
grant select on webhooks.closed_tenant to webhook_dispatcher;
grant select, insert, delete on webhooks.closed_tenant to webhooks_background;

-- How many endpoints a tenant has, for the page that shows tenants (docs/adr/0023-operator-and-counts.md): a number, to
-- one login, and nothing else of them.
select pg_temp.ensure_role('webhooks_counter'), pg_temp.ensure_role('webhooks_counts');
grant usage on schema webhooks to webhooks_counter, webhooks_counts;
grant select (tenant_id, deleted) on webhooks.endpoint to webhooks_counter;
create policy counter on webhooks.endpoint for select to webhooks_counter using (true);
create function webhooks.count_endpoints(p_tenant uuid) returns bigint
language sql stable security definer set search_path = '' as $$
    select count(*) from webhooks.endpoint e where e.tenant_id = p_tenant and not e.deleted
$$;
grant create on schema webhooks to webhooks_counter;
alter function webhooks.count_endpoints owner to webhooks_counter;
revoke create on schema webhooks from webhooks_counter;
revoke all on function webhooks.count_endpoints from public;
grant execute on function webhooks.count_endpoints to webhooks_counts;
