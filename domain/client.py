"""An OAuth client: a program that may ask for tokens, of a user's, of a product, or ours."""

from typing import Literal, TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from domain.model import Command, Decider, Event, Refused, Unknown
from domain.names import Hash, Name

INSTALLED: Literal["installed"] = "installed"
WEB: Literal["web"] = "web"


class ClientRegistered(Event):
    """Without `user_id` and `product_id` it is the cloud's own. `type` is installed or web."""

    client_id: str
    name: str
    type: str
    redirect_uri: str = ""
    secret_hash: str = ""
    scope: str = ""
    user_id: str = ""
    product_id: int | None = None


class ClientChanged(Event):
    client_id: str
    name: str
    scope: str


class ClientRemoved(Event):
    """The tokens that were issued to it work no longer."""

    client_id: str


ClientEvent: TypeAlias = ClientRegistered | ClientChanged | ClientRemoved


class AboutClient(Command):
    client_id: Name

    @property
    def stream(self) -> str:
        return f"client-{self.client_id}"


class RegisterClient(AboutClient):
    name: Name
    type: Literal["installed", "web"]
    redirect_uri: str = ""
    secret_hash: Hash | str = ""
    scope: str = ""
    user_id: str = ""
    product_id: int | None = None


class ChangeClient(AboutClient):
    """What is None stays as it is."""

    name: Name | None = None
    scope: str | None = None


class RemoveClient(AboutClient):
    pass


ClientCommand: TypeAlias = RegisterClient | ChangeClient | RemoveClient


class ClientUnknown(Unknown):
    """Client not found."""


class ClientIdTaken(Refused):
    """A client named {client_id} exists already, or existed once."""

    field = "client_id"


class RedirectMissing(Refused):
    """A client of type web needs a redirect_uri."""

    field = "redirect_uri"


class Client(Struct, frozen=True):
    """`registered` is how it came into being; `name` and `scope` are as they are now."""

    registered: ClientRegistered | None = None
    name: str = ""
    scope: str = ""
    removed: bool = False


def decide(client: Client, command: ClientCommand) -> list[ClientEvent]:
    match command:
        case RegisterClient():
            return register(client, command)
        case RemoveClient() if client.removed:
            return []
        case _ if client.registered is None or client.removed:
            raise ClientUnknown
        case ChangeClient(client_id=client_id):
            name = client.name if command.name is None else command.name
            scope = client.scope if command.scope is None else command.scope
            if (name, scope) == (client.name, client.scope):
                return []
            return [ClientChanged(client_id=client_id, name=name, scope=scope)]
        case RemoveClient(client_id=client_id):
            return [ClientRemoved(client_id=client_id)]
    assert_never(command)


def register(client: Client, command: RegisterClient) -> list[ClientEvent]:
    registered = ClientRegistered(
        client_id=command.client_id,
        name=command.name,
        type=command.type,
        redirect_uri=command.redirect_uri,
        secret_hash=command.secret_hash,
        scope=command.scope,
        user_id=command.user_id,
        product_id=command.product_id,
    )
    if client.registered == registered and not client.removed:
        return []
    if client.registered is not None:
        raise ClientIdTaken(client_id=command.client_id)
    if command.type == WEB and not command.redirect_uri:
        raise RedirectMissing
    return [registered]


def evolve(client: Client, event: ClientEvent) -> Client:
    match event:
        case ClientRegistered(name=name, scope=scope):
            return Client(event, name, scope)
        case ClientChanged(name=name, scope=scope):
            return replace(client, name=name, scope=scope)
        case ClientRemoved():
            return replace(client, removed=True)
    assert_never(event)


CLIENT = Decider(initial=Client(), decide=decide, evolve=evolve)
