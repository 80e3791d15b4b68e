"""The page from outside: its pictures, its example, many visitors, attackers."""
