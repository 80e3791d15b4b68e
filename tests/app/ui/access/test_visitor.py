import pytest

from limelight.app.ui.access.visitor import COOKIE, Visitor, browser_of, new_browser


def test_a_tab_reads_what_was_drawn_for_it_and_so_do_other_tabs_of_its_browser():
    tab = Visitor("tab", "browser")
    assert tab.may_read(Visitor("tab"))
    assert Visitor("another tab", "browser").may_read(tab)
    assert not Visitor("another tab", "another browser").may_read(tab)
    assert not Visitor("another client").may_read(Visitor("client"))


def test_tabs_take_turns_whatever_their_cookie():
    assert len({Visitor("tab"), Visitor("tab", "browser"), Visitor("another tab", "browser")}) == 2


def test_a_browser_is_known_by_its_cookie():
    header = new_browser().decode()
    assert "HttpOnly" in header
    assert "SameSite=Strict" in header
    cookie = header.partition(";")[0]
    assert browser_of(f"a=b; {cookie}") == cookie.partition("=")[2]


@pytest.mark.parametrize("cookies", ["", "a=b", f"{COOKIE}=", "\x00=;;=", 'x="'])
def test_an_empty_cookie_is_no_visitor(cookies):
    assert browser_of(cookies) == ""
