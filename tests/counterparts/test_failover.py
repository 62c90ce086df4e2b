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
        """Both say the same. A machine that is busy may have their times apart once, but not what is lost."""
        apart = self.differences(kind)
        if apart:
            apart = self.differences(kind)
        self.assertEqual(apart, [])

    def differences(self, kind):
        """Where the times of loadgen and of the proxy's log are apart, in words."""
        events, unlogged = fail_over(kind)
        more = [told["lost"] - logged["lost"] for told, logged in events]
        # What it refused without a word is in one of them.
        self.assertTrue(min(more) >= 0 and sum(more) <= unlogged, (more, unlogged, events))
        return _apart(events)


def _apart(events):
    found = []
    for action, (told, logged) in zip(EVENTS, events, strict=True):
        for figure in TIMES:
            here, there = told[figure], logged[figure]
            if (here is None) != (there is None) or (here is not None and abs(here - there) > NEAR):
                found.append(f"{action}: {figure} {here}, by the log {there}")
        # Slow is above 250 ms, and each has its own clock at either end.
        if abs(told["slow"] - logged["slow"]) > 3:
            found.append(f"{action}: slow {told['slow']}, by the log {logged['slow']}")
    return found


def _test(kind):
    return lambda self: self.through(kind)


for kind in (proxies.EnvoyChecks, proxies.Traefik, proxies.NginxAll, proxies.Haproxy, proxies.Ours):
    setattr(Failover, f"test_{kind.__name__}", _test(kind))


if __name__ == "__main__":
    unittest.main()
