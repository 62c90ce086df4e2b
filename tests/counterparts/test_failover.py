"""What loadgen says of a server that goes away and comes back, beside the log of the proxy in front of it."""

import unittest

import proxies
from failing_over import EVENTS, fail_over

# How far apart the two may be in their times, in seconds.
NEAR = 0.05
# What is told of an event that is a time of it. Without a value it never came.
TIMES = ("detected", "recovered", "returned", "rebalanced")


class Failover(unittest.TestCase):
    """A server is killed, frozen and asked to go: the tests are made below, one for each proxy."""

    maxDiff = None

    def through(self, kind):
        """Both say the same. A machine that is busy at a moment of one of them may have them apart once."""
        apart = differences(kind)
        if apart:
            apart = differences(kind)
        self.assertEqual(apart, [])


def differences(kind):
    """Where loadgen and the proxy's log are apart, in words."""
    found = []
    events, unlogged = fail_over(kind)
    for action, (told, logged) in zip(EVENTS, events, strict=True):
        for figure in TIMES:
            here, there = told[figure], logged[figure]
            if (here is None) != (there is None) or (here is not None and abs(here - there) > NEAR):
                found.append(f"{action}: {figure} {here}, by the log {there}")
        for figure, off in (("lost", unlogged), ("slow", 3)):
            if abs(told[figure] - logged[figure]) > off:
                found.append(f"{action}: {figure} {told[figure]}, by the log {logged[figure]}")
    return found


def _test(kind):
    return lambda self: self.through(kind)


for kind in (proxies.EnvoyChecks, proxies.Traefik, proxies.NginxAll, proxies.Haproxy, proxies.Ours):
    setattr(Failover, f"test_{kind.__name__}", _test(kind))


if __name__ == "__main__":
    unittest.main()
