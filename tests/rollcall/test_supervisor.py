from rollcall.supervisor import BACKOFF_S_MAX, BACKOFF_S_MIN, backoff_s


def test_the_pauses_between_starts_grow_but_never_beyond_their_bound() -> None:
    pauses = [backoff_s(starts) for starts in (1, 2, 3, 4, 100_000)]

    assert pauses == [BACKOFF_S_MIN, 0.4, 0.8, 1.6, BACKOFF_S_MAX]
