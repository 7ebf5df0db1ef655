"""The sandbox's decks: three independent readers accept them, whatever the prompt."""

from __future__ import annotations

import base64
import io
import json
import posixpath
import re
import struct
import subprocess
import urllib.request
import xml.etree.ElementTree as ElementTree
import zipfile
import zlib
from pathlib import Path
from typing import Any

import openpyxl
import openxml_audit
import pptx
import pytest
from conftest import Sandbox
from pptx.enum.chart import XL_CHART_TYPE
from pptx.enum.shapes import MSO_SHAPE_TYPE, PP_PLACEHOLDER

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
        headers={
            "Authorization": f"Bearer {sandbox.api_key}",
            "Content-Type": "application/json",
            "X-Perceptis-Sandbox": "takes=0",
        },
    )
    with LOCAL.open(request) as answer:
        return json.load(answer)


# The test does not use a proxy, whatever the environment says.
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
    """The part of a text that a slide can show: the sandbox's rule, written again in Python."""
    text = re.sub("\r\n|[\r\u000b\u000c\u0085\u2028\u2029]", "\n", text)
    return "".join(
        c
        for c in text
        if c in "\n\t" or (ord(c) >= 32 and not 127 <= ord(c) < 160 and c not in "\ufffe\uffff")
    )


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
        if name.endswith((".xml", ".rels")):
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
            used = set(
                re.findall(r'r:(?:id|embed)="([^"]+)"', archive.read(source).decode())
                if source in names
                else []
            )
            assert used <= ids
        elif name != "[Content_Types].xml":
            assert name in overrides or name.rsplit(".", 1)[-1] in defaults - {"xml"}, (
                f"{name} has no content type"
            )
    orphans = {name for name in names if not name.endswith(".rels")} - targeted - {"[Content_Types].xml"}
    assert not orphans


def audit(data: bytes, path: Path) -> None:
    path.write_bytes(data)
    result = openxml_audit.validate_pptx(path)
    assert result.is_valid and not result.errors, result.errors


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
        is_framing = number in (0, len(slides) - 1)
        expected = PP_PLACEHOLDER.CENTER_TITLE if is_framing else PP_PLACEHOLDER.TITLE
        assert title.placeholder_format.type == expected
        assert title.text.strip()
        body = slide.placeholders[1]
        assert all(paragraph.text.strip() for paragraph in body.text_frame.paragraphs)
        assert slide.has_notes_slide and slide.notes_slide.notes_text_frame.text.strip()
        for shape in slide.shapes:
            assert shape.left >= 0 and shape.left + shape.width <= deck.slide_width
            assert shape.top >= 0 and shape.top + shape.height <= deck.slide_height
    assert slides[1].shapes.title.text == "Agenda"
    assert [slide.shapes.title.text for slide in slides[-4:]] == [
        "What the figures say", "The points side by side", "In one picture", "Thank you",
    ]  # fmt: skip
    points = [slide.shapes.title.text for slide in slides[2:-4]]
    assert texts(slides[1].placeholders[1])[0][:20] == points[0][:20], "the agenda"
    assert charts(slides[-4]) and pictures(slides[-2])
    (table,) = (shape.table for shape in slides[-3].shapes if shape.has_table)
    rows = [[cell.text for cell in row.cells] for row in table.rows]
    assert rows[0] == ["No.", "Point", "What it covers", "Figure"]
    assert [row[0] for row in rows[1:]] == [str(number) for number in range(1, len(rows))]
    lines = [line for line in shown(prompt).split("\n") if line.strip()]
    if len(lines) > 1:
        tops = [lines[0], *(line for line in lines[1:] if not line.startswith(("  ", "\t")))][:21]
        for got, line in zip([slides[0].shapes.title.text, *points], tops):
            wanted = unmarked(line)
            assert got == wanted or (got.endswith("…") and wanted.startswith(got[:-1]))
        assert len(points) == len(tops) - 1
    if name == "plain":
        assert texts(slides[3].placeholders[1]) == ["Send", "Sync"]
        assert [row[1:3] for row in rows[1:]] == [
            ["Memory safety", "–"],
            ["Fearless concurrency", "Send; Sync"],
        ]


