"""`loadgen run` against what the HTTP/2 interoperability tests of gRPC have a server do, played by PyPI's `h2`, with
either codec: what is counted on both ends, what a failure is called, and which calls are sent again."""

import random
import unittest

import interop_http2
from abusive import Host
from h2.settings import SettingCodes
from harness import run_one, scenario, servers
from interop_http2 import Seen, Session

STEP = {"name": "hello", "grpc": {"method": "loadgen.v1.Greeter/Hello", "message": {"name": "w"}}}


class Interop:
    """The cases, with one codec. Mixed into a test case."""

    CODEC: str

    def play(self, answer, calls, users=1, settings=None, **fields):
        """Makes calls on one connection at a time, and returns what both ends say of them."""
        seen = Seen()

        async def behave(session):
            await session.serve(answer, settings)

        load = {"closed": {"users": users, "iterations": calls}}
        fields = {"connections": 1, "timeout": "10s", "codec": self.CODEC} | fields
        with Host() as host:
            address = host.serve(behave, seen, Session)
            found = run_one(scenario("interop", address, STEP, load=load, **fields), expect=(0, 99))
        self.assertEqual(seen.problems, [])
        self.assertEqual(found["codec"], self.CODEC)
        self.assertEqual(sum(found["outcomes"].values()), calls)
        self.assertEqual(found["ledger"]["interrupted"], 0)
        # Nothing was wrong with what the server did.
        self.assertLessEqual(set(seen.farewells), {0})
        # All requests are the same, whoever reads them and however often they are sent.
        self.assertEqual(len(seen.heads), 1, seen.heads)
        (head,) = seen.heads
        self.assertEqual(head[0], (":method", "POST"))
        for field in ((":path", "/loadgen.v1.Greeter/Hello"), ("content-type", "application/grpc"), ("te", "trailers")):
            self.assertIn(field, head)
        return found, seen

    def fails(self, answer):
        """Each call ends with a reset, none is sent again, and the connection goes on."""
        found, seen = self.play(answer, 40, users=4)
        self.assertEqual(found["outcomes"], {"ok": 0, "reset.NO_ERROR": 40})
        (failure,) = found["failures"]
        self.assertIn("NO_ERROR", failure["example"])
        self.assertEqual((seen.requests, seen.accepted), (40, 1))
        self.assertEqual((found["connections"]["opened"], found["connections"]["dropped"]), (1, 0))
        # Whoever has reset a stream is not told so in turn.
        self.assertEqual(seen.resets, 0)

    def test_goaway(self):
        """Each call is on a connection of its own, and none is lost or sent twice."""
        found, seen = self.play(interop_http2.goaway, 12)
        self.assertEqual(found["outcomes"], {"ok": 12})
        self.assertEqual(seen.requests, 12)
        connections = found["connections"]
        self.assertIn(connections["opened"], (12, 13))
        # One may be on its way when the run ends.
        self.assertIn(seen.accepted - connections["opened"], (0, 1))
        self.assertEqual(connections["failed"], 0)

    def test_goaway_amid_calls(self):
        """What the server did not look at is sent again, and what it did look at ends in its own time."""
        found, seen = self.play(interop_http2.goaway_amid(8, looked_at=3), 40, users=8)
        self.assertEqual(found["outcomes"], {"ok": 40})
        self.assertEqual(seen.requests, 40 + 8 - 3)
        self.assertEqual((seen.accepted, found["connections"]["opened"]), (2, 2))
        # The three took their time, and the five were not kept waiting by them.
        slow = found["response_time_us"]
        self.assertGreaterEqual(slow["max"], 100_000)
        self.assertEqual(seen.resets, 0)

    def test_rst_after_header(self):
        self.fails(interop_http2.rst_after_header)

    def test_rst_during_data(self):
        self.fails(interop_http2.rst_during_data)

    def test_rst_after_data(self):
        """The message is whole, and the call has not said how it ended."""
        self.fails(interop_http2.rst_after_data)

    def test_ping(self):
        """Every one is confirmed, whatever it comes between."""
        found, seen = self.play(interop_http2.ping, 60, users=4)
        self.assertEqual(found["outcomes"], {"ok": 60})
        self.assertEqual((seen.pings, seen.confirmed), (180, 180))
        self.assertEqual((seen.requests, seen.accepted), (60, 1))

    def test_max_streams(self):
        """As many streams at a time as the server allows, and that calls wait is told."""
        allowed = {SettingCodes.MAX_CONCURRENT_STREAMS: 1}
        found, seen = self.play(interop_http2.slowly, 60, users=8, settings=allowed)
        self.assertEqual(found["outcomes"], {"ok": 60})
        self.assertEqual((seen.requests, seen.accepted, seen.most_open), (60, 1, 1))
        (step,) = found["steps"]
        # All but the first.
        self.assertEqual(step["stream_wait_us"]["count"], 59)
        # Seven of them wait for the others, 2 ms each.
        self.assertGreater(step["stream_wait_us"]["p50"], 7 * 2000)
        # Where nothing is said they are beside each other.
        found, seen = self.play(interop_http2.slowly, 60, users=8)
        self.assertEqual(found["outcomes"], {"ok": 60})
        self.assertTrue(1 < seen.most_open <= 8, seen.most_open)

    def in_bytes(self, padding):
        length = 6000
        found, seen = self.play(interop_http2.in_bytes(length, padding), 4, users=2)
        self.assertEqual(found["outcomes"], {"ok": 4})
        self.assertEqual(seen.requests, 4)
        return seen.room - 4 * length

    def test_data_frame_padding(self):
        """Padding is no content, and its room is given back all the same, or the server would be stuck."""
        self.assertGreater(self.in_bytes(255), 1 << 20)

    def test_no_df_padding_sanity(self):
        self.in_bytes(None)

    def test_fields(self):
        """What either side says of itself arrives as it was said, whatever the tables of both hold."""
        names = [f"server-{nth}" + "x" * (nth * 37) for nth in range(5)]
        answer = interop_http2.with_fields(random.Random(7), names)
        found, seen = self.play(answer, 400, users=4)
        self.assertEqual(found["outcomes"], {"ok": 400})
        said = {it["id"]: it["requests"] for it in servers(found)}
        self.assertEqual(said, dict.fromkeys(names, 80))
        self.assertEqual((seen.requests, seen.accepted), (400, 1))


class Own(Interop, unittest.TestCase):
    """Our own codec."""

    CODEC = "own"


class Library(Interop, unittest.TestCase):
    """The library `h2`."""

    CODEC = "h2"


if __name__ == "__main__":
    unittest.main()
