"""Messages of every kind, at their limits: what arrives at grpcio is what protobuf's own JSON reader makes of
the same JSON, whether it stands in the scenario or comes from expressions; and what `reply` is of the echo."""

import base64
import json
import pathlib
import tempfile
import unittest

from google.protobuf import json_format
from harness import PROTOS, run, run_one, scenario
from server_kinds import TYPES, KindsServer

LEAST_32, MOST_32, MOST_U32 = -(2**31), 2**31 - 1, 2**32 - 1
LEAST_64, MOST_64, MOST_U64 = -(2**63), 2**63 - 1, 2**64 - 1
MOST_FLOAT, MOST_DOUBLE = 3.4028234663852886e38, 1.7976931348623157e308
TIMES = [
    {"timestamp": "0001-01-01T00:00:00Z", "duration": "-315576000000.999999999s"},
    {"timestamp": "9999-12-31T23:59:59.999999999Z", "duration": "315576000000.999999999s"},
    {"timestamp": "1969-12-31T23:59:59.5Z", "duration": "-0.5s"},
    {"timestamp": "2024-02-29T23:30:00.000001+05:30", "duration": "0.000000001s"},
    {"timestamp": "1970-01-01T00:00:00Z", "duration": "0s"},
]
LARGE = base64.b64encode(bytes(range(256)) * 400).decode()

