"""A second opinion on targets, kept from what was done and not from events.

Written from the product's description alone. It shares nothing with `domain`: groups go by their
names, membership and releases are plain sets and dicts, and the target is found by asking every
version that could be meant whether it is the one.
"""

from tests.laws.operations import VERSIONS, Kind, Operation


class Oracle:
    def __init__(self) -> None:
        self.member: dict[str, int] = {}  # device -> its product
        self.waiting: dict[str, int] = {}  # device -> the product that has not said yes
        self.denied: dict[str, int] = {}  # device -> the product that said no, and it still asks
        self.turned_away: set[tuple[str, int]] = set()
        self.takes_all: set[int] = set()
        self.somebodys: set[str] = set()  # devices of an outsider
        self.locked: dict[str, int] = {}
        self.development: set[str] = set()
        self.in_group: set[tuple[str, str]] = set()
        self.groups: set[tuple[int, str]] = set()
        self.groups_ever: set[tuple[int, str]] = set()
        self.versions: set[tuple[int, int]] = set()
        self.deleted: set[tuple[int, int]] = set()
        self.proven: set[tuple[int, int]] = set()
        self.ever_released: set[tuple[int, int]] = set()
        self.points_to: set[tuple[int, str, int]] = set()  # product, group or "*", version

    def do(self, operation: Operation) -> bool:
        """Whether it is allowed; if it is, it is so from here on."""
        kind, product, device, groups, version, default = operation
        match kind:
            case Kind.IMPORT | Kind.ASK | Kind.DENY | Kind.REMOVE:
                return self.move(kind, product, device)
            case Kind.UNLOCK | Kind.MARK | Kind.UNMARK:
                return self.mark(kind, product, device)
            case Kind.CREATE_GROUP:
                return all(self.create_group(product, group) for group in groups[:1])
            case Kind.REMOVE_GROUP:
                return all(self.remove_group(product, group) for group in groups[:1])
            case Kind.GROUP:
                return self.group(product, device, groups)
            case Kind.LOCK:
                return self.lock(product, device, version)
            case Kind.UPLOAD:
                return self.upload(product, version)
            case Kind.RUN:
                return self.run(product, device, version)
            case Kind.RELEASE:
                return self.release(product, groups, version, default)
            case Kind.DELETE:
                return self.delete(product, version)
            case Kind.APPROVE_ALL:
                self.takes_all.add(product)
            case Kind.APPROVE_NONE:
                self.takes_all.discard(product)
            case Kind.CLAIM:
                self.somebodys.add(device)
            case Kind.UNCLAIM:
                self.somebodys.discard(device)
        return True

    # Where devices are.

    def forget(self, device: str) -> None:
        """Whatever was said of the device where it was."""
        for place in (self.member, self.waiting, self.denied, self.locked):
            place.pop(device, None)
        self.development.discard(device)
        self.in_group = {(one, group) for one, group in self.in_group if one != device}

    def where(self, device: str) -> int | None:
        for place in (self.member, self.waiting, self.denied):
            if device in place:
                return place[device]
        return None

    def move(self, kind: Kind, product: int, device: str) -> bool:
        match kind:
            case Kind.IMPORT:
                return self.take(product, device)
            case Kind.ASK:
                self.ask(product, device)
                return True
            case Kind.DENY:
                return self.deny(product, device)
        return self.remove(product, device)

    def take(self, product: int, device: str) -> bool:
        if device in self.member:
            return self.member[device] == product
        self.forget(device)
        self.member[device] = product
        self.turned_away.discard((device, product))
        return True

    def ask(self, product: int, device: str) -> None:
        if device in self.member or self.where(device) == product:
            return
        self.forget(device)
        if (device, product) in self.turned_away:
            self.denied[device] = product
        elif product in self.takes_all and device not in self.somebodys:
            self.member[device] = product
        else:
            self.waiting[device] = product

    def deny(self, product: int, device: str) -> bool:
        if self.where(device) != product:
            return False
        self.forget(device)
        self.denied[device] = product
        self.turned_away.add((device, product))
        return True

    def remove(self, product: int, device: str) -> bool:
        # Removing again what was removed is no error, wherever the device went since.
        if self.where(device) != product:
            return (device, product) in self.turned_away
        self.forget(device)
        self.turned_away.add((device, product))
        return True

    # What is said of a member.

    def group(self, product: int, device: str, groups: tuple[str, ...]) -> bool:
        if self.member.get(device) != product:
            return False
        self.in_group = {(one, group) for one, group in self.in_group if one != device}
        self.in_group |= {(device, group) for group in groups if (product, group) in self.groups}
        return True

    def lock(self, product: int, device: str, version: int) -> bool:
        if self.member.get(device) != product or (product, version) not in self.versions:
            return False
        self.locked[device] = version
        return True

    def mark(self, kind: Kind, product: int, device: str) -> bool:
        if self.member.get(device) != product:
            return False
        match kind:
            case Kind.MARK:
                self.development.add(device)
            case Kind.UNMARK:
                self.development.discard(device)
            case Kind.UNLOCK:
                self.locked.pop(device, None)
        return True

    # What is said of a product.

    def create_group(self, product: int, group: str) -> bool:
        if (product, group) in self.groups:
            return False
        self.groups.add((product, group))
        self.groups_ever.add((product, group))
        return True

    def remove_group(self, product: int, group: str) -> bool:
        if (product, group) not in self.groups:
            return (product, group) in self.groups_ever  # removed before: saying so again is fine
        self.groups.remove((product, group))
        self.points_to = {one for one in self.points_to if one[:2] != (product, group)}
        self.in_group = {
            (device, name)
            for device, name in self.in_group
            if name != group or self.member.get(device) != product
        }
        return True

    def upload(self, product: int, version: int) -> bool:
        if any((product, higher) in self.versions for higher in VERSIONS if higher >= version):
            return False
        self.versions.add((product, version))
        self.deleted.discard((product, version))
        return True

    def run(self, product: int, device: str, version: int) -> bool:
        if self.member.get(device) != product:
            return True
        if (product, version) not in self.versions:
            return False
        self.proven.add((product, version))
        return True

    def release(self, product: int, groups: tuple[str, ...], version: int, default: bool) -> bool:
        if (product, version) not in self.proven:
            return False
        names = {group for group in groups if (product, group) in self.groups}
        if default:
            names.add("*")
        self.points_to = {
            (where, name, held)
            for where, name, held in self.points_to
            if where != product or (held != version and name not in names)
        }
        self.points_to |= {(product, name, version) for name in names}
        self.ever_released.add((product, version))
        return True

    def delete(self, product: int, version: int) -> bool:
        one = (product, version)
        locked = any(
            self.member.get(device) == product and held == version
            for device, held in self.locked.items()
        )
        if one in self.deleted:
            return True  # saying so again is fine
        if one not in self.versions or one in self.ever_released or locked:
            return False
        self.deleted.add(one)
        self.versions.discard(one)
        self.proven.discard(one)
        return True

    # The targets.

    def should_run(self, device: str, version: int) -> str:
        """The rule by which the device should run exactly that version; empty if it should not."""
        product = self.member.get(device)
        if product is None or device in self.development:
            return ""
        if device in self.locked:
            return "locked" if self.locked[device] == version else ""
        by_group = {
            held
            for where, name, held in self.points_to
            if where == product and (device, name) in self.in_group
        }
        if by_group:
            is_highest = version in by_group and not any(one > version for one in by_group)
            return "group" if is_highest else ""
        return "default" if (product, "*", version) in self.points_to else ""

    def target(self, device: str) -> tuple[int | None, str]:
        """The version the device should run and the rule that says so."""
        meant = [(one, rule) for one in VERSIONS if (rule := self.should_run(device, one))]
        assert len(meant) <= 1
        if meant:
            return meant[0]
        if device in self.waiting:
            return None, "quarantined"
        if device in self.denied:
            return None, "denied"
        return None, "development" if device in self.development else "none"

    def groups_that_chose(self, device: str, version: int) -> set[str]:
        return {
            name
            for where, name, held in self.points_to
            if where == self.member[device] and held == version and (device, name) in self.in_group
        }