def texts(shape: Any) -> list[str]:
    return [paragraph.text for paragraph in shape.text_frame.paragraphs]


def charts(slide: Any) -> list[Any]:
    return [shape.chart for shape in slide.shapes if shape.has_chart]


def pictures(slide: Any) -> list[Any]:
    return [shape.image for shape in slide.shapes if shape.shape_type == MSO_SHAPE_TYPE.PICTURE]


def workbook(chart: Any) -> list[tuple[Any, ...]]:
    """The data that a user finds when editing a chart."""
    sheet = openpyxl.load_workbook(io.BytesIO(chart.part.chart_workbook.xlsx_part.blob)).active
    return list(sheet.iter_rows(values_only=True))


FIGURES = {
    # A line of the prompt: the kind of its chart, its categories and its values.
    "Revenue: Q1 120, Q2 150.5, Q3 180": (
        XL_CHART_TYPE.COLUMN_CLUSTERED, ["Q1", "Q2", "Q3"], [120, 150.5, 180],
    ),
    "Defects: 2021 84, 2022 70, 2023 51, 2024 38, 2025 1,029": (
        XL_CHART_TYPE.LINE_MARKERS, ["2021", "2022", "2023", "2024", "2025"], [84, 70, 51, 38, 1029],
    ),
    "Share: North 40%, South 35%, West 25%": (
        XL_CHART_TYPE.DOUGHNUT, ["North", "South", "West"], [40, 35, 25],
    ),
    "Customer satisfaction -4, Employee engagement 3": (
        XL_CHART_TYPE.BAR_CLUSTERED, ["Customer satisfaction", "Employee engagement"], [-4, 3],
    ),
}  # fmt: skip


@pytest.mark.parametrize("line", FIGURES)
@pytest.mark.parametrize("output_type", ["deck", "single_slide"])
def test_figures_of_the_prompt_are_in_a_chart_that_can_be_edited(
    sandbox: Sandbox, tmp_path: Path, line: str, output_type: str
) -> None:
    (data,) = made(sandbox, {"prompt": f"Results\n- {line}\n- What follows", "output_type": output_type})
    check_package(data)
    audit(data, tmp_path / "deck.pptx")
    slides = list(pptx.Presentation(io.BytesIO(data)).slides)
    (chart,) = charts(slides[-4 if output_type == "deck" else 0])
    kind, categories, values = FIGURES[line]
    (plot,) = chart.plots
    assert (chart.chart_type, list(plot.categories)) == (kind, categories)
    (series,) = plot.series
    assert list(series.values) == values
    head, *rows = workbook(chart)
    assert head[1] == series.name == chart.chart_title.text_frame.text
    assert rows == [(category, value) for category, value in zip(categories, values)], (
        "the workbook says the same"
    )


