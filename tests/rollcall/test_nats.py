import asyncio
import json
import re
import subprocess
from pathlib import Path

import aiomqtt
import nats
import pytest
from nats.aio.msg import Msg

from rollcall.embedded.binaries import nats_server
from tests.cloud import Cloud
from tests.servers import NatsServer

TIMEOUT_S = 10


@pytest.mark.asyncio
async def test_the_edge_hears_who_comes_and_goes_and_may_throw_them_out(
    clean_nats: NatsServer,
) -> None:
    edge = await nats.connect(clean_nats.url)
    came = await edge.subscribe("presence.connect")
    went = await edge.subscribe("presence.disconnect")
    await edge.flush()
    guest = await nats.connect(clean_nats.url, allow_reconnect=False)

    arrival = json.loads((await came.next_msg(TIMEOUT_S)).data)
    connection, server = arrival["client"]["id"], arrival["server"]["id"]
    listed = await edge.request("presence.connz", b'{"auth":true}', timeout=TIMEOUT_S)
    kick = json.dumps({"cid": connection}).encode()
    await edge.request(f"presence.kick.{server}", kick, timeout=TIMEOUT_S)
    departure = json.loads((await went.next_msg(TIMEOUT_S)).data)

    rows = json.loads(listed.data)["data"]["connections"]
    assert connection in [row["cid"] for row in rows]
    assert departure["client"]["id"] == connection
    assert departure["reason"] == "Kicked"
    await guest.close()
    await edge.close()


@pytest.mark.asyncio
async def test_a_device_that_nobody_vouches_for_does_not_get_in(clean_nats: NatsServer) -> None:
    asked = asyncio.Event()

    async def refuse(message: Msg) -> None:
        asked.set()
        await message.respond(b"not the signed yes that it takes")

    auth = await nats.connect(clean_nats.auth_url)
    await auth.subscribe("$SYS.REQ.USER.AUTH", cb=refuse)
    await auth.flush()

    with pytest.raises(aiomqtt.MqttError):
        async with aiomqtt.Client(
            "127.0.0.1", clean_nats.mqtt_port, username="x", password="y", identifier="x"
        ):
            pytest.fail("it got in")

    assert asked.is_set()
    await auth.close()


@pytest.mark.asyncio
async def test_the_edge_and_the_callout_do_not_hear_each_other(clean_nats: NatsServer) -> None:
    edge, auth = await nats.connect(clean_nats.url), await nats.connect(clean_nats.auth_url)
    heard = await auth.subscribe(">")
    await auth.flush()

    await edge.publish("d.x.up.hello", b"")
    await edge.flush()
    await auth.flush()

    assert heard.pending_msgs == 0
    await edge.close()
    await auth.close()


def test_the_accounts_printed_for_an_own_nats_are_understood_by_one(
    cloud: Cloud, tmp_path: Path
) -> None:
    printed = cloud.run("nats-config").stdout
    configuration = tmp_path / "nats.conf"
    configuration.write_text(f"{printed}\njetstream {{}}\nserver_name: own\n")

    checked = subprocess.run(
        [nats_server(), "-t", "-c", configuration], capture_output=True, text=True
    )

    assert checked.returncode == 0, checked.stderr
    assert re.search(r"^# ROLLCALL_ISSUER_SEED=SA\w+$", printed, re.MULTILINE)
