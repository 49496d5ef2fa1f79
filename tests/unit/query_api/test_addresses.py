"""What the merged document says of an address: 404, or what is allowed (design §9)."""

from query_api.routes.documents import addresses, allowed

KNOWN = addresses(
    {
        "paths": {
            "/api/v1/tickets": {"get": {}, "post": {}, "parameters": []},
            "/api/v1/tickets/{id}": {"get": {}, "delete": {}},
            "/api/v1/tickets/bulk-update": {"post": {}},
            "/api/v1/tickets/{id}/files/{file}": {"delete": {}},
            "/api/v1/tickets/{id}/files/upload-url": {"post": {}},
            "/.well-known/jwks.json": {"get": {}},
        }
    }
)


def test_an_address_of_ours_tells_its_methods_and_head_goes_with_get_and_options_with_all() -> None:
    assert allowed(KNOWN, "/api/v1/tickets") == ["GET", "HEAD", "OPTIONS", "POST"]
    assert allowed(KNOWN, "/api/v1/tickets/42") == ["DELETE", "GET", "HEAD", "OPTIONS"]


def test_a_static_path_wins_over_a_template() -> None:
    assert allowed(KNOWN, "/api/v1/tickets/bulk-update") == ["OPTIONS", "POST"]
    assert allowed(KNOWN, "/api/v1/tickets/42/files/upload-url") == ["OPTIONS", "POST"]
    assert allowed(KNOWN, "/api/v1/tickets/42/files/43") == ["DELETE", "OPTIONS"]


def test_an_address_is_taken_whole_and_literally() -> None:
    for path in ("/api/v1/tickets/", "/api/v1/tickets/1/2", "/x/api/v1/tickets", "/xwell-known/jwks.json"):
        assert allowed(KNOWN, path) == []
