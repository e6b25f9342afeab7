import asyncio
import datetime
import ssl
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from projections.deliveries.addresses import INTERNET, reach_of
from projections.deliveries.sending import Limits, Outcome, redirected, send, sender
from projections.integrations.request import Request
from tests.projections.deliveries.receiver import Asked, receiver, replying

pytestmark = pytest.mark.asyncio

HERE = reach_of("127.0.0.1/32")
NEAR = Limits(reach=HERE, timeout_s=5.0)
HASTY = Limits(reach=HERE, timeout_s=0.3)


def posted(url: str, *headers: tuple[str, str], verify_tls: bool = True) -> Request:
    return Request(method="POST", url=url, headers=headers, body=b"hi", verify_tls=verify_tls)


async def test_a_request_arrives_as_it_was_made() -> None:
    async with receiver(replying(201, b"thanks", Kind="answer")) as there:
        url = f"{there.url}/a%2Fb?c=%20d"
        outcome = await send(posted(url, ("X-One", "1"), ("User-Agent", "us")), NEAR)
    assert (outcome.status, outcome.body, outcome.error) == (201, b"thanks", "")
    assert outcome.is_delivered
    assert outcome.header("kind") == "answer"
    [asked] = there.asked
    assert (asked.method, asked.path, asked.body) == ("POST", "/a%2Fb?c=%20d", b"hi")
    assert asked.headers == {
        "host": f"127.0.0.1:{there.port}",
        "x-one": "1",
        "user-agent": "us",
        "accept": "*/*",
        "accept-encoding": "identity",
        "content-length": "2",
    }


@pytest.mark.parametrize("status", [304, 400, 404, 410, 429, 500, 503])
async def test_an_answer_that_is_no_success_is_an_error(status: int) -> None:
    async with receiver(replying(status, b"")) as there:
        outcome = await send(posted(there.url), NEAR)
    assert not outcome.is_delivered
    assert outcome.error == f"error status {status} from 127.0.0.1"


async def test_many_requests_share_a_connection() -> None:
    async with receiver(replying()) as there, sender(NEAR) as keeping:
        outcomes = [await keeping.send(posted(there.url)) for _ in range(5)]
    assert all(outcome.is_delivered for outcome in outcomes)


async def test_a_connection_that_was_closed_meanwhile_costs_no_attempt() -> None:
    async def answer_once(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if len(there.asked) == 2:
            writer.close()  # without an answer, as if it had been closing when the request came
        await replying()(asked, writer)

    async with receiver(answer_once) as there, sender(NEAR) as keeping:
        first = await keeping.send(posted(there.url))
        second = await keeping.send(posted(there.url))
    assert first.is_delivered
    assert second.is_delivered
    assert len(there.asked) == 3


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:7f00:1]"])
async def test_nothing_goes_to_this_machine(host: str) -> None:
    async with receiver(replying()) as there:
        outcome = await send(posted(f"http://{host}:{there.port}/"), Limits(reach=INTERNET))
    assert "deliveries do not go to" in outcome.error
    assert outcome.status is None
    assert there.asked == []


async def test_nothing_goes_to_this_machine_by_a_redirect_either() -> None:
    async with receiver(replying(), host="127.0.0.2") as inside:
        target = f"http://127.0.0.2:{inside.port}/secret"
        async with receiver(replying(307, Location=target)) as there:
            outcome = await send(posted(there.url), NEAR)
    assert "deliveries do not go to 127.0.0.2" in outcome.error
    assert inside.asked == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_takes_the_whole_request_along(status: int) -> None:
    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        moved = replying(status, Location="/new?x=1")
        await (replying(200, b"here") if asked.path == "/new?x=1" else moved)(asked, writer)

    async with receiver(answer) as there:
        outcome = await send(posted(there.url, ("Authorization", "secret")), NEAR)
    assert outcome.body == b"here"
    assert [(asked.method, asked.body) for asked in there.asked] == [("POST", b"hi")] * 2
    assert there.asked[1].headers["authorization"] == "secret"


