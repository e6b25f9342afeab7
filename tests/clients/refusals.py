"""What the clients can ask for and Rollcall does not have, with the sentence that it is told in."""

from collections.abc import Mapping
from typing import Any

DEVICE = "e00fce681f2a3b4c5d6e7f80"
COMPILER = "Rollcall has no compiler."
DEVICE_OS = "Rollcall keeps no releases of Device OS."
LIBRARIES = "Rollcall keeps no libraries."
SIMS = "Rollcall sells and steers no SIM cards."
LEDGERS = "Rollcall has no ledgers."
LOGIC = "Rollcall runs no Logic."
ENVIRONMENT = "Rollcall keeps no environment variables for devices."
SECRETS = "Rollcall keeps no secrets for others."
PROTECTION = "Rollcall does not take part in device protection."
KEYS = "Rollcall takes no public keys."
BOARDS = "Rollcall does not set up, back up or fill single-board computers."
TRACKER = "Rollcall has no settings for Tracker products yet."
LOCATIONS = "Rollcall keeps no locations yet."
PRODUCT = {"product": {"name": "fleet of refusals", "platform_id": 6}}
OF_PRODUCT = {"product": 94}
OF_LEDGER = {"ledgerName": "l", "scopeValue": DEVICE}
OF_LOGIC = {"logicFunctionId": "f", "logicRunId": "r"}

# Every method of particle-api-js that asks for such a thing, with what it is called with.
CALLS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "compileCode": (COMPILER, {"files": {"a.ino": b"void setup() {}"}, "platformId": 6}),
    "downloadFirmwareBinary": (COMPILER, {"binaryId": "5a8ef38cb85f8720edce631a"}),
    "listBuildTargets": (COMPILER, {"onlyFeatured": True}),
    "listDeviceOsVersions": (DEVICE_OS, {"platformId": 6}),
    "getDeviceOsVersion": (DEVICE_OS, {"version": "6.3.4", "platformId": 6}),
    "listLibraries": (LIBRARIES, {"page": 1}),
    "getLibrary": (LIBRARIES, {"name": "neopixel"}),
    "getLibraryVersions": (LIBRARIES, {"name": "neopixel"}),
    "contributeLibrary": (LIBRARIES, {"archive": b"\x1f\x8b"}),
    "publishLibrary": (LIBRARIES, {"name": "neopixel"}),
    "deleteLibrary": (LIBRARIES, {"name": "neopixel"}),
    "listSIMs": (SIMS, {}),
    "getSIMDataUsage": (SIMS, {"iccid": "8934076500002589174"}),
    "getFleetDataUsage": (SIMS, OF_PRODUCT),
    "removeSIM": (SIMS, {"iccid": "8934076500002589174"}),
    "createLedger": (LEDGERS, {"ledger": {"name": "l"}}),
    "getLedger": (LEDGERS, OF_LEDGER),
    "updateLedger": (LEDGERS, {**OF_LEDGER, "ledger": {"description": "d"}}),
    "archiveLedger": (LEDGERS, OF_LEDGER),
    "listLedgers": (LEDGERS, {}),
    "getLedgerInstance": (LEDGERS, OF_LEDGER),
    "setLedgerInstance": (LEDGERS, {**OF_LEDGER, "instance": {"a": 1}}),
    "deleteLedgerInstance": (LEDGERS, OF_LEDGER),
    "listLedgerInstances": (LEDGERS, OF_LEDGER),
    "listLedgerInstanceVersions": (LEDGERS, OF_LEDGER),
    "getLedgerInstanceVersion": (LEDGERS, {**OF_LEDGER, "version": "1"}),
    "executeLogic": (LOGIC, {"logic": {"source": {"type": "JavaScript", "code": ""}}}),
    "createLogicFunction": (LOGIC, {"logicFunction": {"name": "f"}}),
    "getLogicFunction": (LOGIC, OF_LOGIC),
    "updateLogicFunction": (LOGIC, {**OF_LOGIC, "logicFunction": {"name": "f"}}),
    "deleteLogicFunction": (LOGIC, OF_LOGIC),
    "listLogicFunctions": (LOGIC, {}),
    "listLogicRuns": (LOGIC, OF_LOGIC),
    "getLogicRun": (LOGIC, OF_LOGIC),
    "getLogicRunLogs": (LOGIC, OF_LOGIC),
    "listEnvVars": (ENVIRONMENT, {"sandbox": True}),
    "updateEnvVars": (ENVIRONMENT, {**OF_PRODUCT, "ops": [{"op": "Unset", "key": "A"}]}),
    "setEnvVar": (ENVIRONMENT, {"sandbox": True, "key": "A", "value": "1"}),
    "deleteEnvVar": (ENVIRONMENT, {"sandbox": True, "key": "A"}),
    "renderEnvVars": (ENVIRONMENT, {"deviceId": DEVICE}),
    "reviewEnvVarsRollout": (ENVIRONMENT, OF_PRODUCT),
    "startEnvVarsRollout": (ENVIRONMENT, {"org": "acme", "when": "Immediate"}),
    "unprotectDevice": (PROTECTION, {"deviceId": DEVICE, "action": "prepare"}),
    "sendPublicKey": (KEYS, {"deviceId": DEVICE, "key": "PEM", "algorithm": "rsa"}),
    "downloadManufacturingBackup": (BOARDS, {"deviceId": DEVICE}),
    "getProductConfiguration": (TRACKER, OF_PRODUCT),
    "getProductConfigurationSchema": (TRACKER, OF_PRODUCT),
    "getProductDeviceConfiguration": (TRACKER, {**OF_PRODUCT, "deviceId": DEVICE}),
    "getProductDeviceConfigurationSchema": (TRACKER, {**OF_PRODUCT, "deviceId": DEVICE}),
    "setProductConfiguration": (TRACKER, {**OF_PRODUCT, "config": {}}),
    "setProductDeviceConfiguration": (TRACKER, {**OF_PRODUCT, "deviceId": DEVICE, "config": {}}),
    "getProductLocations": (LOCATIONS, OF_PRODUCT),
    "getProductDeviceLocations": (LOCATIONS, {**OF_PRODUCT, "deviceId": DEVICE}),
}
# What lies about in the folder where somebody works with particle-cli.
FILES = {
    "app.ino": "void setup() {}\n",
    "project.properties": "name=project\n",
    "library.properties": "name=neopixel\nversion=1.0.0\nauthor=a\nsentence=s\n",
    "src/neopixel.cpp": '#include "neopixel.h"\n',
    "src/neopixel.h": "void shine();\n",
    "README.md": "A library.\n",
    "LICENSE": "None.\n",
    "f.js": "export default function f() {}\n",
    "f.logic.json": """
        {"logic_function": {"name": "f", "source": {"type": "JavaScript"}, "logic_triggers": []}}
    """,
    "public.pem": """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEZkcABhyHCtF6nb4Yxk7fbbuyLWTH
2o5Lknjon8mjxYWCBrq5bPt+T75F82AG/SI1NMViEgiWiWkZ8bgkuazqoQ==
-----END PUBLIC KEY-----
""",
}

