"""Records how the real FastAPI answers LoyaltyDog's logout route: tests/fastapi/corpus.json.

    python3.11 -m venv /tmp/fastapi-venv
    /tmp/fastapi-venv/bin/pip install -r tests/fastapi/requirements.txt
    /tmp/fastapi-venv/bin/python tests/fastapi/record.py            # rewrites corpus.json
    /tmp/fastapi-venv/bin/python tests/fastapi/record.py --check    # fails if it would change

Every body is sent twice, with a bearer and without, since FastAPI checks the JSON syntax, then
the credential, then the fields. Where FastAPI itself fails with a 500 the case is marked
"crash". The syntax messages are those of CPython 3.11's json module; 3.13 reworded some.
"""

import base64
import itertools
import json
import random
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, Header
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field

CORPUS = Path(__file__).with_name("corpus.json")
PYTHON = (3, 11)
ROUTE = "/v2/giftcards/customers/logout"
BEARER = {"authorization": "Bearer merchant"}
JSON = "application/json"
LIMIT = 16 * 1024  # the edge refuses longer bodies before they are read
Text = tuple[str, str]  # name, body
Case = tuple[str, bytes, str | None]  # name, body, Content-Type

app = FastAPI()


class LogoutRequest(BaseModel):
    """The vendor's published LogoutRequest."""

    sessionToken: str = Field(
        ..., min_length=1, max_length=128, description="Session token to invalidate"
    )


@app.post(ROUTE)
async def logout_customer(
    payload: LogoutRequest,
    credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())],
    x_eposn_customer_token: Annotated[str | None, Header()] = None,
) -> dict:
    """Answers as the vendor does, except that `message` shows the token that was understood."""
    return {"success": True, "message": payload.sessionToken}


def token(value: str) -> str:
    """A logout body whose sessionToken is the JSON text `value`."""
    return '{"sessionToken":' + value + "}"


NUMBERS = """0 -0 1 -1 42 0.0 -0.0 1.0 -1.5 0.1 0.5 1e0 1E0 1e5 1e+5 1E-5 1e15 1e16 1e17 1e-4 1e-5
    1e-7 1.5e-7 0.0001 0.00001 0.00012345 1e21 1e22 1e23 1e100 1.5e300 5e-324 1e-400 1.0e-400 -1e-400
    2.2250738585072014e-308 1.7976931348623157e308 123456789012345678901234567890 -9223372036854775809
    18446744073709551616 9007199254740993 9007199254740993.0 123456789012345678901234567890.0
    9999999999999998.0 9999999999999999.0 99999999999999990.0 0.30000000000000004 3.141592653589793
    100000000000000000000000.0 1234567.890123 4.35 2.675 1e1 12e3 0e0 0E+5 -0e-0
    179769313486231570000000000000000000000.5 823849900334458.25 -1704479439951165.75
    2.98023223876953125e-8 7.120236347223045e-307 5.684341886080802e-14""".split()

NON_NUMBERS = """01 -01 00 1. .5 +1 -.5 1.e5 1e 1e+ 1E- 1.5e 0x10 0b1 1_000 - -- -a --1 1..2 1.2.3 0.
    1e1.5 Infinit -Infinit NaNa nan inf -NaN +Infinity ١ ²""".split()

NOT_FINITE = ["NaN", "Infinity", "-Infinity", "1e309", "-1e999", "[NaN]", '{"a":1e400}']

OTHER_VALUES = r"""null true false [] {} [[]] [{}] {"a":{}} ["a"] ["a",1,null,true,false,1.5]
    {"a":1,"b":[1,2,{"c":"d"}]} {"sessionToken":"inner"} {"b":1,"a":2} {"a":1,"a":2,"b":3,"a":4}
    {"":""} ["\u00e9","é","😀","\ud83d\ude00"] ["\u0000\u001f\u007f\u0080\u2028"]
    ["\"\\\/\b\f\n\r\t"] {"_sa":1} {"_sa_x":{"a":1},"_s":2} [{"_saved":1}] {"é":{"_sa":0},"x":-0}
    {"\u005fsa":1,"sa":2} {"_SA":1}""".split()

