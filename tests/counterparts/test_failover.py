"""What loadgen says of a failover, beside the log of the proxy that it was measured through.

`python -m failing_over` prints both for each proxy, medians of some rounds: `just failover`.
"""

import unittest

import failing_over

# How far the two may be apart, in seconds.
APART = 0.05


class Failover(unittest.TestCase):
    """Each proxy, one of its three servers killed and started again."""

    def through(self, kind):
        told, seen = failing_over.fail_over(kind)
        for figure in ("detected", "recovered", "rebalanced"):
            with self.subTest(figure=figure, told=told, seen=seen):
                one, other = told.get(f"{figure}_s"), seen[figure]
                if other is None:
                    self.assertIsNone(one)
                else:
                    self.assertIsNotNone(one)
                    self.assertAlmostEqual(one, other, delta=APART)
        self.assertEqual(told["lost"], seen["lost"])


def _test(kind):
    return lambda self: self.through(kind)


for _kind in failing_over.KINDS:
    setattr(Failover, f"test_{_kind.__name__.lower()}", _test(_kind))


if __name__ == "__main__":
    unittest.main()
