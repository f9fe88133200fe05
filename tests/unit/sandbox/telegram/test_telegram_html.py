"""HTML into entities: offsets in UTF-16 units, Telegram's refusals in Telegram's words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.telegram.entities import FormattedText, detect, plain, slice_utf16, utf16_len
from sandbox.telegram.errors import ApiError
from sandbox.telegram.html_parse import parse_html


def ranges(body: FormattedText) -> list[tuple[str, str]]:
    """Entity types with the text under them."""
    return [(e.type, slice_utf16(body.text, e.offset, e.length)) for e in body.entities]


@pytest.mark.parametrize(
    ("source", "text", "expected"),
    [
        ("<b>굵게</b> 보통", "굵게 보통", [("bold", "굵게")]),
        ("📈 <strong>상승</strong>", "📈 상승", [("bold", "상승")]),
        ("<i>a</i><em>b</em>", "ab", [("italic", "a"), ("italic", "b")]),
        ("<u>a</u> <ins>b</ins>", "a b", [("underline", "a"), ("underline", "b")]),
        ("<s>a</s> <strike>b</strike> <del>c</del>", "a b c", [("strikethrough", c) for c in "abc"]),
        ("<tg-spoiler>a</tg-spoiler>", "a", [("spoiler", "a")]),
        ('<span class="tg-spoiler">a</span>', "a", [("spoiler", "a")]),
        ("<code>x &lt; y</code>", "x < y", [("code", "x < y")]),
        ("<pre>표\n1</pre>", "표\n1", [("pre", "표\n1")]),
        ("<B>a</b>", "a", [("bold", "a")]),
        ("<b>a</>", "a", [("bold", "a")]),
        ("<b></b>a", "a", []),
        ("<blockquote>a</blockquote>", "a", [("blockquote", "a")]),
        ("<blockquote expandable>a</blockquote>", "a", [("expandable_blockquote", "a")]),
        ("&amp;&lt;&gt;&quot;&#128200;&#x1F4C8;&nbsp;", '&<>"📈📈&nbsp;', []),
        ("  <b> a </b> ", "a", [("bold", "a")]),
        ("<b>a <i>b</i></b>", "a b", [("bold", "a b"), ("italic", "b")]),
        ("<b>a <code>b</code> c</b>", "a b c", [("bold", "a "), ("code", "b"), ("bold", " c")]),
        ("<tg-emoji emoji-id='5'>👍</tg-emoji>", "👍", []),
        ("/panic <code>/help</code>", "/panic /help", [("bot_command", "/panic"), ("code", "/help")]),
    ],
)
def test_html_becomes_text_and_entities(source, text, expected):
    body = parse_html(source)
    assert body.text == text
    assert ranges(body) == expected


def test_offsets_count_utf16_units():
    """An emoji outside the basic plane takes two, Hangul one."""
    (entity,) = parse_html("📈가<b>나📉</b>").entities
    assert (entity.offset, entity.length) == (3, 3)


def test_links_languages_and_times_keep_their_values():
    body = parse_html(
        '<a href="https://a.example/?x=1&amp;y=2">a</a><pre><code class="language-python">p</code></pre>'
        '<tg-time unix="1700000000" format="wDT">t</tg-time>'
    )
    link, code, time = body.entities
    assert link.url == "https://a.example/?x=1&y=2"
    assert (code.type, code.language) == ("pre", "python")
    assert (time.unix_time, time.date_time_format) == (1700000000, "wDT")


@pytest.mark.parametrize(
    ("href", "url"),
    [
        ("https://a.example", "https://a.example/"),
        ("a.example/x", "http://a.example/x"),
        ("a.example:8080/x", "http://a.example:8080/x"),
        ("tg://resolve?domain=a", "tg://resolve?domain=a"),
        ("javascript:alert(1)", None),
        ("data:text/html,x.y", None),
        ("nothing", None),
    ],
)
def test_only_web_addresses_become_links(href, url):
    body = parse_html(f'<a href="{href}">글</a>')
    assert body.text == "글"
    assert [e.url for e in body.entities] == ([url] if url else [])


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("<b>a", 'Can\'t find end tag corresponding to start tag "b"'),
        ("가<x>", 'Unsupported start tag "x" at byte offset 3'),
        ("a < b", 'Unsupported start tag "" at byte offset 2'),
        ("<b>a</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("a</b>", "Unexpected end tag at byte offset 1"),
        ("<b", "Unclosed start tag at byte offset 0"),
        ("<a href='x", 'Unclosed start tag "a" at byte offset 0'),
        ("<b>a</b", "Unclosed end tag at byte offset 4"),
        ("<a href>x</a>", 'Expected equal sign in declaration of an attribute of the tag "a" at byte offset 0'),
        ("<a =1>x</a>", 'Empty attribute name in the tag "a" at byte offset 0'),
        ("<a href=h!>x</a>", "Unexpected end of name token at byte offset 8"),
        ("<span>x</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
    ],
)
def test_telegram_refuses_it_in_these_words(source, words):
    with pytest.raises(ApiError) as error:
        parse_html(source)
    assert (error.value.code, error.value.description) == (400, f"Bad Request: can't parse entities: {words}")


def test_entities_are_capped_at_a_hundred():
    assert len(parse_html("<b>a</b> " * 150).entities) == 100


@given(st.text(alphabet='<>/&;b a가📈="', max_size=40))
def test_any_text_gives_a_result_or_a_refusal(source):
    """Never another exception; entities stay inside the text."""
    try:
        body = parse_html(source)
    except ApiError:
        return
    assert all(e.offset >= 0 and e.length > 0 and e.end <= utf16_len(body.text) for e in body.entities)


@given(st.text(max_size=60))
def test_escaped_text_comes_back_as_it_was(source):
    escaped = source.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if "\r" not in source and not any("\ud800" <= c <= "\udfff" for c in source):
        assert parse_html(escaped).text == plain(source).text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/start pair-1", [("bot_command", "/start")]),
        ("/chart@seohak_demo_bot NVDA", [("bot_command", "/chart@seohak_demo_bot")]),
        ("a/b and/or 3/4", []),
        ("$NVDA #발굴 @seohak_bot", [("cashtag", "$NVDA"), ("hashtag", "#발굴"), ("mention", "@seohak_bot")]),
        ("https://a.example/x/y.", [("url", "https://a.example/x/y")]),
        ("me@a.example", [("email", "me@a.example")]),
        ("$142.50 +6%", []),
    ],
)
def test_telegram_marks_these_by_itself(text, expected):
    assert [(e.type, slice_utf16(text, e.offset, e.length)) for e in detect(text)] == expected
