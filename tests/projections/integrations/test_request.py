"""What is sent for a device event, case by case."""

import base64
import json
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from projections.device_events.telemetry import DeviceEventRow
from projections.integrations.event import Owner
from projections.integrations.request import (
    HEADERS_BYTES_MAX,
    Publication,
    Request,
    RequestImpossible,
    build,
)
from projections.integrations.settings import (
    JSON_DEPTH_MAX,
    BasicAuth,
    NatsSettings,
    SettingsWrong,
    WebhookSettings,
    must_be_right,
)
from tests.projections.integrations.events import (
    DEVICE,
    IN_ORGANIZATION,
    IN_PRODUCT,
    IN_SANDBOX,
    USER,
    device_event,
)

URL = "https://receiver.example/in"
DEFAULTS = {
    "event": "temp",
    "data": "21.5",
    "coreid": DEVICE,
    "published_at": "2030-01-01T10:00:00.123Z",
}


def sent(
    event: DeviceEventRow | None = None, owner: Owner = IN_PRODUCT, **settings: Any
) -> Request:
    wanted = WebhookSettings(**{"url": URL, **settings})
    must_be_right(wanted)
    request = build(wanted, event or device_event(), owner)
    assert isinstance(request, Request)
    return request


def impossible(event: DeviceEventRow | None = None, **settings: Any) -> str:
    with pytest.raises(RequestImpossible) as reason:
        sent(event, **settings)
    return str(reason.value)


def header(request: Request, name: str) -> str | None:
    found = [text for known, text in request.headers if known.lower() == name.lower()]
    assert len(found) <= 1
    return found[0] if found else None


def query(request: Request) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True))


def form(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.body.decode(), keep_blank_values=True))


def test_an_event_is_posted_as_a_form() -> None:
    request = sent()
    assert (request.method, request.url) == ("POST", URL)
    assert header(request, "Content-Type") == "application/x-www-form-urlencoded"
    assert (header(request, "User-Agent") or "").startswith("Rollcall")
    assert form(request) == DEFAULTS
    assert request.verify_tls


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_fields_of_a_form_go_with_the_defaults(method: str) -> None:
    request = sent(method=method, form={"v": "{{PARTICLE_EVENT_VALUE}}", "data": "{{x}}"})
    assert request.method == method
    assert form(request) == {**DEFAULTS, "v": "21.5", "data": ""}


def test_nothing_is_said_where_there_are_to_be_no_defaults() -> None:
    request = sent(no_defaults=True)
    assert request.body == b""
    assert header(request, "Content-Type") is None
    assert form(sent(no_defaults=True, form={"v": "1"})) == {"v": "1"}


def test_json_goes_with_the_defaults() -> None:
    request = sent(json={"v": "{{PARTICLE_EVENT_VALUE}}", "n": 1, "l": ["{{PRODUCT_ID}}"]})
    assert header(request, "Content-Type") == header(request, "Accept") == "application/json"
    assert json.loads(request.body) == {**DEFAULTS, "v": "21.5", "n": 1, "l": ["7000"]}
    assert json.loads(sent(json={"v": 1}, no_defaults=True).body) == {"v": 1}


def test_json_that_is_no_object_goes_alone() -> None:
    assert json.loads(sent(json=["{{PARTICLE_EVENT_NAME}}"]).body) == ["temp"]


def test_what_an_event_says_cannot_break_out_of_json() -> None:
    said = '", "admin": true, "x": "\n'
    request = sent(device_event(said), json={"v": "{{{PARTICLE_EVENT_VALUE}}}"})
    assert json.loads(request.body) == {**DEFAULTS, "v": said, "data": said}


def test_json_written_as_a_text_keeps_numbers_numbers() -> None:
    template = '{"v": {{{PARTICLE_EVENT_VALUE}}}, "n": 1.50}'
    assert json.loads(sent(json=template).body) == {**DEFAULTS, "v": 21.5, "n": 1.5}
    assert sent(json=template, no_defaults=True).body == b'{"v": 21.5, "n": 1.50}'
    assert "no JSON" in impossible(device_event("warm"), json=template)


def test_a_body_is_sent_as_it_is_rendered() -> None:
    request = sent(body="{{{PARTICLE_EVENT_NAME}}}={{{PARTICLE_EVENT_VALUE}}}")
    assert request.body == b"temp=21.5"
    assert header(request, "Content-Type") is None
    typed = sent(body="<t>{{PARTICLE_EVENT_VALUE}}</t>", headers={"content-type": "text/xml"})
    assert header(typed, "Content-Type") == "text/xml"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_defaults_query_and_form_are_asked_for_in_the_address(method: str) -> None:
    request = sent(
        url=URL + "?a=1#part",
        method=method,
        query={"{{PARTICLE_EVENT_NAME}}": "{{PARTICLE_EVENT_VALUE}}", "coreid": "x&y"},
        form={"f": "1"},
    )
    assert query(request) == {"a": "1", **DEFAULTS, "temp": "21.5", "coreid": "x&y", "f": "1"}
    assert (request.body, urlsplit(request.url).fragment) == (b"", "")
    assert query(sent(method=method, no_defaults=True)) == {}


