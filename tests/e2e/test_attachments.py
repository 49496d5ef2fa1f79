"""Attachments through the gateway, with the real file store (contract §8)."""

import re
from hashlib import sha256
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from localstack.stack import Stack
from support.people import Json, Person
from support.shapes import ATTACHMENT, ID, answered, array, fits, has, page_of, refused
from support.uploads import DOCX, HTML, PDF, PNG, PROGRAM, ZIP, Uploader

UNKNOWN = "018f3a5c-7b1e-7c3d-9e5f-0123456789ab"
DOWNLOAD = has(downloadUrl={"type": "string"})
MOST = 26_214_400


async def opens(person: Person) -> Uploader:
    return Uploader(person, await person.opens_ticket())


async def downloads(client: httpx.AsyncClient, person: Person, attachment: Json) -> httpx.Response:
    """By `download-url`, without a token."""
    path = f"/tickets/{attachment['ticketId']}/attachments/{attachment['id']}/download-url"
    answer = answered(await person.get(path), 200, DOWNLOAD)
    return await client.get(answer["downloadUrl"])


async def names(person: Person, ticket: Json) -> list[str]:
    """What a person finds on a ticket, which is the same at both places."""
    listed = answered(await person.get(f"/tickets/{ticket['id']}/attachments"), 200, array(ATTACHMENT))
    assert listed == (await person.reads(ticket))["attachments"]
    return [one["filename"] for one in listed]


# --- the round trip -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "filename", "mime_type"),
    [
        (PNG, "scan.png", "image/png"),
        (PDF, "Rechnung für “Ada”.pdf", "application/pdf"),
        (ZIP, "letter.docx", DOCX),
        ("Grüße;1\n".encode(), "table.csv", "text/csv; charset=utf-8"),
        (b"", "empty.txt", "text/plain"),
        (bytes(range(256)) * 9000, "dump.bin", "application/octet-stream"),
        (HTML, "page.html", "text/html"),
    ],
)
async def test_what_was_attached_comes_back_byte_for_byte_with_its_type(
    client: httpx.AsyncClient, user: Person, data: bytes, filename: str, mime_type: str
) -> None:
    mine = await opens(user)
    attachment = await mine.attaches(data, filename, mime_type)
    fits(attachment["id"], ID)
    assert (attachment["filename"], attachment["fileSize"], attachment["mimeType"]) == (filename, len(data), mime_type)
    assert attachment["ticketId"] == mine.ticket["id"]
    assert answered(await user.get(mine.path), 200, array(ATTACHMENT)) == [attachment]

    followed = await client.get(
        attachment["fileUrl"], headers={"Authorization": f"Bearer {user.token}"}, follow_redirects=True
    )
    downloaded = await downloads(client, user, attachment)
    for answer in (followed, downloaded):
        assert (answer.status_code, answer.content) == (200, data)
        assert re.sub(r"\s", "", answer.headers["content-type"]) == re.sub(r"\s", "", mime_type)
        assert answer.headers["x-content-type-options"] == "nosniff"
        kind, _, rest = answer.headers["content-disposition"].partition("; ")
        assert kind == "attachment"
        assert unquote(rest.rpartition("filename*=UTF-8''")[2]) == filename


async def test_an_address_of_a_file_lasts_and_leads_to_one_that_expires(
    client: httpx.AsyncClient, stack: Stack, user: Person
) -> None:
    attachment = await (await opens(user)).attaches()
    assert attachment["fileUrl"].startswith(f"{stack.origin}/api/v1/tickets/")
    bearer = {"Authorization": f"Bearer {user.token}"}
    answer = await client.get(attachment["fileUrl"], headers=bearer)
    assert answer.status_code == 302
    assert answer.headers["location"].startswith(f"{stack.origin}/attachments/{user.tenant_id}/files/")
    assert "X-Amz-Expires=300&" in answer.headers["location"]
    assert answer.headers["cache-control"] == "no-store"
    refused(await client.get(attachment["fileUrl"]), 401, "missing_token")


async def test_who_asks_only_for_the_headers_of_a_file_gets_them(client: httpx.AsyncClient, user: Person) -> None:
    attachment = await (await opens(user)).attaches()
    bearer = {"Authorization": f"Bearer {user.token}"}
    head = await client.head(attachment["fileUrl"], headers=bearer, follow_redirects=True)
    got = await client.get(attachment["fileUrl"], headers=bearer, follow_redirects=True)
    assert (head.status_code, head.content, got.content) == (200, b"", PNG)
    assert [one.status_code for one in head.history] == [302]
    for name in ("Content-Type", "Content-Length", "Content-Disposition"):
        assert head.headers[name] == got.headers[name]


