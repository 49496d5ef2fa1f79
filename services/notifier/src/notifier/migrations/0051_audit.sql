-- Who was denied what of the notifications (the table is `helpdesk.eventstore.audit_alone`'s). The purge of a tenant is the
-- intake's.
grant notices_auditor to notifier;
create policy background on notices.audit to notices_background using (true);
grant select (tenant_id), delete on notices.audit to notices_background;