def test_a_query_of_what_is_posted_has_no_defaults() -> None:
    request = sent(query={"q": "1"})
    assert query(request) == {"q": "1"}
    assert form(request) == DEFAULTS


def test_what_is_asked_for_in_an_address_may_come_with_json() -> None:
    request = sent(method="DELETE", json={"v": 1})
    assert json.loads(request.body) == {"v": 1}
    assert query(request) == DEFAULTS


def test_the_address_is_a_template_too() -> None:
    event = device_event('{"path": "a b/ü", "q": "1&x=2"}')
    request = sent(event, url=URL + "/{{{path}}}?q={{{q}}}")
    assert request.url == URL + "/a%20b/%C3%BC?q=1&x=2"
    assert sent(event, url=URL + "/a%20b").url == URL + "/a%20b"


@pytest.mark.parametrize(
    "said", ["file:///etc/passwd", "//receiver.example", "https:///x", "https://[x", "gopher://a/"]
)
def test_an_address_must_still_be_one_when_it_is_rendered(said: str) -> None:
    event = device_event(json.dumps({"a": said}))
    assert "url" in impossible(event, url="{{{a}}}")
    assert "url" in impossible(
        device_event("a\r\nHost: b"), url=URL + "/{{{PARTICLE_EVENT_VALUE}}}"
    )


def test_an_address_that_becomes_too_long_is_not_asked() -> None:
    assert "longer" in impossible(device_event("x" * 9_000), method="GET")


def test_whoever_asks_says_who_they_are() -> None:
    expected = "Basic " + base64.b64encode(b"ann:s3cret&{{x}}").decode()
    request = sent(auth=BasicAuth("ann", "s3cret&{{x}}"))
    assert header(request, "Authorization") == expected
    in_address = sent(url="https://ann:p%40ss@receiver.example/in")
    assert in_address.url == URL
    assert header(in_address, "Authorization") == "Basic " + base64.b64encode(b"ann:p@ss").decode()
    bearer = sent(auth=BasicAuth("ann"), headers={"authorization": "Bearer {{PRODUCT_ID}}"})
    assert header(bearer, "Authorization") == "Bearer 7000"


def test_headers_are_templates_in_names_and_values() -> None:
    request = sent(headers={"X-{{PARTICLE_EVENT_NAME}}": "{{PARTICLE_EVENT_VALUE}}"})
    assert header(request, "X-temp") == "21.5"


@pytest.mark.parametrize("said", ["a\r\nX-Admin: yes", "a\nb", "a\x00b", "a\x7fb", "a\x85b"])
def test_no_event_makes_a_header_of_its_own(said: str) -> None:
    event = device_event(said)
    assert "control" in impossible(event, headers={"X-Value": "{{{PARTICLE_EVENT_VALUE}}}"})
    reason = impossible(event, headers={"X-{{{PARTICLE_EVENT_VALUE}}}": "x"})
    assert "header" in reason


@pytest.mark.parametrize("name", ["Host", "content-length", "webhook-signature", "a:b"])
def test_nor_sets_one_that_is_not_its_business(name: str) -> None:
    with pytest.raises(SettingsWrong):
        sent(headers={name: "x"})
    assert "no header" in impossible(
        device_event(name), headers={"{{{PARTICLE_EVENT_VALUE}}}": "x"}
    )


def test_headers_that_become_too_long_are_not_sent() -> None:
    event = device_event("x" * HEADERS_BYTES_MAX)
    assert "longer" in impossible(event, headers={"X-Value": "{{PARTICLE_EVENT_VALUE}}"})


def test_a_template_that_takes_too_long_is_no_request() -> None:
    event = device_event(json.dumps({"a": [0] * 300}))
    assert "repeat too often" in impossible(event, body="{{#a}}" * 4 + "{{/a}}" * 4)


def test_whoever_does_not_look_at_certificates_says_so() -> None:
    assert not sent(verify_tls=False).verify_tls


def test_the_predefined_variables() -> None:
    names = {
        "PARTICLE_DEVICE_ID": DEVICE,
        "PARTICLE_EVENT_NAME": "temp",
        "PARTICLE_EVENT_VALUE": "21.5",
        "PARTICLE_PUBLISHED_AT": DEFAULTS["published_at"],
        "PARTICLE_EVENT_ID": "41",
        "PRODUCT_ID": "7000",
        "PRODUCT_USER_ID": USER,
        "PRODUCT_VERSION": "3",
        "SPARK_CORE_ID": DEVICE,
        "SPARK_EVENT_NAME": "temp",
        "SPARK_EVENT_VALUE": "21.5",
        "SPARK_PUBLISHED_AT": DEFAULTS["published_at"],
    }
    template = {name: f"{{{{{name}}}}}" for name in names}
    for owner in (IN_PRODUCT, IN_ORGANIZATION):
        found = sent(owner=owner, json=template, no_defaults=True)
        assert json.loads(found.body) == names
    in_sandbox = json.loads(sent(owner=IN_SANDBOX, json=template, no_defaults=True).body)
    assert in_sandbox == {**names, "PRODUCT_USER_ID": "", "PRODUCT_VERSION": ""}