STRINGS = {
    "empty": "", "one": "a", "127": "a" * 127, "128": "a" * 128, "129": "a" * 129, "300": "b" * 300,
    "space": " ", "two byte 128": "é" * 128, "two byte 129": "é" * 129, "three byte 128": "€" * 128,
    "three byte 129": "€" * 129, "astral 64": "😀" * 64, "astral 128": "😀" * 128,
    "astral 129": "😀" * 129, "combining 64": "e\u0301" * 64, "combining 65": "e\u0301" * 65,
    "zwj family": "👨\u200d👩\u200d👧" * 26, "mixed": "aé€😀" * 32, "mixed long": "aé€😀" * 33,
    "del": "\x7f" * 129, "c1": "\x80\x9f" * 65, "line separators": "\u2028\u2029" * 65,
    "noncharacters": "\uffff\ufffe\ufdd0" * 44, "bom inside": "\ufeff" * 129, "last": "\U0010ffff" * 129,
    "nul is kept": "\0" * 3, "controls": "".join(map(chr, range(32))) * 5, "quotes": '"\\/' * 50,
}

ESCAPES = r"""\u00e9 \u00E9 \u0041 \ud83d\ude00 \uD83D\uDE00 \ud83D\uDe00x \\ \/ \" \b\f\n\r\t \u0000
    \u001f \u007f \u2028 \ufeff \\u0041 \u005cu0041""".split()

LONE_SURROGATES = [
    r"\ud800", r"\udfff", r"\ude00\ud83d", r"\ud83d", r"\ud83dx", r"\ud83d\n", r"\ud83d\u0041",
    r"\ud83d\ud83d\ude00", r"a\udc00b", r"\ud83d\\ude00",
]

BAD_ESCAPES = [
    r"\x41", r"\a", r"\'", r"\U0041", r"\0", r"\ ", r"\é", r"\u", r"\u0", r"\u00", r"\u004", r"\u00g1",
    r"\u+041", r"\u 041", r"\u0x41", r"\u-041", r"\ud83d\u", r"\ud83d\ude0", r"\ud83d\udg00", r"\ud83d\x",
    "\\", "a\\", "\\\n", r"\u００４１", r"\u004", "é😀\\q",
]

