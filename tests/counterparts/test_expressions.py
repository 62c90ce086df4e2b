"""Templates, saves and checks against grpcio: what it was sent is what the expressions come to."""

import json
import pathlib
import tempfile
import unittest

from google.protobuf import json_format
from harness import run, run_one, scenario
from server_bank import BankServer


def step(name, method, message, metadata=None, **besides):
    call = {"method": f"bank.v1.Bank/{method}", "message": message}
    if metadata is not None:
        call["metadata"] = metadata
    return {"name": name, "grpc": call, **besides}


def steps(server, *all_of_them, iterations=40, users=4, **fields):
    load = {"closed": {"users": users, "iterations": iterations}}
    return scenario("bank", server.address, *all_of_them, load=load, **fields)


LOGIN = step(
    "login",
    "Login",
    {"name": "user {{ user }}"},
    save={"token": "reply.token"},
    check=[
        "metadata['x-session'] == 'of user ' ~ user",
        "trailers.x_cost == '1, 2'",
        "status == 'OK'",
    ],
)
MINE = {"authorization": "Bearer {{ saved.token }}"}


class Expressions(unittest.TestCase):
    def test_a_token_is_kept_and_sent(self):
        with BankServer() as server:
            put = step(
                "put",
                "Put",
                {"owner": "user {{ user }}", "id": "{{ iteration }}"},
                MINE,
                check=["reply.owner == 'user ' ~ user", "reply.id == iteration"],
            )
            found = run_one(steps(server, LOGIN, put))
            self.assertEqual(found["outcomes"], {"ok": 40})
            self.assertEqual(len(server.bank.logins), 40)
            self.assertEqual(server.bank.refused, 0)
            owners = {account.owner for account in server.bank.accounts}
        self.assertEqual(owners, {f"user {number}" for number in range(4)})
        for of_step in found["steps"]:
            for check in of_step["checks"]:
                self.assertEqual((check["passed"], check["failed"]), (40, 0), check)

    def test_values_of_all_kinds_arrive_as_they_are(self):
        row = {
            "owner": "user 0",
            "id": 9007199254740993,
            "balance": -7,
            "rate": 0.125,
            "open": True,
            "key": "AP/+",
            "kind": "KIND_SAVINGS",
            "codes": [1, 4294967295],
            "notes": {"кни́га": "7", "": "none"},
            "parent": {"owner": "me", "parent": {"id": 1}},
            "since": "2024-02-29T12:00:00.5Z",
            "limit": 0,
            "email": "a@b",
            "rank": 0,
        }
        with BankServer() as server, tempfile.TemporaryDirectory() as folder:
            rows = pathlib.Path(folder, "rows.json")
            rows.write_text(json.dumps([row]), encoding="utf-8")
            names = [name for name in row if name != "codes"]
            message = {name: f"{{{{ row.{name} }}}}" for name in names}
            message["codes"] = [1, "{{ row.codes[1] }}"]
            put = step("put", "Put", message, MINE)
            data = {"rows": {"file": str(rows)}}
            found = run_one(steps(server, LOGIN, put, iterations=3, users=1, data=data))
            self.assertEqual(found["outcomes"], {"ok": 3})
            sent = [json_format.MessageToDict(account) for account in server.bank.accounts]
        expected = {**row, "id": "9007199254740993", "parent": {"owner": "me", "parent": {"id": "1"}}}
        expected |= {"since": "2024-02-29T12:00:00.500Z", "limit": "0"}
        self.assertEqual(sent, [expected] * 3)

    def test_streams(self):
        with BankServer() as server:
            each = [{"owner": "{{ scenario }}", "balance": 5}, {"balance": "{{ user + 1 }}"}]
            taken = step("import", "Import", each, check=["reply.balance == 5 + (user + 1) * 2"])
            taken["grpc"]["repeat"] = 3
            watched = step(
                "watch",
                "Watch",
                [{"balance": "{{ iteration }}"}, {"owner": "{{ uuid() }}", "balance": 21}],
                check=["reply.balance == 42"],
            )
            found = run_one(steps(server, taken, watched))
            owners = [account.owner for account in server.bank.accounts]
        self.assertEqual(found["outcomes"], {"ok": 40})
        self.assertEqual(owners.count("bank"), 40)
        self.assertEqual(len({owner for owner in owners if len(owner) == 36}), 40)
        self.assertEqual(len(owners), 40 * 5)

    def test_a_check_that_fails_and_one_of_a_refusal(self):
        with BankServer() as server:
            refused = step(
                "refused",
                "Put",
                {"owner": "nobody"},
                MINE,
                check=["status == 'PERMISSION_DENIED'", "'nobody' in trailers['grpc-message']"],
            )
            wrong = step("wrong", "Login", {"name": "x"}, check=["reply.token == 'mine'"])
            plan = steps(server, LOGIN, refused, wrong)
            plan["thresholds"] = []
            found = run_one(plan)
        self.assertEqual(found["outcomes"], {"ok": 0, "check": 40})
        by_name = {of_step["name"]: of_step for of_step in found["steps"]}
        self.assertEqual([it["failed"] for it in by_name["refused"]["checks"]], [0, 0])
        (check,) = by_name["wrong"]["checks"]
        self.assertEqual((check["passed"], check["failed"]), (0, 40))
        # What is called like a secret is not shown.
        self.assertEqual(check["example"], "reply.token is ***")

    def test_what_comes_to_nothing_is_not_sent(self):
        with BankServer() as server:
            put = step("put", "Put", {"rank": "{{ saved.later }}"}, MINE)
            late = step("late", "Login", {"name": "x"}, save={"later": "reply.token"})
            plan = steps(server, LOGIN, put, late)
            plan["thresholds"] = []
            found = run_one(plan)
            self.assertEqual((server.bank.accounts, server.bank.refused), ([], 0))
        self.assertEqual(found["outcomes"], {"ok": 0, "expression": 40})
        said = json.dumps(found)
        self.assertIn("steps[1].grpc.message.rank", said)

    def test_mistakes_are_told_before_the_run(self):
        with BankServer() as server:
            put = step(
                "put",
                "Put",
                {"id": "{{ scenario }}", "rank": "{{ uesr }}"},
                check=["reply.ownr == ''", "reply.parent.parent.nme == ''"],
            )
            said = run(steps(server, put), expect=104)
            self.assertEqual(server.bank.refused, 0)
        for part in [
            "steps[0].grpc.message.id: it came to `bank`, which is not a number; expected int64",
            "steps[0].grpc.message.rank: `uesr` is unknown; did you mean `user`?",
            "steps[0].check[0]: `reply.ownr` is unknown; did you mean `owner`?",
            "steps[0].check[1]: `reply.parent.parent.nme` is unknown",
        ]:
            self.assertIn(part, said)


if __name__ == "__main__":
    unittest.main()