def test_the_whole_event_in_one() -> None:
    whole = json.loads(sent(body="{{{PARTICLE_EVENT_JSON}}}").body)
    assert (whole["name"], whole["data"], whole["coreid"]) == ("temp", "21.5", DEVICE)
    assert json.loads(base64.b64decode(sent(body="{{{PARTICLE_EVENT_BASE64}}}").body)) == whole


def test_what_the_cloud_says_about_a_device_is_the_cloud_s() -> None:
    event = device_event(publisher="particle-internal")
    assert form(sent(event))["coreid"] == "particle-internal"
    assert sent(event, body="{{PARTICLE_DEVICE_ID}}").body == DEVICE.encode()


@pytest.mark.parametrize("device_id", ["api", DEVICE])
def test_what_people_say_is_said_as_a_device_or_as_nobody(device_id: str) -> None:
    event = device_event(publisher="api", device_id=device_id)
    assert form(sent(event))["coreid"] == device_id


def test_an_event_may_say_nothing() -> None:
    event = device_event(None, version=None, user_id=None, product_id=None)
    assert form(sent(event)) == {**DEFAULTS, "data": ""}
    assert sent(event, body="[{{PRODUCT_VERSION}}{{PRODUCT_ID}}]").body == b"[]"


def deep(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


DEEP = deep(JSON_DEPTH_MAX)


def test_json_may_be_nested_but_not_without_end() -> None:
    assert json.loads(sent(json=deep(JSON_DEPTH_MAX - 1)).body) == deep(JSON_DEPTH_MAX - 1)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"url": "ftp://receiver.example"}, "url"),
        ({"url": "receiver.example"}, "url"),
        ({"url": "https://"}, "url"),
        ({"url": "https://receiver.example/a b"}, "url"),
        ({"url": URL + "/{{#a}}"}, "url"),
        ({"body": "x", "json": {}}, "json"),
        ({"body": "x", "form": {}}, "form"),
        ({"json": {"a": "{{a"}}, "json"),
        ({"json": {"{{a": 1}}, "json"),
        ({"json": DEEP}, "json"),
        ({"response_template": DEEP}, "responseTemplate"),
        ({"headers": {"a b": "x"}}, "headers"),
        ({"query": {"q": "{{#a}}"}}, "query"),
        ({"response_template": {"v": "{{#a}}"}}, "responseTemplate"),
        ({"response_topic": "{{#a}}"}, "responseTopic"),
        ({"error_topic": "{{#a}}"}, "errorResponseTopic"),
    ],
)
def test_settings_that_no_event_can_make_right_are_refused(
    settings: dict[str, Any], field: str
) -> None:
    with pytest.raises(SettingsWrong) as wrong:
        must_be_right(WebhookSettings(**{"url": URL, **settings}))
    assert wrong.value.field == field


def test_a_nats_message_is_published_below_its_owner_s_name() -> None:
    settings = NatsSettings(subject="t.{{PARTICLE_EVENT_NAME}}", headers={"X-A": "{{PRODUCT_ID}}"})
    must_be_right(settings)
    message = build(settings, device_event(), IN_PRODUCT)
    assert isinstance(message, Publication)
    assert message.subject == "out.product-7000.t.temp"
    assert message.headers == (("X-A", "7000"),)
    assert json.loads(message.body)["data"] == "21.5"
    body = build(
        NatsSettings(subject="t", body="{{PARTICLE_EVENT_VALUE}}"), device_event(), IN_SANDBOX
    )
    assert isinstance(body, Publication)
    assert (body.subject, body.body) == (f"out.user-{USER}.t", b"21.5")


@pytest.mark.parametrize(
    "said", ["*", ">", "a.*", "a b", "", ".a", "a..b", "a.", "ü", "a\n", "$SYS"]
)
def test_no_event_leads_a_message_elsewhere(said: str) -> None:
    with pytest.raises(RequestImpossible, match="subject"):
        build(NatsSettings(subject="{{{PARTICLE_EVENT_VALUE}}}"), device_event(said), IN_PRODUCT)


@pytest.mark.parametrize("subject", ["", ">", "a.>", "a b", "a..b", "a.{{b", "$JS.API"])
def test_nor_does_whoever_sets_it_up(subject: str) -> None:
    with pytest.raises(SettingsWrong) as wrong:
        must_be_right(NatsSettings(subject=subject))
    assert wrong.value.field == "subject"


def test_a_query_is_read_as_it_was_meant() -> None:
    found = parse_qs(urlsplit(sent(method="GET", query={"ü&=": "+ %"}).url).query)
    assert found["ü&="] == ["+ %"]