# Each is a whole document; the other syntax errors are found by truncation and mutation.
DOCUMENTS = [
    "", " ", "\n\t\r ", "nul", "nulL", "NULL", "None", "tru", "True", "fals", "False", "undefined", "x", "'",
    "é", "😀", "😀{", "{", "}", "[", "]", "[}", "{]", "{{", "[[", ",", ":", "{,", "[,", "{:", "{}}", "[]]",
    "{} {}", "{}x", '""""', '"a" "b"', "1 2", "null null", "{}\n\n,", '{"a"', '{"a" ', '{"a"}', '{"a" 1}',
    '{"a":', '{"a": ', '{"a":}', '{"a"::1}', '{"a":,}', '{"a":1', '{"a":1 ', '{"a":1,', '{"a":1, ',
    '{"a":1,}', '{"a":1 , }', '{"a":1,,"b":2}', '{"a":1 "b":2}', '{"a":1;"b":2}', '{"a":1]', "{a:1}", "{1:2}",
    "{null:1}", "{'a':1}", "{'sessionToken':'x'}", '{"a":\'x\'}', '{"a"=1}', '{"a":1.}', '{"a":01}', "[1",
    "[1 ", "[1,", "[1, ", "[1,]", "[1 , ]", "[1,,2]", "[1 2]", "[1:2]", "[1}", "[,1]", '["a" "b"]', '["a"',
    '"', '"abc', '"abc\\', '"abc\\"', '["abc', '{"abc', '{"abc\\"', '"a\nb"', '"a\tb"', '"\x00"', '"\x1f', '"\x7f"',
    '{"a\nb":1}', "{}\x00", "\x00{}", "{\x00}", "\x0b{}", "\x0c{}", "\xa0{}", "{}\xa0", "\u2003{}", "{\u2028}",
    "// c\n{}", "{} // c", "/* c */{}", "{/* c */}", "# c\n{}", '{"a":1 /* c */}', "\ufeff{}", "\ufeff\ufeff{}",
    "\ufeff", "\ufeff x", "{}\ufeff", "{\ufeff}", '\ufeff{"sessionToken":"bom"}', "<xml/>", "a=b&c=d",
    "sessionToken=abc", "[1,2", '{"é":1 "b"}', '["😀" x]', "[{]", '[{"a":[}]', '{"a":{"b":{"c":}}}', "[true false]",
    "[nul]", "[nullx]", "[tru", "-Infinityx", "Infinity ", "NaN NaN", "[NaN", "[-]", "[-x]", "[1-]", "[1+2]",
    '{"sessionToken":"abc"}', '{ "sessionToken" : "abc" }', ' \t\r\n{\n"sessionToken"\t:\r"abc"\n}\n ',
    '{"sessionToken":"abc","extra":1}', '{"extra":[1,{"a":2}],"sessionToken":"abc"}', '{"SessionToken":"abc"}',
    '{"sessiontoken":"abc"}', '{"session_token":"abc"}', '{"sessionToken ":"abc"}', '{"session\\u0054oken":"abc"}',
    '{"sessionToken":"a","sessionToken":"b"}', '{"sessionToken":"a","sessionToken":1}',
    '{"sessionToken":1,"sessionToken":"b"}', '{"sessionToken":"","x":1,"sessionToken":""}', '{"x":1,"y":2,"x":3}',
    '{"x":NaN,"x":3}', '{"sessionToken":"a","x":NaN}', '{"sessionToken":"a","x":"\\ud800"}', '{"\\ud800":1}',
    '{"sessionToken":"a","\\ud800":1}', '{"\\ud800":1,"\\ud800":2,"sessionToken":"a"}', '{"x":NaN}', '{"x":"\\ud800"}',
    '{"_sa_instance_state":1}', '{"_sa":NaN}', '{"_sa":"\\ud800"}', '{"data":{"sessionToken":"abc"}}',
    '[{"sessionToken":"abc"}]', '["sessionToken"]', '"sessionToken"', '"{\\"sessionToken\\":\\"abc\\"}"',
]

CONTENT_TYPES = [
    None, "", JSON, "application/json; charset=utf-8", "application/json;charset=UTF-16", "APPLICATION/JSON",
    "Application/Json ; x=y", " application/json ", "application/json;", "application/json; a=/b/",
    "application/vnd.api+json", "application/ld+json", "application/problem+JSON; q=1", "application/+json",
    "application/x-json", "application/jsonx", "application/json+xml", "application/json, application/json",
    "application/json/x", "application", "json", "/", "/json", "application/", "application /json",
    "application/ json", "text/json", "text/plain", "text/plain; application/json", "text/x+json", "garbage",
    "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/octet-stream",
    ";application/json", "*/*", "application/*", "application\t/json", "application/xml+json;a;b;c",
]

BYTES = {
    "valid": b'{"sessionToken":"abc"}', "missing": b'{"a":1}', "not JSON": b"a=b&c=d", "syntax": b'{"a":}',
    "not UTF-8": b"\xff\xfe\xfd", "quotes": 'é😀"\\\n\0'.encode(), "null": b"null", "empty": b"",
}

