"""Records where a model attends: the room of this package that knows grids of positions.

A grid is (height, width) in positions; its n == height * width queries lie row by row. So a map over
positions is m h w here, with h its height; in b h n d and h n m, as elsewhere in the package, h is heads.
"""