async def test_an_upload_tells_where_and_for_how_long(stack: Stack, user: Person) -> None:
    begun = await (await opens(user)).begins()
    assert begun["key"].startswith(f"{user.tenant_id}/")
    assert begun["uploadUrl"].startswith(f"{stack.origin}/attachments/{begun['key']}?")
    assert "X-Amz-Expires=3600&" in begun["uploadUrl"]
    assert begun["key"] != (await (await opens(user)).begins())["key"]


async def test_files_are_listed_newest_first_and_by_pages_when_asked(user: Person) -> None:
    mine = await opens(user)
    for name in ("a.png", "b.png", "c.png"):
        await mine.attaches(filename=name)
    assert await names(user, mine.ticket) == ["c.png", "b.png", "a.png"]
    page = answered(await user.get(mine.path, page=1, limit=2), 200, page_of(ATTACHMENT))
    assert ([one["filename"] for one in page["data"]], page["meta"]["total"]) == (["a.png", "b.png"], 3)
    alias = answered(await user.get(f"/api{mine.path}"), 200, page_of(ATTACHMENT))
    assert len(alias["data"]) == 3
    first = answered(await user.get(mine.path, cursor="", limit=2), 200)
    rest = answered(await user.get(mine.path, cursor=first["meta"]["nextCursor"], limit=2), 200)
    assert [one["filename"] for one in rest["data"]] == ["c.png"]


async def test_the_history_tells_of_files(user: Person) -> None:
    mine = await opens(user)
    attachment = await mine.attaches()
    answered(await user.delete(f"{mine.path}/{attachment['id']}"), 204)
    told = [(one["type"], one["changes"]) for one in (await user.reads(mine.ticket))["activities"]]
    assert told[:2] == [
        ("ATTACHMENT_REMOVED", {"attachmentId": attachment["id"]}),
        ("ATTACHMENT_ADDED", {"attachmentId": attachment["id"], "filename": "scan.png"}),
    ]


async def test_a_removed_file_is_gone_at_once_and_cannot_be_removed_or_completed_again(
    client: httpx.AsyncClient, user: Person
) -> None:
    mine = await opens(user)
    begun = await mine.begins()
    await mine.puts(begun)
    attachment = answered(await mine.completes(begun), 201, ATTACHMENT)
    path = f"{mine.path}/{attachment['id']}"
    answered(await user.delete(path), 204)
    assert await names(user, mine.ticket) == []
    refused(await user.delete(path), 404, "attachment_not_found")
    refused(await user.get(f"{path}/download-url"), 404, "attachment_not_found")
    refused(await user.get(f"{path}/file"), 404, "attachment_not_found")
    refused(await mine.completes(begun), 400, "validation_failed")


async def test_completing_twice_is_once(user: Person) -> None:
    mine = await opens(user)
    begun = await mine.begins()
    await mine.puts(begun)
    first = await mine.completes(begun)
    again = await mine.completes(begun, 4711, "another.png")
    assert first.json() == answered(again, 201, ATTACHMENT)
    assert await names(user, mine.ticket) == ["scan.png"]


async def test_what_is_uploaded_later_under_the_same_address_changes_nothing(
    client: httpx.AsyncClient, user: Person
) -> None:
    mine = await opens(user)
    begun = await mine.begins()
    await mine.puts(begun)
    attachment = answered(await mine.completes(begun), 201, ATTACHMENT)
    await mine.puts(begun, HTML)
    assert (await downloads(client, user, attachment)).content == PNG


async def test_of_what_an_uploader_says_of_the_bytes_only_the_type_comes_back(
    client: httpx.AsyncClient, user: Person
) -> None:
    mine = await opens(user)
    begun = await mine.begins("page.txt", "text/plain")
    claims = {
        "Content-Encoding": "gzip",
        "Content-Language": "xx",
        "Content-Disposition": "inline",
        "Cache-Control": "public",
    }
    plain = b"Hello"
    put = await client.put(begun["uploadUrl"], content=plain, headers={"Content-Type": "text/plain", **claims})
    assert put.status_code == 200
    attachment = answered(await mine.completes(begun, len(plain), "page.txt", "text/plain"), 201, ATTACHMENT)
    answer = await downloads(client, user, attachment)
    assert answer.content == plain
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert not {"content-encoding", "content-language"} & set(answer.headers)
    assert answer.headers["cache-control"] == "private, no-store"


