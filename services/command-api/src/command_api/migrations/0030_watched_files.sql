-- Files that somebody must look at again: an upload that may never be completed, a file that may have been removed from
-- its ticket. The ticket's history says what is to stand in the file store; the worker makes it so, and the row goes.
create table events.watched_file (
    tenant_id uuid        not null,
    id        uuid        not null, -- of the attachment, made when its upload was begun
    ticket_id uuid        not null,
    look_at   timestamptz not null,
    -- What was declared of an upload, by whom. Null when it can no longer be completed.
    by_id     uuid,
    mime_type text,
    file_size bigint,
    sha256    text,
    primary key (tenant_id, id)
);
create index watched_file_due_idx on events.watched_file (look_at);

alter table events.watched_file enable row level security;
alter table events.watched_file force row level security;
create policy tenant on events.watched_file
    using (tenant_id = (select nullif(current_setting('app.tenant', true), '')::uuid));
grant select, insert, update on events.watched_file to command_api;

-- The worker looks after the files of all tenants, and reads no event but by its stream.
select pg_temp.ensure_role('command_worker');
create policy background on events.watched_file to command_worker using (true);
grant usage on schema events to command_worker;
grant select, update, delete on events.watched_file to command_worker;
grant execute on function events.read_stream to command_worker;