def test_figures_of_several_units_have_a_chart_each(sandbox: Sandbox) -> None:
    prompt = (
        "Results\n- Revenue: Q1 €120, Q2 €150\n- Share: A 40%, B 60%\n- 9.5 hours of review, 3 kg of paper"
    )
    (data,) = made(sandbox, {"prompt": prompt, "output_type": "deck"})
    slides = list(pptx.Presentation(io.BytesIO(data)).slides)
    found = [list(chart.plots[0].series[0].values) for chart in charts(slides[-4])]
    assert found == [[120, 150], [40, 60], [9.5, 3]]


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    rows = b"".join(b"\0" + b"\x20\x80\xc0" * width for _ in range(height))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_a_reference_image_comes_back_on_every_variant(sandbox: Sandbox, tmp_path: Path) -> None:
    wide, tall = png(60, 20), png(10, 40)
    images = [
        {"data": base64.b64encode(data).decode(), "mime_type": "image/png"}
        for data in (wide, tall, b"no image")
    ]
    body = {
        "prompt": PROMPTS["plain"],
        "output_type": "single_slide",
        "variant_count": 4,
        "reference_images": images,
    }
    for data in made(sandbox, body):
        check_package(data)
        audit(data, tmp_path / "slide.pptx")
        (slide,) = pptx.Presentation(io.BytesIO(data)).slides
        assert [image.blob for image in pictures(slide)] == [wide, tall]
        shapes = [shape for shape in slide.shapes if shape.shape_type == MSO_SHAPE_TYPE.PICTURE]
        for shape, ratio in zip(shapes, (3, 0.25)):
            assert shape.width / shape.height == pytest.approx(ratio, rel=0.01), "not stretched"


def test_a_template_gives_its_colours(sandbox: Sandbox) -> None:
    def theme(template: str | None) -> bytes:
        (data,) = made(sandbox, {"prompt": "Plan", "output_type": "deck", "template_name": template})
        return zipfile.ZipFile(io.BytesIO(data)).read("ppt/theme/theme1.xml")

    names = ["Harbour", "Orchard", "Plum", "Slate", "Ember"]
    themes = [theme(name) for name in names]
    assert len(set(themes)) == len(names)
    assert all(f'name="{name}"'.encode() in found for name, found in zip(names, themes))
    assert theme(None) == themes[0], "the organization's default"


def test_every_slide_is_drawn_without_loss(sandbox: Sandbox, tmp_path: Path) -> None:
    """LibreOffice opens each deck and makes as many pages as it has slides, with their words."""
    prompt = "Results\n- Revenue: Q1 120, Q2 150\n- Second\n  - detail"
    (data,) = made(sandbox, {"prompt": prompt, "output_type": "deck"})
    variants = made(sandbox, {"prompt": prompt, "output_type": "single_slide", "variant_count": 4})
    for number, file in enumerate([data, *variants]):
        (tmp_path / f"{number}.pptx").write_bytes(file)
    office = [
        "soffice",
        f"-env:UserInstallation=file://{tmp_path}/profile",
        "--headless",
        "--convert-to",
        "pdf",
    ]
    files = sorted(str(path) for path in tmp_path.glob("*.pptx"))
    done = subprocess.run(
        [*office, "--outdir", str(tmp_path), *files], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    for number, pages in enumerate([8, 1, 1, 1, 1]):
        found = subprocess.run(
            ["pdftotext", "-layout", str(tmp_path / f"{number}.pdf"), "-"], capture_output=True, text=True
        )
        assert found.stdout.count("\f") == pages
        for word in ("Results", "Second", "detail", "120", "150", "Q1", "Q2", "Revenue"):
            assert word in found.stdout, (number, word)


def test_variants_are_different_slides(sandbox: Sandbox, tmp_path: Path) -> None:
    prompt = PROMPTS["plain"]
    files = made(sandbox, {"prompt": prompt, "output_type": "single_slide", "variant_count": 10})
    assert len(set(files)) == 10
    designs = set()
    for data in files:
        check_package(data)
        audit(data, tmp_path / "slide.pptx")
        (slide,) = pptx.Presentation(io.BytesIO(data)).slides
        assert slide.shapes.title.text == "Why teams adopt Rust"
        assert sorted(texts(slide.placeholders[1])) == [
            "Fearless concurrency",
            "Memory safety",
            "Send",
            "Sync",
        ]
        assert charts(slide)
        theme = zipfile.ZipFile(io.BytesIO(data)).read("ppt/theme/theme1.xml")
        places = [(shape.shape_type, shape.left, shape.top) for shape in slide.shapes]
        designs.add((theme, str(places)))
    assert len(designs) == 10, "each in its own arrangement or colours"