# --- what was signed counts -----------------------------------------------------------------------------------------


async def test_an_upload_with_another_signature_path_type_or_method_is_refused(
    client: httpx.AsyncClient, user: Person
) -> None:
    mine = await opens(user)
    begun, other = await mine.begins(), await mine.begins()
    url: str = begun["uploadUrl"]
    png = {"Content-Type": "image/png"}
    forged = url[:-1] + ("0" if url[-1] != "0" else "1")
    elsewhere = url.replace(begun["key"], other["key"])
    unsigned = url.partition("?")[0]
    later = url.replace("X-Amz-Expires=3600", "X-Amz-Expires=360000")
    for address in (forged, elsewhere, unsigned, later):
        refused(await client.put(address, content=PNG, headers=png), 403, "storage_refused")
    refused(await client.put(url, content=HTML, headers={"Content-Type": "text/html"}), 403, "storage_refused")
    for method in ("GET", "DELETE", "POST"):
        assert (await client.request(method, url, headers=png)).status_code == 403
    refused(await mine.completes(begun), 400, "validation_failed")  # nothing arrived
    assert (await client.put(url, content=PNG, headers=png)).status_code == 200


async def test_a_download_with_another_signature_or_path_is_refused(client: httpx.AsyncClient, user: Person) -> None:
    mine = await opens(user)
    first, second = await mine.attaches(), await mine.attaches(PDF, "b.pdf", "application/pdf")
    urls = [(await user.get(f"{mine.path}/{one['id']}/download-url")).json()["downloadUrl"] for one in (first, second)]
    paths = [url.partition("?")[0] for url in urls]
    forged = urls[0][:-1] + ("0" if urls[0][-1] != "0" else "1")
    shown = urls[0].replace("attachment%3B", "inline%3B")
    assert shown != urls[0]
    for address in (forged, shown, urls[0].replace(paths[0], paths[1]), paths[0]):
        refused(await client.get(address), 403, "storage_refused")


# --- what is admitted -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../x", "x"),
        ("..\\..\\windows\\system.ini", "system.ini"),
        ("/etc/passwd", "passwd"),
        ("a\u0000b", "ab"),
        ("invoice\u202egnp.txt", "invoicegnp.txt"),
        ("line\r\nX-Evil: 1.txt", "lineX-Evil_ 1.txt"),
        ("x" * 300 + ".txt", "x" * 251 + ".txt"),
        ("con.txt", "_con.txt"),
        ("..", "file"),
        (" . ", "file"),
        ('a"b;c%20.txt', "a_b;c%20.txt"),
        ("日本語🔥.txt", "日本語🔥.txt"),
    ],
)
async def test_a_name_is_cleaned(client: httpx.AsyncClient, somebody: Person, given: str, kept: str) -> None:
    theirs = await opens(somebody)
    attachment = answered(await theirs.uploads(b"Hello", given, "text/plain"), 201, ATTACHMENT)
    assert attachment["filename"] == kept
    answer = await downloads(client, somebody, attachment)
    assert unquote(answer.headers["content-disposition"].rpartition("''")[2]) == kept


