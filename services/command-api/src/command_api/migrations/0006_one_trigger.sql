-- What follows from an event in the private rows stands in one trigger: each trigger's condition is read anew by every
-- statement, which cost more than the rows of a batch. A batch holds rows of several tenants, so each row's is set.
create function events.follow_event() returns trigger language plpgsql as $$
declare
    setting text := set_config('app.tenant', new.tenant_id::text, true);
    fields  jsonb;
begin
    case new.type
        when 'ticket.created' then
            insert into events.ticket_number (tenant_id, number, ticket_id)
            values (new.tenant_id, (new.data ->> 'number')::integer, new.stream_id);
        when 'comment.added' then
            insert into events.comment_place (tenant_id, comment_id, ticket_id)
            values (new.tenant_id, (new.data ->> 'comment_id')::uuid, new.stream_id);
        -- Nobody signs in to a closed tenant, keeps a session beyond the token at hand, or registers.
        when 'tenant.closed' then
            update events.tenant set closed_at = clock_timestamp() where tenant_id = new.tenant_id;
            delete from events.refresh_token where tenant_id = new.tenant_id;
        -- Without its address an account cannot be signed in to: the credential goes with it.
        when 'user.redacted' then
            fields := (new.data -> 'fields')::jsonb;
            if fields ? 'name' then
                update events.person set name = '' where tenant_id = new.tenant_id and id = new.stream_id;
            end if;
            if fields ? 'email' then
                update events.person set email = '' where tenant_id = new.tenant_id and id = new.stream_id;
                delete from events.credential where tenant_id = new.tenant_id and user_id = new.stream_id;
                delete from events.refresh_token where tenant_id = new.tenant_id and user_id = new.stream_id;
                delete from events.api_key where tenant_id = new.tenant_id and user_id = new.stream_id;
            end if;
        else null;
    end case;
    return null;
end $$;
drop trigger ticket_created on events.event;
drop trigger comment_added on events.event;
drop trigger tenant_closed on events.event;
drop trigger user_redacted on events.event;
drop function events.place_ticket(), events.place_comment(), events.close_tenant(), events.redact_person();
create trigger event_followed after insert on events.event for each row
    when (new.type in ('ticket.created', 'comment.added', 'tenant.closed', 'user.redacted'))
    execute function events.follow_event();