async def test_another_server_does_not_learn_what_was_for_the_first() -> None:
    secrets = [("Authorization", "secret"), ("X-Api-Key", "secret")]
    known = [("Content-Type", "text/plain"), ("webhook-id", "7")]
    async with receiver(replying()) as other, receiver(replying()) as there:
        there.answer = replying(308, Location=f"{other.url}/")
        assert (await send(posted(there.url, *secrets, *known), NEAR)).is_delivered
    assert not {"authorization", "x-api-key"} & other.asked[0].headers.keys()
    assert other.asked[0].headers["webhook-id"] == "7"
    assert other.asked[0].headers["content-type"] == "text/plain"


async def test_see_other_is_looked_at_without_the_content() -> None:
    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await (replying(200) if asked.path == "/seen" else replying(303, Location="/seen"))(
            asked, writer
        )

    async with receiver(answer) as there:
        assert (await send(posted(there.url), NEAR)).is_delivered
    assert (there.asked[1].method, there.asked[1].body) == ("GET", b"")


async def test_redirects_come_to_an_end() -> None:
    async with receiver(replying(302, Location="/again")) as there:
        outcome = await send(posted(there.url), NEAR)
    assert outcome.error == "more than 3 redirects"
    assert len(there.asked) == 4


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/", "file:///etc/passwd", "http://", "//["])
async def test_a_redirect_leads_to_a_web_server(target: str) -> None:
    async with receiver(replying(302, Location=target)) as there:
        assert (await send(posted(there.url), NEAR)).error


async def test_who_answers_too_slowly_has_not_answered() -> None:
    async def dawdle(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.2)

    async with receiver(dawdle) as there:
        outcome = await send(posted(there.url), HASTY)
    assert outcome.error == "no whole answer within 0.3 s"
    assert 250 < outcome.took_ms < 3_000


async def test_of_an_endless_answer_the_beginning_is_read() -> None:
    async def go_on(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"1000\r\n" + b"a" * 4096 + b"\r\n")
            await writer.drain()

    async with receiver(go_on) as there:
        outcome = await send(posted(there.url), NEAR)
    assert outcome.is_delivered
    assert outcome.body == b"a" * 102_400


async def test_endless_headers_are_not_read() -> None:
    async def go_on(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while not writer.is_closing():
            writer.write(b"A: " + b"b" * 1000 + b"\r\n")
            await writer.drain()

    async with receiver(go_on) as there:
        outcome = await send(posted(there.url), NEAR)
    assert outcome.error
    assert outcome.took_ms < 4_000


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\xff\xfe garbage\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"",
    ],
)
async def test_garbage_is_an_error(garbage: bytes) -> None:
    async def spoil(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(garbage)
        await writer.drain()
        writer.close()

    async with receiver(spoil) as there:
        outcome = await send(posted(there.url), NEAR)
    assert outcome.error
    assert not outcome.is_delivered


async def test_who_is_not_there_is_an_error() -> None:
    async with receiver(replying()) as there:
        pass
    for url in (there.url, "http://does-not-exist.invalid/"):
        outcome = await send(posted(url), NEAR)
        assert outcome.error
        assert outcome.status is None


@pytest.fixture
def context(tmp_path: Path) -> ssl.SSLContext:
    """Of a server that vouches for itself."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1).not_valid_before(now)
    made = made.not_valid_after(now + datetime.timedelta(days=1)).add_extension(
        x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
    )
    certificate = made.sign(key, SHA256()).public_bytes(Encoding.PEM)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "both.pem").write_bytes(private + certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    return context


async def over_tls(context: ssl.SSLContext, *, verify_tls: bool) -> Outcome:
    async with receiver(replying(), context=context) as there:
        url = f"https://127.0.0.1:{there.port}/"
        return await send(posted(url, verify_tls=verify_tls), NEAR)


async def test_a_server_must_be_vouched_for(context: ssl.SSLContext) -> None:
    outcome = await over_tls(context, verify_tls=True)
    assert "certificate" in outcome.error.lower()


async def test_unless_the_integration_does_not_mind(context: ssl.SSLContext) -> None:
    assert (await over_tls(context, verify_tls=False)).is_delivered


async def test_nothing_is_taken_from_https_to_http() -> None:
    with pytest.raises(ValueError, match="from https to http"):
        redirected(posted("https://a.example/"), 307, "http://a.example/")