UNDECODABLE = [
    b"\xff", b"\x80", b"{\xff}", b'{"sessionToken":"\xe9"}', b'{"sessionToken":"\xc3"}', b'"\xc0\x80"', b'"\xe2\x82',
    b'"\xf4\x90\x80\x80"', b'"\xf8\x88\x80\x80\x80"', b'"\xe0\x80\x80"', b'"\xf0\x80\x80\x80"', b'"\xed\xa0"', b"\xed",
    b"\x00", b"\x00\x00", b"\x00{", b"{\x00", b"{\x00}", b"{\x00}\x00", b"\x00{\x00}", b"\x00\x00\x00{",
    b"{\x00\x00\x00", b"{}\x00\x00", b"\xfe\xff", b"\xff\xfe", b"\xff\xfe\x00", b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff",
    b"\xef\xbb", b"\xef\xbb\xbf", b"\xef\xbb\xbf\xff", b"\x00\x00\xfe\xff\x00\x11\x00\x00", b"\xff\xfe\x00\x00{\x00\x00",
    b"\xff\xfe{\x00}", b"\x00{\x00}\x00", b"{\x00}\x00\x00", b"\xfe\xff\x00{\x00}", b"\xff\xfe\x00\xd8{",
]

SURROGATE_BYTES = [
    b'"\xed\xa0\x80"', b'{"sessionToken":"\xed\xa0\xbd\xed\xb8\x80"}', b'{"sessionToken":"a","x":"\xed\xbf\xbf"}',
    b"\xed\xa0\x80{}", b'["\xed\xa0\x80" x]', b'{"sessionToken":"a"\xed\xa0\x80}', b"\xff\xfe\x00\xd8",
    b"\xfe\xff\xdc\x00", b'\xff\xfe"\x00\x00\xd8"\x00', b'\xff\xfe"\x00=\xd8\x00\xde"\x00',
    b'\xff\xfe\x00\x00"\0\0\0\x00\xd8\0\0"\0\0\0',
]


def nested(depth: int) -> Iterator[Text]:
    """Bodies nested `depth` deep, closed and not, echoed and ignored."""
    inner = "[" * (depth - 1) + "]" * (depth - 1)
    yield "arrays", f"[{inner}]"
    yield "open arrays", "[" * depth
    yield "objects", '{"a":' * depth + "1" + "}" * depth
    yield "open objects", '{"a":' * depth
    yield "token", token(inner)
    yield "ignored", '{"sessionToken":"abc","x":' + inner + "}"


def deep() -> Iterator[Text]:
    """Nesting on both sides of Python's recursion limit.

    At 955 and less FastAPI answers, at 970 and more it no longer reads the document. Where in
    between it gives up depends on how deep in the server's own frames it was called.
    """
    for depth in (2, 100, 500, 950, 970, 2000):
        yield from ((f"{name} {depth}", text) for name, text in nested(depth))
    yield "open arrays 15000", "[" * 15000
    yield "arrays 8000", "[" * 8000 + "]" * 8000
    yield "syntax error before the limit", "[" * 900 + "x"
    yield "syntax error after the limit", "[" * 980 + "x"
    yield "beside each other", "[" + "[]," * 2000 + "[]]"


def long_numbers() -> Iterator[Text]:
    """Integers around the 4300 digits that Python's int() takes, and long floats."""
    for digits, sign in itertools.product((4300, 4301, 9000), ("", "-")):
        yield f"{sign} {digits} digits", token(sign + "7" * digits)
    yield "ignored long integer", '{"sessionToken":"a","x":' + "1" * 4301 + "}"
    yield "long integer, then a syntax error", "[" + "1" * 4301 + ",x]"
    yield "syntax error, then a long integer", "[x," + "1" * 4301 + "]"
    yield "long fraction", token("0." + "3" * 5000)
    yield "long float", token("1" * 5000 + ".0e-4990")
    yield "long float out of range", token("1" * 5000 + ".0")


def values() -> Iterator[Text]:
    """JSON values as the token, and as the whole document."""
    for value in NUMBERS + NON_NUMBERS + NOT_FINITE + OTHER_VALUES:
        yield f"token {value}", token(value)
        yield f"document {value}", value
    for name, text in STRINGS.items():
        yield f"string {name}", token(json.dumps(text, ensure_ascii=False))
        yield f"escaped string {name}", token(json.dumps(text))
    for escape in ESCAPES + LONE_SURROGATES + BAD_ESCAPES:
        yield f"escape {escape}", token(f'"{escape}"')
        yield f"echoed escape {escape}", f'["{escape}"]'
        yield f"cut escape {escape}", f'"{escape}'