THREE = [
    {},
    {
        **{kind: LEAST_32 for kind in ("int32", "sint32", "sfixed32")},
        **{kind: LEAST_64 for kind in ("int64", "sint64", "sfixed64")},
        "float": -MOST_FLOAT,
        "double": -MOST_DOUBLE,
        "colour": "COLOUR_FIRST",
    },
    {
        **{kind: MOST_32 for kind in ("int32", "sint32", "sfixed32")},
        **{kind: MOST_64 for kind in ("int64", "sint64", "sfixed64")},
        **{kind: MOST_U32 for kind in ("uint32", "fixed32")},
        **{kind: MOST_U64 for kind in ("uint64", "fixed64")},
        "float": MOST_FLOAT,
        "double": MOST_DOUBLE,
        "bool": True,
        "colour": "COLOUR_LAST",
    },
    # The same as texts.
    {
        **{kind: str(LEAST_32) for kind in ("int32", "sint32", "sfixed32")},
        **{kind: str(LEAST_64) for kind in ("int64", "sint64", "sfixed64")},
        **{kind: str(MOST_U32) for kind in ("uint32", "fixed32")},
        **{kind: str(MOST_U64) for kind in ("uint64", "fixed64")},
        "float": "-1e-45",
        "double": "5e-324",
    },
    {"float": "NaN", "double": "NaN", "doubles": ["NaN", "Infinity", "-Infinity", -0.0, 0, 0.1, 2**53 + 1]},
    {"float": "Infinity", "double": "-Infinity"},
    {"float": -0.0, "double": -0.0, "maybeDouble": -0.0, "threes": [{"double": "-0"}]},
    {"float": 0, "double": 0.0},
    {"int32": 1e5, "uint64": 2.5e1, "double": 1},
    {"string": "", "bytes": "", "maybeString": "", "maybeBytes": "", "maybeBool": False, "maybeInt32": 0},
    {"maybeDouble": 0, "maybeColour": "COLOUR_UNSPECIFIED"},
    {"string": "a\u0000b\u0000", "maybeString": "😀 👩‍👩‍👧 e\u0301 \ufeff\u202e", "strings": ["", "\u0000", "\ud7ff\U0010ffff"]},
    {"string": "prose " * 20_000, "bytes": LARGE},
    # Both alphabets, padded or not.
    {"bytes": "-_-_", "maybeBytes": "AQ", "bytesValue": "+/+/"},
    {"ofTwoWords": "x", "theOther": "y"},
    {"of_two_words": "x", "renamed": "y", "maybe_int32": 7},
    {"colour": 1, "maybeColour": 99, "colours": ["COLOUR_CRIMSON", "COLOUR_RED", -2, 0]},
    {
        "packed": [LEAST_64, -1, 0, "1", MOST_64],
        "unpacked": [0, MOST_U32],
        "threes": [{}, {"int32": 1, "threes": [{"string": "deep"}]}],
        "doubles": [],
    },
    {
        "byInt32": {str(LEAST_32): "least", "0": "", str(MOST_32): "most"},
        "byInt64": {str(LEAST_64): LEAST_64, str(MOST_64): MOST_64},
        "byUint32": {"0": 0, str(MOST_U32): MOST_U64},
        "byUint64": {"0": "NaN", str(MOST_U64): -0.0, "1": 0.5},
        "bySint32": {str(LEAST_32): "", str(MOST_32): "AP8="},
        "bySint64": {str(LEAST_64): False, str(MOST_64): True},
        "byFixed32": {"0": 0, str(MOST_U32): "COLOUR_LAST"},
        "byFixed64": {"0": {}, str(MOST_U64): {"byFixed64": {"1": {"string": "deep"}}}},
        "bySfixed32": {str(LEAST_32): "-Infinity", str(MOST_32): 0.5},
        "bySfixed64": {str(LEAST_64): "1.5s", str(MOST_64): "0s"},
        "byBool": {"true": 1, "false": [None, {}]},
        "byString": {"": "", "a.b[c]\u0000😀": "x"},
    },
    {"chosenNumber": 0},
    {"chosenText": ""},
    {"chosenThree": {}},
    {"chosenNull": None},
    {"chosenEmpty": {}},
    {"struct": {}, "list": [], "value": {}, "empty": {}, "mask": ""},
    {"value": None},
    {"value": "NaN"},
    {
        "struct": {"a": None, "b": [1, "x", {"c": True, "": []}], "d": -0.5, "e": "", "f": 1e300},
        "list": [None, False, 2**53, "\u0000", [[]], {}],
        "value": [{"deep": [{"er": 0}]}],
    },
    *TIMES,
    {"mask": "int32,byBool,chosenThree.maybeInt32"},
    {
        "doubleValue": 0,
        "floatValue": -0.0,
        "int64Value": "0",
        "uint64Value": 0,
        "int32Value": 0,
        "uint32Value": 0,
        "boolValue": False,
        "stringValue": "",
        "bytesValue": "",
    },
    {
        "doubleValue": "-Infinity",
        "floatValue": "NaN",
        "int64Value": LEAST_64,
        "uint64Value": MOST_U64,
        "int32Value": LEAST_32,
        "uint32Value": MOST_U32,
        "boolValue": True,
        "stringValue": "😀",
        "bytesValue": "AP8=",
    },
    {
        "any": {"@type": "type.googleapis.com/kinds.v1.Three", "int64": MOST_64, "any": {"@type": "x.test/kinds.v1.Two", "must": ""}},
        "anys": [
            {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "-1.5s"},
            {"@type": "type.googleapis.com/google.protobuf.Int64Value", "value": str(LEAST_64)},
            {"@type": "type.googleapis.com/google.protobuf.Struct", "value": {"a": [None]}},
            {"@type": "type.googleapis.com/google.protobuf.Empty"},
            {"@type": "type.googleapis.com/google.protobuf.Any", "value": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": "in"}},
        ],
    },
    {"int32": None, "string": None, "threes": None, "byInt32": None, "timestamp": None, "int32Value": None},
]
TWO = [
    {"must": ""},
    {"must": "x", "withDefault": 0, "text": "", "far": "NaN", "raw": "", "closed": "CLOSED_ONE"},
    {
        "must": "x",
        "single": {"id": MOST_U64, "inner": {"must": "y", "single": {"id": 0}}},
        "many": [{}, {"name": "a", "deep": {"depth": LEAST_32}}],
        "packed": [LEAST_32, MOST_32],
        "unpacked": [LEAST_32, MOST_32],
        "byName": {"": "NaN", "x": -0.0},
        "chosen": {"id": MOST_U64},
    },
    {"must": "x", "yes": False, "[kinds.v1.extra]": LEAST_64, "[kinds.v1.twos]": [{"must": "y"}]},
]
EDITION = [
    {"must": ""},
    {"must": "x", "explicit": 0, "implicit": 0, "text": "", "ajar": "AJAR_ONE", "unchecked": "😀"},
    {
        "must": "x",
        "prefixed": {"must": "a", "delimited": {"must": "b"}},
        "delimited": {"must": "c", "prefixed": {"must": "d"}, "delimited": {"must": ""}},
        "many": [{"must": "e"}, {"must": "", "many": [{"must": "f"}]}],
        "packed": [LEAST_32, MOST_32],
        "expanded": [LEAST_32, MOST_32],
        "byNumber": {"-1": {"must": "g", "implicit": 5}},
    },
]
CASES = [("Three", it) for it in THREE] + [("Two", it) for it in TWO] + [("Edition", it) for it in EDITION]


def step(number, method, message, **besides):
    call = {"method": f"kinds.v1.Kinds/{method}", "message": message}
    return {"name": f"case-{number}", "grpc": call, **besides}


def canonical(method, encoded):
    """A message as one encoder writes it, whoever wrote it before."""
    return TYPES[method].FromString(encoded).SerializeToString(deterministic=True)


def expected(method, message):
    """What protobuf's own reader makes of it."""
    read = json_format.Parse(json.dumps(message), TYPES[method]())
    return read.SerializeToString(deterministic=True)


class Templates:
    """Puts `{{ row.N }}` in the place of every value of a message, and keeps the values."""

    def __init__(self):
        self.row = {}

    def of(self, value):
        if isinstance(value, dict):
            names = {"@type"}
            return {key: it if key in names else self.of(it) for key, it in value.items()}
        if isinstance(value, list):
            return [self.of(it) for it in value]
        name = f"v{len(self.row)}"
        self.row[name] = value
        return f"{{{{ row.{name} }}}}"


class Messages(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(KindsServer())

    def assert_sent(self, steps, cases=CASES, **fields):
        """These steps, once each, send these messages."""
        self.server.taken.clear()
        load = {"closed": {"users": 1, "iterations": 1}}
        found = run_one(scenario("kinds", self.server.address, *steps, load=load, **fields))
        self.assertEqual(found["outcomes"], {"ok": 1}, found["failures"])
        self.assertEqual(len(self.server.taken), len(cases))
        for (method, message), (taken, encoded) in zip(cases, self.server.taken):
            with self.subTest(method=method, message=str(message)[:300]):
                self.assertEqual(taken, method)
                self.assertEqual(canonical(method, encoded), expected(method, message))

    def test_constants(self):
        steps = [step(number, *case) for number, case in enumerate(CASES)]
        files = [str(PROTOS), str(PROTOS / "kinds" / "v1" / "kinds.proto")]
        for protos in ({}, {"protos": files}):
            with self.subTest(**protos):
                self.assert_sent(steps, **protos)

    def templated(self, make):
        """All cases with their values from a file, as `make` puts templates there."""
        with tempfile.TemporaryDirectory() as folder:
            rows = pathlib.Path(folder, "rows.json")
            templates = Templates()
            steps = [
                step(number, method, make(templates, message))
                for number, (method, message) in enumerate(CASES)
            ]
            rows.write_text(json.dumps([templates.row]), encoding="utf-8")
            self.assert_sent(steps, data={"rows": {"file": str(rows)}})

    def test_every_value_is_a_template(self):
        self.templated(Templates.of)

    def test_every_field_is_a_template(self):
        """What a field holds as a whole, be it a list, a map or a message."""

        def fields(templates, message):
            whole = {}
            for key, value in message.items():
                name = f"v{len(templates.row)}"
                templates.row[name] = value
                whole[key] = f"{{{{ row.{name} }}}}"
            return whole

        self.templated(fields)

    def test_what_the_reply_is(self):
        """Of each message, what must hold of its echo."""
        limits = {
            "int64": LEAST_64,
            "uint64": MOST_U64,
            "sfixed32": LEAST_32,
            "float": 0.1,
            "double": "NaN",
            "colour": "COLOUR_LAST",
            "ofTwoWords": "a\u0000😀",
            "theOther": "z",
            "bytes": "_-8",
            "maybeString": "",
            "chosenNull": None,
        }
        nested = {
            "byInt64": {str(LEAST_64): MOST_64},
            "byBool": {"true": [1, {"a": None}]},
            "bySfixed64": {"-1": "1.5s"},
            "threes": [{}, {"packed": [LEAST_64]}],
            "struct": {"a": [1, {"b": "c"}]},
            "any": {"@type": "type.googleapis.com/kinds.v1.Two", "must": "m"},
            "timestamp": TIMES[1]["timestamp"],
            "duration": TIMES[0]["duration"],
            "mask": "int32,ofTwoWords",
            "uint64Value": MOST_U64,
            "chosenThree": {"chosenText": "deep"},
        }
        two = {"must": "", "single": {"id": 7}, "many": [{}, {"deep": {"depth": -1}}], "chosen": {}}
        edition = {"must": "", "delimited": {"must": "in", "implicit": 5}}
        cases = [
            ("Three", limits, [
                f"reply.int64 == {LEAST_64 + 1} - 1",
                f"reply.uint64 == {MOST_U64}",
                f"reply.sfixed32 == {LEAST_32}",
                "reply.float == 0.1",
                "reply.double != reply.double",
                "reply.colour == 'COLOUR_LAST'",
                "reply.of_two_words == reply.ofTwoWords and reply.ofTwoWords|length == 3",
                "reply.renamed == 'z' and reply.theOther == 'z'",
                "reply.bytes == '/+8='",
                "reply.maybe_string == '' and reply.maybe_int32 is none",
                "reply.int32 == 0 and reply.strings|length == 0 and reply.timestamp is none",
            ]),
            ("Three", nested, [
                f"reply.by_int64['{LEAST_64}'] == {MOST_64}",
                "reply.byBool['true'][0] == 1 and reply.by_bool['true'][1].a is none",
                "reply.by_sfixed64['-1'] == '1.500s'",
                f"reply.threes[1].packed[0] == {LEAST_64 + 1} - 1",
                "reply.struct.a[1].b == 'c'",
                "reply.any.must == 'm' and reply.any['@type'] == 'type.googleapis.com/kinds.v1.Two'",
                "reply.timestamp == '9999-12-31T23:59:59.999999999Z'",
                "reply.duration == '-315576000000.999999999s'",
                "reply.mask == 'int32,ofTwoWords'",
                f"reply.uint64_value == {MOST_U64} and reply.int32_value is none",
                "reply.chosen_three.chosen_text == 'deep'",
            ]),
            ("Two", two, [
                # Whoever set nothing has said nothing.
                "reply.with_default is none and reply.raw is none and reply.closed is none",
                "reply.single.id == 7 and reply.many[1].deep.depth == -1",
            ]),
            ("Edition", edition, [
                "reply.text is none and reply.explicit is none and reply.implicit == 0",
                "reply.delimited.must == 'in' and reply.delimited.implicit == 5",
            ]),
        ]
        steps = [step(n, *case, check=checks) for n, (*case, checks) in enumerate(cases)]
        load = {"closed": {"users": 1, "iterations": 1}}
        found = run_one(scenario("kinds", self.server.address, *steps, load=load))
        seen = [check for of_step in found["steps"] for check in of_step["checks"]]
        self.assertEqual([it for it in seen if it["failed"]], [])
        self.assertEqual(len(seen), sum(len(checks) for *_, checks in cases))
        self.assertEqual(found["outcomes"], {"ok": 1}, found["failures"])

    def test_what_does_not_fit(self):
        """Neither protobuf's reader nor loadgen takes it, and the latter says where."""
        wrong = [
            ("Three", {"int32": MOST_32 + 1}),
            ("Three", {"sint64": LEAST_64 - 1}),
            ("Three", {"fixed64": MOST_U64 + 1}),
            ("Three", {"uint32": -1}),
            ("Three", {"int32": 0.5}),
            ("Three", {"float": 3.5e38}),
            ("Three", {"byBool": {"1": 0}}),
            ("Three", {"byUint32": {"-1": 0}}),
            ("Three", {"timestamp": "10000-01-01T00:00:00Z"}),
            ("Three", {"timestamp": "0000-12-31T23:59:59Z"}),
            ("Three", {"duration": "315576000001s"}),
            ("Three", {"mask": "not_camel"}),
            ("Three", {"bytes": "AQIDB"}),
            ("Three", {"colour": "COLOUR_NONE"}),
            ("Three", {"chosenNumber": 1, "chosenText": "x"}),
            ("Three", {"any": {"@type": "x.test/kinds.v1.None"}}),
            ("Three", {"value": "NaN"} | {"struct": {"a": 10**400}}),
            ("Two", {"must": None, "text": "x"}),
            ("Two", {"must": "x", "single": {}}),
        ]
        for method, message in wrong:
            with self.assertRaises(Exception, msg=message):
                expected(method, message)
        load = {"closed": {"users": 1, "iterations": 1}}
        steps = [step(number, *case) for number, case in enumerate(wrong)]
        said = run(scenario("kinds", self.server.address, *steps, load=load), expect=104)
        self.assertEqual(self.server.taken, [])
        for number, (_, message) in enumerate(wrong):
            name = next(iter(message))
            with self.subTest(**message):
                self.assertIn(f"steps[{number}].grpc.message.", said)


if __name__ == "__main__":
    unittest.main()