@pytest.mark.parametrize(
    ("data", "filename", "mime_type", "code"),
    [
        (HTML, "cat.png", "image/png", "content_mismatch"),
        (HTML, "cat.png", "text/html", "content_mismatch"),
        (HTML, "cat.png", "application/octet-stream", "content_mismatch"),
        (PNG, "cat.jpg", "image/jpeg", "content_mismatch"),
        (b"", "cat.png", "image/png", "content_mismatch"),
        (PROGRAM, "report.pdf", "application/pdf", "executable_content"),
        (PROGRAM, "data.bin", "application/octet-stream", "executable_content"),
        (b"\x7fELF" + bytes(60), "notes.txt", "text/plain", "executable_content"),
        (PDF, "letter.docx", DOCX, "content_mismatch"),
        (bytes(100), "notes.txt", "text/plain", "content_mismatch"),
    ],
)
async def test_content_that_lies_is_refused(
    somebody: Person, data: bytes, filename: str, mime_type: str, code: str
) -> None:
    theirs = await opens(somebody)
    body = refused(await theirs.uploads(data, filename, mime_type), 400, "validation_failed")
    assert [(one["field"], one["code"]) for one in body["details"]] == [("mimeType", code)]
    assert await names(somebody, theirs.ticket) == []


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        ({"filename": "setup.exe"}, "filename", "type_denied"),
        ({"filename": "Setup.EXE "}, "filename", "type_denied"),
        ({"mime_type": "application/x-msdownload"}, "mimeType", "type_denied"),
        ({"mime_type": "Application/X-SH; charset=utf-8"}, "mimeType", "type_denied"),
        ({"mime_type": "png"}, "mimeType", "malformed_type"),
        ({"mime_type": "image/png\r\nX-Evil: 1"}, "mimeType", "malformed_type"),
        ({"filename": ""}, "filename", "string_too_short"),
        ({"filename": None}, "filename", "string_type"),
        ({"fileSize": MOST + 1}, "fileSize", "file_too_large"),
        ({"fileSize": -1}, "fileSize", "greater_than_equal"),
        ({"fileSize": "5"}, "fileSize", "int_type"),
        ({"sha256": "abc"}, "sha256", "string_pattern_mismatch"),
    ],
)
async def test_an_upload_that_is_not_admitted_does_not_begin(
    somebody: Person, fields: dict[str, Any], field: str, code: str
) -> None:
    body = refused(await (await opens(somebody)).asks(**fields), 400, "validation_failed")
    assert [(one["field"], one["code"]) for one in body["details"]] == [(field, code)]


async def test_a_wrong_size_another_type_or_another_digest_is_refused_and_the_right_one_then_taken(
    user: Person,
) -> None:
    mine = await opens(user)
    begun = await mine.begins(fileSize=len(PNG), sha256=sha256(PNG).hexdigest().upper())
    await mine.puts(begun, PNG + b"more")

    async def code(*args: Any, **more: Any) -> str:
        found: str = refused(await mine.completes(begun, *args, **more), 400, "validation_failed")["details"][0]["code"]
        return found

    assert await code(len(PNG)) == "size_mismatch"
    assert await code(len(PNG) + 4) == "size_mismatch"
    assert await code(MOST + 1) == "file_too_large"
    assert await code(mime_type="image/gif") == "type_mismatch"
    await mine.puts(begun, PNG[:-1] + b"\x00")
    assert await code(len(PNG)) == "digest_mismatch"
    await mine.puts(begun)
    assert answered(await mine.completes(begun, mime_type="IMAGE/PNG"), 201, ATTACHMENT)["fileSize"] == len(PNG)


async def test_more_than_the_limit_is_cut_and_the_limit_itself_goes_through(
    client: httpx.AsyncClient, user: Person
) -> None:
    mine = await opens(user)
    begun = await mine.begins("big.bin", "application/octet-stream")
    over = await mine.puts(begun, bytes(MOST + 1), "application/octet-stream")
    refused(over, 413, "payload_too_large")
    body = refused(await mine.completes(begun, MOST, "big.bin", "application/octet-stream"), 400, "validation_failed")
    assert body["details"][0]["code"] == "not_uploaded"
    attachment = await mine.attaches(bytes(MOST), "big.bin", "application/octet-stream")
    assert attachment["fileSize"] == MOST
    assert len((await downloads(client, user, attachment)).content) == MOST


async def test_only_an_address_that_was_given_out_for_this_ticket_to_this_person_is_completed(
    stack: Stack, user: Person, agent: Person
) -> None:
    mine, other = await opens(user), await opens(user)
    begun, elsewhere = await mine.begins(), await other.begins()
    await mine.puts(begun)
    await other.puts(elsewhere)
    address: str = begun["fileUrl"]
    colleague = Uploader(agent, mine.ticket)
    for who, url in (
        (mine, elsewhere["fileUrl"]),
        (mine, address.replace(stack.origin, "https://evil.example")),
        (mine, f"{stack.origin}/attachments/{begun['key']}"),
        (mine, address.replace(address.split("/")[-2], UNKNOWN)),
        (mine, address + "?x=1"),
        (mine, "file:///etc/passwd"),
        (mine, ""),
        (colleague, address),
    ):
        body = refused(await who.completes({"fileUrl": url}), 400, "validation_failed")
        assert body["details"][0]["code"] == "unknown_upload", url
    answered(await mine.completes(begun), 201, ATTACHMENT)