def mutations() -> Iterator[Text]:
    """Every prefix of a document, and seeded random edits of it."""
    document = '{"a": [1.5e3, "\\u00e9\\ud83d\\ude00", {"é": null}], "sessionToken": "abc"}'
    for end in range(1, len(document)):
        yield f"prefix {end}", document[:end]
    chosen = random.Random(20251120)
    alphabet = '{}[]:,"\\ue0- \n.1tnNI😀'
    for number in range(150):
        text = list(document)
        for _ in range(chosen.randint(1, 3)):
            place = chosen.randrange(len(text))
            kept = chosen.choice((0, 1, 1))
            text[place : place + kept] = chosen.choice(alphabet) * chosen.choice((0, 1, 1))
        yield f"mutation {number}", "".join(text)


def encodings() -> Iterator[tuple[str, bytes]]:
    """json.loads takes UTF-8, UTF-16 and UTF-32, with a byte order mark or without."""
    documents = ['{"sessionToken":"é😀"}', '{"a":"é😀"}', "[1 2]", '"😀" x', "7", "{}", "é", "[]"]
    names = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "utf-8-sig", "latin-1")
    for name, text in itertools.product(names, documents):
        body = text.encode(name, "replace")
        yield f"{name} {text}", body
        yield f"{name} {text} cut", body[:-1]
    for number, body in enumerate(UNDECODABLE + SURROGATE_BYTES):
        yield f"bytes {number}", body


def cases() -> Iterator[Case]:
    """The whole corpus, in the order it is recorded in."""
    documents = ((f"document {text}", text) for text in DOCUMENTS)
    texts = itertools.chain(documents, values(), long_numbers(), deep(), mutations())
    encoded = ((name, text.encode()) for name, text in texts)
    for name, body in itertools.chain(encoded, encodings()):
        yield name, body, JSON
    for (name, body), content_type in itertools.product(BYTES.items(), CONTENT_TYPES):
        yield f"{name} as {content_type}", body, content_type


def answer(client: TestClient, case: Case, headers: dict[str, str]) -> dict:
    """What FastAPI answers to one case."""
    _, body, content_type = case
    if content_type is not None:
        headers = headers | {"content-type": content_type}
    response = client.post(ROUTE, content=body, headers=headers)
    if response.status_code == 401:
        assert response.headers["www-authenticate"] == "Bearer"
    return {"status": response.status_code, "body": response.content.decode()}


def record(client: TestClient, case: Case) -> dict:
    """One record of the corpus."""
    name, body, content_type = case
    assert len(body) <= LIMIT, name
    entry: dict = {"name": name[:60]}
    try:
        entry["body"] = body.decode()
    except UnicodeDecodeError:
        entry["body_base64"] = base64.b64encode(body).decode()
    entry["content_type"] = content_type
    entry["authenticated"] = answer(client, case, BEARER)
    entry["anonymous"] = answer(client, case, {})
    if entry["authenticated"]["status"] == 500:
        entry["crash"] = True
    return entry


def corpus() -> str:
    """The corpus file: a JSON object with one record per line."""
    client = TestClient(app, raise_server_exceptions=False)
    distinct = {(body, content_type): name for name, body, content_type in cases()}
    records = [record(client, (name, *key)) for key, name in distinct.items()]
    lines = ",\n".join(json.dumps(entry) for entry in records)
    versions = {name: version(name) for name in ("fastapi", "pydantic", "starlette")}
    versions["python"] = ".".join(map(str, PYTHON))
    return f'{{"recorded_with": {json.dumps(versions)},\n"cases": [\n{lines}\n]}}\n'


def main() -> None:
    """Writes the corpus, or compares it with the one that is there."""
    if sys.version_info[:2] != PYTHON:
        sys.exit("the corpus is recorded with Python 3.11")
    made = corpus()
    if "--check" not in sys.argv[1:]:
        CORPUS.write_text(made)
    elif made != CORPUS.read_text():
        sys.exit("corpus.json is not what FastAPI answers")


if __name__ == "__main__":
    main()
