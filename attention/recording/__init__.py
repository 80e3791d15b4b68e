"""Records where a model attends. Only this part of the package knows grids of positions.

A grid is (height, width) in positions; its n == height * width queries are in row-major order. A map over
positions is m h w here, where h is its height. In b h n d and h n m, h is heads, as elsewhere in the package.
"""
