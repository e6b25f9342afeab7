"""What plans allow. The one place that billing fills in: until then everything is allowed."""


def seats_max(team: str) -> int | None:
    """How many seats a team may have, the owner's and open invitations among them; None: no limit.

    `team` is a product id as text, or an organization's id.
    """
    del team  # no plan limits it yet
    return None
