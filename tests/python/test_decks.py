"""The sandbox's decks: sound by three judges, whatever the prompt."""

from __future__ import annotations

import io
import json
import posixpath
import re
import subprocess
import urllib.request
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path
from typing import Any

import pptx
import pytest
from pptx.enum.shapes import PP_PLACEHOLDER

from conftest import Sandbox

RELATIONSHIPS = "{http://schemas.openxmlformats.org/package/2006/relationships}"
TYPES = "{http://schemas.openxmlformats.org/package/2006/content-types}"

PROMPTS = {
    "plain": "Why teams adopt Rust\n- Memory safety\n- Fearless concurrency\n  - Send\n  - Sync",
    "one word": "Rust",
    "sentences": "Why Rust? It is fast. It is safe.",
    "markup": "A <b>bold</b> & \"quoted\" 'plan' ]]> <![CDATA[\n- 1 < 2 && 3 > 2\n- &amp; &#0; &nope;",
    "emoji": "🚀 Launch 👩‍👩‍👧‍👦\n- 🇩🇪 flags\n- ❤️‍🔥",
    "right to left": "خطة الربع القادم\n- النمو، الجودة\n- שלום עולם",
    "cjk": "四半期計画\n- 成長、品質\n- 한국어 문장。中文句子！",
    "combining": "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘\n- é vs e\u0301",
    "controls": "a\u0000b\u0001c\u0008d\u000be\u000cf\u001bg\u007fh\u0085i\u2028j\u2029k\ufffel\uffffm",
    "line breaks": "one\r\ntwo\rthree\n\n\n   four   \n\t",
    "long": "A very long prompt\n" + "- " + "word " * 20_000,
    "many lines": "Agenda\n" + "\n".join(f"{number}. Point {number}, with detail" for number in range(1, 41)),
    "spaces only inside": "x\u00a0y\u200bz\u202ereversed",
    "astral": "\U0001d4d0\U0001d4d1 \U00020000 \U0010fffd",
}


def ask(sandbox: Sandbox, path: str, body: Any = None) -> Any:
    request = urllib.request.Request(
        sandbox.base_url + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {sandbox.api_key}", "Content-Type": "application/json"},
    )
    with LOCAL.open(request) as answer:
        return json.load(answer)


# Never by a proxy, whatever the environment says.
LOCAL = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def made(sandbox: Sandbox, body: dict[str, Any]) -> list[bytes]:
    job_id = ask(sandbox, "/api/v1/generate", body)["job_id"]
    while (job := ask(sandbox, f"/api/v1/status/{job_id}"))["status"] != "completed":
        assert job["status"] in ("pending", "processing")
    urls = [download["url"] for download in job["downloads"]]
    files = [LOCAL.open(url).read() for url in urls]
    assert files == [LOCAL.open(url).read() for url in urls], "the same bytes each time"
    return files


def shown(text: str) -> str:
    """What of a text a slide can show: the rule of the sandbox, said once more in another language."""
    text = re.sub("\r\n|[\r\u000b\u000c\u0085\u2028\u2029]", "\n", text)
    return "".join(c for c in text if c in "\n\t" or (ord(c) >= 32 and not 127 <= ord(c) < 160 and c not in "\ufffe\uffff"))


def unmarked(line: str) -> str:
    return re.sub(r"^([-*•–#>]+\s*|\d+[.)] +)", "", line.strip()).replace("\t", " ")


def check_package(data: bytes) -> None:
    """Every relationship's target is there, every part has a content type, every part is XML that parses."""
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert archive.testzip() is None
    names = archive.namelist()
    assert len(names) == len(set(names)) and names[0] == "[Content_Types].xml"
    types = ElementTree.fromstring(archive.read("[Content_Types].xml"))
    overrides = {entry.attrib["PartName"].lstrip("/") for entry in types.iter(f"{TYPES}Override")}
    defaults = {entry.attrib["Extension"] for entry in types.iter(f"{TYPES}Default")}
    assert overrides <= set(names)
    targeted = set()
    for name in names:
        ElementTree.fromstring(archive.read(name))
        if name.endswith(".rels"):
            folder, file = posixpath.split(name)
            source = posixpath.join(posixpath.dirname(folder), file[: -len(".rels")])
            assert source in names or name == "_rels/.rels"
            ids = set()
            for entry in ElementTree.fromstring(archive.read(name)).iter(f"{RELATIONSHIPS}Relationship"):
                target = posixpath.normpath(posixpath.join(posixpath.dirname(folder), entry.attrib["Target"]))
                assert target in names, f"{name}: {target}"
                targeted.add(target)
                ids.add(entry.attrib["Id"])
            used = set(re.findall(r'r:(?:id|embed)="([^"]+)"', archive.read(source).decode()) if source in names else [])
            assert used <= ids
        elif name != "[Content_Types].xml":
            assert name in overrides or name.rsplit(".", 1)[-1] in defaults - {"xml"}, f"{name} has no content type"
    orphans = {name for name in names if not name.endswith(".rels")} - targeted - {"[Content_Types].xml"}
    assert not orphans


def audit(data: bytes, path: Path) -> None:
    path.write_bytes(data)
    done = subprocess.run(
        [str(Path(__import__("sys").executable).parent / "openxml-audit"), "--output", "json", str(path)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", PROMPTS)
def test_a_deck_is_sound_and_says_what_was_asked_for(sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    prompt = PROMPTS[name]
    (data,) = made(sandbox, {"prompt": prompt, "output_type": "deck"})
    check_package(data)
    audit(data, tmp_path / "deck.pptx")
    deck = pptx.Presentation(io.BytesIO(data))
    assert deck.core_properties.title and deck.core_properties.author == "Perceptis sandbox"
    assert deck.core_properties.created is not None
    slides = list(deck.slides)
    assert len(slides) >= 2
    for number, slide in enumerate(slides):
        title = slide.shapes.title
        expected = PP_PLACEHOLDER.CENTER_TITLE if number == 0 else PP_PLACEHOLDER.TITLE
        assert title.placeholder_format.type == expected
        assert title.text.strip()
        body = slide.placeholders[1]
        assert all(paragraph.text.strip() for paragraph in body.text_frame.paragraphs)
        assert slide.has_notes_slide and slide.notes_slide.notes_text_frame.text.strip()
    lines = [line for line in shown(prompt).split("\n") if line.strip()]
    if len(lines) > 1:
        tops = [lines[0], *(line for line in lines[1:] if not line.startswith(("  ", "\t")))][:21]
        for slide, line in zip(slides, tops):
            wanted = unmarked(line)
            got = slide.shapes.title.text
            assert got == wanted or (got.endswith("…") and wanted.startswith(got[:-1]))
        assert len(slides) == len(tops)
    if name == "plain":
        assert [paragraph.text for paragraph in slides[2].placeholders[1].text_frame.paragraphs] == ["Send", "Sync"]


def test_variants_are_different_slides(sandbox: Sandbox, tmp_path: Path) -> None:
    prompt = PROMPTS["plain"]
    files = made(sandbox, {"prompt": prompt, "output_type": "single_slide", "variant_count": 3})
    assert len(set(files)) == 3
    for data in files:
        check_package(data)
        audit(data, tmp_path / "slide.pptx")
        (slide,) = pptx.Presentation(io.BytesIO(data)).slides
        assert slide.shapes.title.text == "Why teams adopt Rust"
        texts = [paragraph.text for paragraph in slide.placeholders[1].text_frame.paragraphs]
        assert sorted(texts) == ["Fearless concurrency", "Memory safety", "Send", "Sync"]
