"""What the rules about a device say no with."""

from domain.model import Refused, Unknown


class DeviceUnknown(Unknown):
    """Device not found for this product."""


class DeviceInAnotherProduct(Refused):
    """The device belongs to another product."""

    field = "id"


class DeviceOfOutsider(Refused):
    """The device is claimed by somebody who is not on the team."""

    field = "id"


class DeviceNotYours(Unknown):
    """The device is not yours."""


class DeviceNotApproved(Refused):
    """The device is {standing} in this product: approve it first."""


class TooManyGroupsForDevice(Refused):
    """The device would be in {groups} groups; {limit} is the limit."""

    field = "groups"


class VersionUnknown(Refused):
    """The product has no firmware version {version}."""

    field = "desired_firmware_version"


class NotForDevelopment(Refused):
    """Only a development device is flashed directly: mark it as one first."""

    field = "development"


class DeviceOffline(Refused):
    """The device is not online."""
