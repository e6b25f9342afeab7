"""Templates: mustache over JSON, and nothing over anything else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.integrations.rendering import (
    RENDERED_BYTES_MAX,
    Context,
    TemplateBroken,
    TooMuch,
    must_be_template,
)

DATA: dict[str, Any] = {
    "t": 21.5,
    "whole": 3.0,
    "yes": True,
    "no": False,
    "nothing": None,
    "text": "a & b",
    "empty": [],
    "c": [{"ca": "first"}, {"ca": "second", "d": [1, 2]}],
    "o": {"p": {"q": "deep"}},
}
RENDERED = [
    ("no template", "no template"),
    ("{{t}} {{whole}} {{yes}} {{no}}[{{nothing}}]", "21.5 3 true false[]"),
    ("[{{unheard-of}}]", "[]"),
    ("{{text}} {{{text}}} {{&text}}", "a &amp; b a & b a & b"),
    ("{{o.p.q}}{{o.p.unheard-of}}{{o.q}}", "deep"),
    ("{{c.0.ca}} {{c.1.d.1}} [{{c.2.ca}}]", "first 2 []"),
    ("{{{c.1}}}", '{"ca":"second","d":[1,2]}'),
    ("{{#c}}{{ca}};{{/c}}", "first;second;"),
    ("{{#c}}{{#d}}{{.}}{{/d}}{{/c}}", "12"),
    ("{{#o}}{{#p}}{{q}} {{t}}{{/p}}{{/o}}", "deep 21.5"),
    ("{{#yes}}+{{/yes}}{{#no}}-{{/no}}{{#empty}}-{{/empty}}", "+"),
    ("{{^no}}+{{/no}}{{^empty}}+{{/empty}}{{^yes}}-{{/yes}}", "++"),
    ("{{! nobody reads this }}x", "x"),
    ("{{=<% %>=}}<%t%> {{t}}", "21.5 {{t}}"),
    ("[{{> partial}}]", "[]"),
]


@pytest.mark.parametrize(("template", "text"), RENDERED)
def test_a_template_is_rendered_over_what_the_event_says(template: str, text: str) -> None:
    must_be_template(template)
    assert Context({}, DATA).render(template) == text


def test_five_characters_are_escaped() -> None:
    context = Context({"it": "<a href=\"x\" id='y'>&/`</a>"})
    assert (
        context.render("{{it}}") == "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;/`&lt;/a&gt;"
    )


def test_what_is_known_goes_before_what_the_event_says() -> None:
    data = {"PARTICLE_DEVICE_ID": "somebody else's"}
    assert Context({"PARTICLE_DEVICE_ID": "its own"}, data).render("{{PARTICLE_DEVICE_ID}}") == (
        "its own"
    )


@pytest.mark.parametrize("data", [None, 21.5, "text", [1, 2]])
def test_what_is_known_is_known_whatever_the_event_says(data: Any) -> None:
    assert Context({"K": "known"}, data).render("{{K}}{{#K}}+{{/K}}") == "known+"


def test_an_event_that_is_an_array_is_gone_through() -> None:
    context = Context({"K": "known"}, [{"v": 1}, {"v": 2}])
    assert context.render("{{#.}}{{v}}{{K}} {{/.}}{{1.v}}") == "1known 2known 2"


@pytest.mark.parametrize(
    "name",
    ["__class__", "text.upper", "text.__class__", "c.pop", "o.keys", "t.real", "c.length", "o.get"],
)
def test_nothing_of_a_program_shows_through(name: str) -> None:
    template = f"[{{{{{name}}}}}{{{{#{name}}}}}!{{{{/{name}}}}}]"
    assert Context({}, DATA).render(template) == "[]"


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{#a}}", "unclosed section '{{#a}}' at line 1 column 1"),
        ("x\n{{/a}}", "unopened section '{{/a}}' at line 2"),
        ("{{a", "unclosed token"),
        ("{{{a}}", "unclosed token"),
        ("{{#a}}{{/b}}", "unopened section '{{/b}}'"),
        ("{{= x =}}", "invalid delimiters"),
    ],
)
def test_a_broken_template_is_told_where_it_breaks(template: str, reason: str) -> None:
    for read in (must_be_template, Context({}).render):
        with pytest.raises(TemplateBroken) as broken:
            read(template)
        assert str(broken.value).startswith(reason)


def test_every_leaf_is_rendered_and_keeps_its_place() -> None:
    template = {"{{text}}": ["{{t}}", 1, None, True, {"deep": "{{{o.p.q}}}"}]}
    rendered = {"a &amp; b": ["21.5", 1, None, True, {"deep": "deep"}]}
    assert Context({}, DATA).render_leaves(template) == rendered


def test_what_becomes_too_long_is_given_up() -> None:
    context = Context({}, {"a": [0] * 500})
    context.render("{{#a}}" + "x" * 500 + "{{/a}}")
    with pytest.raises(TooMuch, match=str(RENDERED_BYTES_MAX)):
        context.render("{{#a}}" + "x" * 1_000 + "{{/a}}")


def test_so_is_what_says_nothing_and_takes_for_ever() -> None:
    deep = "{{#a}}" * 6 + "{{/a}}" * 6
    with pytest.raises(TooMuch, match="repeat too often"):
        Context({}, {"a": [0] * 100}).render(deep)


FINITE = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | FINITE | st.text(),
    lambda below: st.lists(below) | st.dictionaries(st.text(), below),
    max_leaves=8,
)


@given(VALUES, st.text(alphabet='{}#^/&!>=.ab0 \n\\"', max_size=30))
def test_no_template_and_no_event_is_a_surprise(data: Any, template: str) -> None:
    try:
        Context({"a": [1, {"b": "c"}]}, data).render(template)
    except (TemplateBroken, TooMuch):
        return
    must_be_template(template)


@given(VALUES)
def test_a_value_that_is_no_text_is_written_as_json(value: Any) -> None:
    text = Context({"it": [value]}).render("{{{it}}}")
    assert json.loads(text) == [value]
