-- Tenants as the API lists them (docs/adr/0023-operator-and-counts.md).

alter table views.tenants add column closed_at timestamptz;

-- The platform's operator lists tenants across all of them, by a login of its own that sees them, and of people and
-- tickets as much as it takes to count them.
select pg_temp.ensure_role('query_operator');
grant usage on schema views to query_operator;
grant select on views.tenants to query_operator;
grant select (tenant_id) on views.people to query_operator;
grant select (tenant_id, deleted) on views.tickets to query_operator;
create policy operator on views.tenants for select to query_operator using (true);
create policy operator on views.people for select to query_operator using (true);
create policy operator on views.tickets for select to query_operator using (true);
