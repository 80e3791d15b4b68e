"""Words that stand for no thing of their own."""

SMALL_WORDS = frozenset(
    "a an the this that these those some any each very there which who one two three four five six seven "
    "eight nine ten of on in at to from by with without and or but not no is are was were be as for into "
    "onto over under above below behind before between beside next near left right top front up down its it "
    "his her their my your background style picture image photo drawing".split()
)