# --- who may --------------------------------------------------------------------------------------------------------


async def every_call(person: Person, ticket_id: str, attachment_id: str, file_url: str) -> list[httpx.Response]:
    theirs = Uploader(person, {"id": ticket_id})
    return [
        await theirs.asks(),
        await theirs.completes({"fileUrl": file_url}),
        await person.get(theirs.path),
        await person.get(f"{theirs.path}/{attachment_id}/download-url"),
        await person.get(f"{theirs.path}/{attachment_id}/file"),
        await person.delete(f"{theirs.path}/{attachment_id}"),
    ]


@pytest.mark.route("POST /api/v1/tickets/{ticketId}/attachments/upload-url")
@pytest.mark.route("POST /api/v1/tickets/{ticketId}/attachments")
@pytest.mark.route("GET /api/v1/tickets/{ticketId}/attachments")
@pytest.mark.route("GET /api/v1/tickets/{ticketId}/attachments/{id}/download-url")
@pytest.mark.route("GET /api/v1/tickets/{ticketId}/attachments/{id}/file")
@pytest.mark.route("DELETE /api/v1/tickets/{ticketId}/attachments/{id}")
async def test_another_users_ticket_is_forbidden_and_another_tenants_unknown(
    user: Person, other_user: Person, stranger: Person
) -> None:
    mine = await opens(user)
    attachment = await mine.attaches()
    place = mine.ticket["id"], attachment["id"], attachment["fileUrl"]
    for answer in await every_call(other_user, *place):
        refused(answer, 403, "not_allowed")
    for answer in await every_call(stranger, *place):
        refused(answer, 404, "ticket_not_found")
    assert await names(user, mine.ticket) == ["scan.png"]


async def test_a_file_of_one_ticket_is_unknown_on_another(user: Person) -> None:
    mine, other = await opens(user), await opens(user)
    attachment = await mine.attaches()
    for path in ("/download-url", "/file"):
        refused(await user.get(f"{other.path}/{attachment['id']}{path}"), 404, "attachment_not_found")
    refused(await user.delete(f"{other.path}/{attachment['id']}"), 404, "attachment_not_found")
    refused(await user.delete(f"{mine.path}/not-an-id"), 400, "validation_failed")


async def test_agents_attach_to_and_remove_from_tickets_of_the_tenant(user: Person, agent: Person) -> None:
    mine = await opens(user)
    colleague = Uploader(agent, mine.ticket)
    await colleague.attaches(filename="answer.png")
    attachment = await mine.attaches()
    assert await names(user, mine.ticket) == ["scan.png", "answer.png"]
    answered(await agent.delete(f"{mine.path}/{attachment['id']}"), 204)
    assert await names(agent, mine.ticket) == ["answer.png"]


async def test_a_deleted_tickets_files_are_out_of_reach(user: Person, admin: Person) -> None:
    mine = await opens(user)
    attachment = await mine.attaches()
    answered(await admin.delete(f"/tickets/{mine.ticket['id']}"), 204)
    for answer in await every_call(user, mine.ticket["id"], attachment["id"], attachment["fileUrl"]):
        refused(answer, 404, "ticket_not_found")


async def test_methods_that_are_not_allowed_are_named_by_those_that_are(user: Person) -> None:
    mine = await opens(user)
    for method, path, allowed in (
        ("DELETE", "/upload-url", "OPTIONS, POST"),
        ("GET", "/upload-url", "OPTIONS, POST"),
        ("PUT", f"/{UNKNOWN}", "DELETE, OPTIONS"),
        ("DELETE", "", "GET, HEAD, OPTIONS, POST"),
    ):
        answer = await user.ask(method, f"{mine.path}{path}")
        refused(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] == allowed


async def test_nobody_attaches_without_a_token(client: httpx.AsyncClient, user: Person) -> None:
    mine = await opens(user)
    refused(await client.post(f"/api/v1{mine.path}/upload-url", json={}), 401, "missing_token")
    refused(await client.post(f"/api/v1{mine.path}", json={}), 401, "missing_token")
    refused(await client.get(f"/api/v1{mine.path}"), 401, "missing_token")
