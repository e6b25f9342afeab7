"""`python -m device_edge`: one edge."""

import os
import socket
from functools import partial
from pathlib import Path

from device_edge.edge import Settings, run_edge
from device_edge.running import run

MESSAGES_PER_S_MAX = "5"  # of one device, hellos and reports together


def main() -> None:
    environment = os.environ
    host = environment.get("ROLLCALL_HTTP_HOST", "127.0.0.1")
    port = int(environment.get("ROLLCALL_DEVICE_HTTP_PORT", "8081"))
    settings = Settings(
        name=f"{socket.gethostname()}-{os.getpid()}",
        nats_url=environment["NATS_URL"],
        nats_auth_url=environment["NATS_AUTH_URL"],
        issuer_seed=environment["ROLLCALL_ISSUER_SEED"],
        master_key=bytes.fromhex(environment["ROLLCALL_DEVICE_MASTER_KEY"]),
        database_url=environment["DATABASE_URL"],
        http_host=host,
        http_port=port,
        http_url=environment.get("ROLLCALL_DEVICE_HTTP_URL", f"http://{host}:{port}").rstrip("/"),
        content_folder=Path(environment["ROLLCALL_STATE"]) / "content",
        messages_per_s_max=float(
            environment.get("ROLLCALL_DEVICE_MESSAGES_PER_S", MESSAGES_PER_S_MAX)
        ),
    )
    run(partial(run_edge, settings), environment.get("ROLLCALL_READY_FILE"))


if __name__ == "__main__":
    main()