# Every command of particle-cli that gets as far as asking, with its further words.
COMMANDS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "cloud compile": (COMPILER, ("boron", "app.ino")),
    "compile": (COMPILER, ("boron", "app.ino")),
    "library list": (LIBRARIES, ()),
    "library search": (LIBRARIES, ("neopixel",)),
    "library view": (LIBRARIES, ("neopixel",)),
    "library add": (LIBRARIES, ("neopixel",)),
    "library copy": (LIBRARIES, ("neopixel",)),
    "library publish": (LIBRARIES, ("neopixel",)),
    "library delete": (LIBRARIES, ("neopixel",)),
    "library install": (LIBRARIES, ("neopixel",)),
    "library upload": (LIBRARIES, ()),
    "logic-function list": (LOGIC, ()),
    "logic-function get": (LOGIC, ("--name", "f")),
    "logic-function execute": (LOGIC, ("--name", "f", "--data", "x")),
    "logic-function deploy": (LOGIC, ("--name", "f", "--force")),
    "logic-function disable": (LOGIC, ("--name", "f")),
    "logic-function enable": (LOGIC, ("--name", "f")),
    "logic-function delete": (LOGIC, ("--name", "f", "--force")),
    "config env list": (ENVIRONMENT, ("--sandbox",)),
    "config env set": (ENVIRONMENT, ("A", "1", "--sandbox")),
    "config env delete": (ENVIRONMENT, ("A", "--sandbox")),
    "config secrets list": (SECRETS, ("--sandbox",)),
    "config secrets get": (SECRETS, ("A", "--sandbox")),
    "config secrets set": (SECRETS, ("A", "1", "--sandbox")),
    "config secrets delete": (SECRETS, ("A", "--sandbox")),
}

# Commands that talk to a device on a cable before they ask the cloud, and what they then ask it.
NEED_A_CABLE: Mapping[str, tuple[str, str, str]] = {
    "device-protection status": (PROTECTION, "put", f"/v1/devices/{DEVICE}/unprotect"),
    "device-protection disable": (PROTECTION, "put", f"/v1/devices/{DEVICE}/unprotect"),
    "device-protection enable": (PROTECTION, "put", f"/v1/products/9/devices/{DEVICE}/unprotect"),
    "keys doctor": (KEYS, "post", f"/v1/provisioning/{DEVICE}"),
    "update": (DEVICE_OS, "get", "/v1/device-os/versions/latest"),
    "esim provision": (SIMS, "put", f"/v1/products/9/devices/{DEVICE}/target_profile"),
    "container push": (BOARDS, "patch", f"/v1/products/9/devices/{DEVICE}/docs/system"),
    "container remove": (BOARDS, "get", f"/v1/products/9/devices/{DEVICE}/docs/system"),
    "tachyon setup": (BOARDS, "post", "/v1/products/9/registration_code"),
}

# Commands that need neither a cloud nor a cable, with further words, and what they print.
LOCAL: Mapping[str, tuple[tuple[str, ...], str]] = {
    "help": ((), "Usage: particle <command>"),
    "version": ((), "3.51.0"),
    "doctor": ((), "no longer supported"),
    "device doctor": ((), "no longer supported"),
    "update-cli": ((), "npm install -g particle-cli"),
    "logic-function logs": (("--name", "f"), "to view logs"),
    "logic-function create": (("--name", "g", "--description", "d", "--force"), "Successfully"),
    "project create": (("--name", "p", "."), "A new project has been initialized"),
    "preprocess": (("app.ino",), ""),
    "udp send": (("127.0.0.1", "9", "hello"), "Sent."),
}
