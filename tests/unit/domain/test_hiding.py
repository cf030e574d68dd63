"""What warm rows hide."""

from rookery.domain.hiding import Hiding


def test_a_row_hides_what_it_was_given_last() -> None:
    """And nothing any more when it is dropped."""
    hiding = Hiding()
    hiding.replace(3, {10, 11}, {20})
    hiding.replace(5, {10}, ())
    hiding.replace(3, {11}, {21})
    assert hiding.mutes.rows(10).tolist() == [5]
    assert hiding.mutes.rows(11).tolist() == [3]
    assert hiding.blocks.rows(20).tolist() == []
    assert [hiding.hides_user(3, user) for user in (10, 11, 20, 21)] == [False, True, False, True]
    hiding.drop(3)
    hiding.drop(5)
    assert hiding.is_empty


def test_it_is_empty_while_nobody_hides_anything() -> None:
    """Which is what deliveries ask first."""
    hiding = Hiding()
    hiding.replace(3, (), ())
    assert hiding.is_empty
    hiding.replace(3, {10}, ())
    assert not hiding.is_empty
    hiding.replace(3, (), ())
    assert hiding.is_empty
