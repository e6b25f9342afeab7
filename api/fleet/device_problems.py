"""What can go wrong when a device is asked something."""

from api.problem import Problem


class DeviceSilent(Problem):
    """Timed out: the device did not answer within {limit_s:g} seconds."""

    status = 408
    error = "timed out"


class DeviceGone(Problem):
    """Timed out: the device is offline."""

    status = 408
    error = "timed out"


class DeviceLeft(DeviceGone):
    """Timed out: the device went offline, and whether it did what it was asked is not known."""


class DeviceLost(Problem):
    """Timed out: the way to the device broke, and whether it did what it was asked is not known."""

    # No 503: that invites to try again, and would have the device do it twice.
    status = 408
    error = "timed out"


class BrokenOff(Problem):
    """An earlier try of this call broke off, and whether the device was asked is not known. Send
    it under another key if it shall be."""

    status = 409
    error = "broken_off"


class DevicesOutOfReach(Problem):
    """Devices cannot be reached just now. Nothing was asked; try again."""

    status = 503
    error = "unavailable"


class TooManyAsked(Problem):
    """Too many requests to {whom} are under way. Try again once they are answered."""

    status = 503
    error = "too_many_under_way"


class AnswerUnreadable(Problem):
    """The device answered what cannot be read: {reason}"""

    status = 502
    error = "device_answer_unreadable"


class DeviceFailed(Problem):
    """The device could not: {reason}"""

    status = 502
    error = "device_failed"


class FunctionUnknown(Problem):
    """Function not found: {function}"""

    status = 404
    error = "Function not found"


class VariableUnknown(Problem):
    """Unknown Variable: {variable}"""

    status = 404
    error = ""  # clients look for the sentence there
