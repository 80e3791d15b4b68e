"""Tools that open the page: they draw its pictures and its example, and test it with visitors and
attackers."""
