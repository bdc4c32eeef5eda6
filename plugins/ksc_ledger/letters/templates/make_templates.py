"""Makes the first version of the Word templates; offices go on from there in Word.

Run it as ``python -m ksc_ledger.letters.templates.make_templates`` after changing it; a test holds
the files beside it against what it makes. The layout is that of Decree 30/2020/NĐ-CP, appendix I:
A4, Times New Roman, top and bottom 20 mm, left 30 mm, right 20 mm, page number centred in the top
margin from the second page on, annexes numbered on their own.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from docx import Document
from docx.document import Document as WordDocument
from docx.enum.section import WD_ORIENT, WD_SECTION
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_LINE_SPACING
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.section import Section
from docx.shared import Mm, Pt, RGBColor
from docx.table import Table, _Cell, _Row
from docx.text.paragraph import Paragraph

from ksc_ledger.letters.office_files import stamped

HERE = Path(__file__).parent
FONT = "Times New Roman"
CENTRE = WD_ALIGN_PARAGRAPH.CENTER
LEFT = WD_ALIGN_PARAGRAPH.LEFT
JUSTIFY = WD_ALIGN_PARAGRAPH.JUSTIFY
A4 = (Mm(210), Mm(297))
DECREE = date(2020, 3, 5)  # the day of Decree 30/2020


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of text; ``size`` in points, None as the paragraph's style."""

    text: str
    bold: bool = False
    italic: bool = False
    size: float | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an annex: its head, the tag of a row, the tag of the sum, its width in mm."""

    head: str
    row: str
    total: str
    width: float
    align: WD_ALIGN_PARAGRAPH = CENTRE


def a_document() -> WordDocument:
    document = Document()
    style = document.styles["Normal"]
    style.font.name = FONT
    style.font.size = Pt(13)
    style.font.color.rgb = RGBColor(0, 0, 0)
    (defaults,) = document.styles.element.xpath("w:docDefaults/w:rPrDefault/w:rPr")
    (fallback,) = defaults.xpath("w:rFonts")
    fallback.attrib.clear()
    for fonts in (fallback, style.element.rPr.rFonts):
        for script in ("w:ascii", "w:hAnsi", "w:cs", "w:eastAsia"):
            fonts.set(qn(script), FONT)
    (language,) = defaults.xpath("w:lang")
    language.set(qn("w:val"), "vi-VN")
    style.paragraph_format.space_before = Pt(0)
    style.paragraph_format.space_after = Pt(0)
    style.paragraph_format.line_spacing_rule = WD_LINE_SPACING.SINGLE
    package = document.part.package
    for name, relation in list(package.rels.items()):
        if relation.reltype == RELATIONSHIP_TYPE.THUMBNAIL:
            del package.rels[name]  # a picture of somebody else's first page
    properties = document.core_properties
    properties.author = properties.comments = properties.title = ""
    properties.language = "vi-VN"
    return document


def set_page(section: Section, *, is_landscape: bool = False, restarts: bool = False) -> None:
    """Margins and the page number, which the first page of the section does not show."""
    width, height = A4[::-1] if is_landscape else A4
    section.orientation = WD_ORIENT.LANDSCAPE if is_landscape else WD_ORIENT.PORTRAIT
    section.page_width, section.page_height = width, height
    section.top_margin = section.bottom_margin = Mm(20)
    section.left_margin, section.right_margin = Mm(30), Mm(20)
    if is_landscape:
        section.left_margin, section.right_margin = Mm(20), Mm(20)
        section.top_margin = Mm(30)  # the binding edge of the turned page
    section.header_distance = Mm(10)
    section.different_first_page_header_footer = True
    if restarts:
        numbering = OxmlElement("w:pgNumType")
        numbering.set(qn("w:start"), "1")
        section._sectPr.insert_element_before(
            numbering, "w:cols", "w:formProt", "w:vAlign", "w:noEndnote", "w:titlePg", "w:docGrid"
        )


def number_pages(section: Section) -> None:
    paragraph = section.header.paragraphs[0]
    paragraph.alignment = CENTRE
    run = paragraph.add_run()
    run.font.size = Pt(13)
    for kind, text in (("begin", ""), ("", " PAGE "), ("end", "")):
        if kind:
            element = OxmlElement("w:fldChar")
            element.set(qn("w:fldCharType"), kind)
        else:
            element = OxmlElement("w:instrText")
            element.set(qn("xml:space"), "preserve")
            element.text = text
        run._r.append(element)


def write(
    paragraph: Paragraph,
    *runs: Run | str,
    align: WD_ALIGN_PARAGRAPH = LEFT,
    before: float = 0,
    after: float = 0,
    indent_mm: float = 0,
    left_mm: float = 0,
) -> Paragraph:
    """Fill a paragraph; spacing in points, ``indent_mm`` for the first line only."""
    paragraph.alignment = align
    form = paragraph.paragraph_format
    form.space_before, form.space_after = Pt(before), Pt(after)
    if indent_mm:
        form.first_line_indent = Mm(indent_mm)
    if left_mm:
        form.left_indent = Mm(left_mm)
    for piece in runs:
        one = Run(piece) if isinstance(piece, str) else piece
        run = paragraph.add_run(one.text)
        run.bold, run.italic = one.bold, one.italic
        if one.size is not None:
            run.font.size = Pt(one.size)
    return paragraph


def rule(paragraph: Paragraph, side_mm: float) -> None:
    """A line, ``side_mm`` shorter on either side than the space it stands in."""
    thin(paragraph, 2)
    paragraph.alignment = CENTRE
    paragraph.paragraph_format.space_before = Pt(2)
    paragraph.paragraph_format.left_indent = Mm(side_mm)
    paragraph.paragraph_format.right_indent = Mm(side_mm)
    borders = OxmlElement("w:pBdr")
    top = OxmlElement("w:top")
    for name, value in (("val", "single"), ("sz", "6"), ("space", "1"), ("color", "000000")):
        top.set(qn(f"w:{name}"), value)
    borders.append(top)
    properties = paragraph._p.get_or_add_pPr()
    # The schema wants borders before spacing and indents.
    properties.insert_element_before(
        borders, "w:shd", "w:tabs", "w:spacing", "w:ind", "w:jc", "w:rPr"
    )


def thin(paragraph: Paragraph, points: float) -> Paragraph:
    """An empty paragraph of that height; without it an empty line is as high as a written one."""
    form = paragraph.paragraph_format
    form.space_before = form.space_after = Pt(0)
    form.line_spacing_rule, form.line_spacing = WD_LINE_SPACING.EXACTLY, Pt(points)
    return paragraph


def fix_widths(table: Table, widths_mm: Sequence[float]) -> None:
    table.autofit = False
    for column, width in zip(table.columns, widths_mm, strict=True):
        column.width = Mm(width)
        for cell in column.cells:
            cell.width = Mm(width)


def mark_row(row: _Row, name: str) -> None:
    """``tblHeader`` repeats a row on every page, ``cantSplit`` keeps it on one."""
    row._tr.get_or_add_trPr().append(OxmlElement(f"w:{name}"))


def letterhead(document: WordDocument) -> None:
    """Issuer, number and subject on the left; the national heading, place and date on the right."""
    table = document.add_table(rows=1, cols=2)
    table.alignment = WD_TABLE_ALIGNMENT.CENTER
    left, right = table.rows[0].cells
    first = left.paragraphs[0]
    write(first, "{%p if parent_heading %}")
    write(left.add_paragraph(), Run("{{ parent_heading }}", size=12), align=CENTRE)
    write(left.add_paragraph(), "{%p endif %}")
    write(left.add_paragraph(), "{%p for line in issuer_heading %}")
    write(left.add_paragraph(), Run("{{ line }}", bold=True, size=12), align=CENTRE)
    write(left.add_paragraph(), "{%p endfor %}")
    rule(left.add_paragraph(), 22)
    write(
        left.add_paragraph(),
        "Số: {{ blank }}{{ blank }}/{{ symbol }}",
        align=CENTRE,
        before=4,
    )
    write(left.add_paragraph(), Run("V/v {{ subject }}", size=12), align=CENTRE, before=6)
    write(
        right.paragraphs[0],
        Run("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", bold=True, size=12),
        align=CENTRE,
    )
    write(right.add_paragraph(), Run("Độc lập - Tự do - Hạnh phúc", bold=True), align=CENTRE)
    rule(right.add_paragraph(), 17)
    write(
        right.add_paragraph(), Run("{{ place }}, {{ issued }}", italic=True), align=CENTRE, before=4
    )
    fix_widths(table, (67, 95))


def addressees(document: WordDocument) -> None:
    write(document.add_paragraph(), "{%p if recipients|length == 1 %}")
    write(
        document.add_paragraph(), "Kính gửi: {{ recipients[0] }}", align=CENTRE, before=14, after=8
    )
    write(document.add_paragraph(), "{%p else %}")
    write(document.add_paragraph(), "Kính gửi:", before=14, left_mm=35)
    write(document.add_paragraph(), "{%p for line in recipient_lines %}")
    write(document.add_paragraph(), "{{ line }}", left_mm=52)
    write(document.add_paragraph(), "{%p endfor %}")
    thin(document.add_paragraph(), 6)
    write(document.add_paragraph(), "{%p endif %}")


def body(document: WordDocument, *runs: Run | str, is_last: bool = False) -> None:
    """A paragraph of the text; the last one stays on the page of the signature."""
    paragraph = document.add_paragraph()
    write(paragraph, *runs, align=JUSTIFY, before=3, after=3, indent_mm=12.7)
    paragraph.paragraph_format.keep_with_next = is_last
    paragraph.paragraph_format.keep_together = is_last


def bases(document: WordDocument) -> None:
    write(document.add_paragraph(), "{%p for line in basis_lines %}")
    body(document, "{{ line }}")
    write(document.add_paragraph(), "{%p endfor %}")


def demands(document: WordDocument) -> None:
    write(document.add_paragraph(), "{%p for demand in demands %}")
    body(
        document,
        "{{ loop.index }}. {{ demand.text }}",
        "{% if demand.due %} ",
        Run("{{ demand.due }}", bold=True),
        "{% endif %}",
        "{% if demand.note %} ",
        Run("({{ demand.note }})", italic=True),
        "{% endif %}",
        "{{ demand.stop }}",
    )
    write(document.add_paragraph(), "{%p for line in demand.details %}")
    body(document, "- {{ line }}.")
    write(document.add_paragraph(), "{%p endfor %}")
    write(document.add_paragraph(), "{%p endfor %}")


def contact(document: WordDocument) -> None:
    write(document.add_paragraph(), "{%p if contact %}")
    body(
        document,
        "Trong quá trình thực hiện, nếu có khó khăn, vướng mắc, đề nghị các cơ quan, đơn vị, địa "
        "phương liên hệ {{ contact }} (cán bộ đầu mối: {{ dots }}, điện thoại: {{ dots }}, thư điện "
        "tử: {{ dots }}) để được hướng dẫn.",
    )
    write(document.add_paragraph(), "{%p endif %}")


def signature(document: WordDocument) -> None:
    """Who gets copies on the left, who signs on the right; kept together on one page."""
    table = document.add_table(rows=1, cols=2)
    table.alignment = WD_TABLE_ALIGNMENT.CENTER
    mark_row(table.rows[0], "cantSplit")
    left, right = table.rows[0].cells
    write(left.paragraphs[0], Run("Nơi nhận:", bold=True, italic=True, size=12), before=8)
    write(left.add_paragraph(), "{%p for line in copy_lines %}")
    write(left.add_paragraph(), Run("{{ line }}", size=11))
    write(left.add_paragraph(), "{%p endfor %}")
    write(right.paragraphs[0], "{%p for line in signature_lines %}")
    write(right.add_paragraph(), Run("{{ line }}", bold=True), align=CENTRE, before=2)
    write(right.add_paragraph(), "{%p endfor %}")
    thin(right.add_paragraph(), 50)
    write(right.add_paragraph(), Run("{{ dots }}{{ dots }}", bold=True), align=CENTRE)
    fix_widths(table, (82, 80))


def annex(
    document: WordDocument,
    columns: Sequence[Column],
    *,
    is_landscape: bool,
    size: float,
    has_total: bool = True,
) -> None:
    section = document.add_section(WD_SECTION.NEW_PAGE)
    thin(document.paragraphs[-1], 1)  # the one that carries the break
    set_page(section, is_landscape=is_landscape, restarts=True)
    write(document.add_paragraph(), Run("PHỤ LỤC", bold=True, size=14), align=CENTRE)
    write(document.add_paragraph(), Run("{{ annex_title }}", bold=True), align=CENTRE, after=2)
    write(
        document.add_paragraph(),
        Run(
            "(Kèm theo Công văn số {{ blank }}{{ blank }}/{{ symbol }} {{ issued }} của "
            "{{ issuer_name }})",
            italic=True,
        ),
        align=CENTRE,
        after=6,
    )
    write(document.add_paragraph(), "{%p for section in sections %}")
    write(document.add_paragraph(), "{%p if section.title %}")
    write(
        document.add_paragraph(),
        Run("{{ loop.index }}. {{ section.title }}", bold=True),
        before=8,
        after=4,
    )
    write(document.add_paragraph(), "{%p endif %}")
    table = document.add_table(rows=5 if has_total else 4, cols=len(columns))
    table.style = "Table Grid"
    table.alignment = WD_TABLE_ALIGNMENT.CENTER
    head, begin, row, end, *total = table.rows
    mark_row(head, "tblHeader")
    for one in (head, row, *total):
        mark_row(one, "cantSplit")
    write(begin.cells[0].paragraphs[0], "{%tr for row in section.rows %}")
    write(end.cells[0].paragraphs[0], "{%tr endfor %}")
    for n, column in enumerate(columns):
        _cell(head.cells[n], Run(column.head, bold=True, size=size), CENTRE)
        _cell(row.cells[n], Run(column.row, size=size), column.align)
        for last in total:
            _cell(last.cells[n], Run(column.total, bold=True, size=size), column.align)
    fix_widths(table, [column.width for column in columns])
    write(document.add_paragraph(), "{%p endfor %}")
    if has_total:
        write(document.add_paragraph(), "{%p if sections|length > 1 %}")
        write(
            document.add_paragraph(),
            Run("Tổng cộng: {{ allocated }} bản quyền.", bold=True),
            before=6,
        )
        write(document.add_paragraph(), "{%p endif %}")
    write(
        document.add_paragraph(),
        Run(
            "{{ source_sentence }}{% if source_sentence %} {% endif %}Số liệu tính đến ngày "
            "{{ as_of }}; mã số liệu: {{ snapshot_id }}.",
            italic=True,
            size=10,
        ),
        before=6,
    )


def _cell(cell: _Cell, run: Run, align: WD_ALIGN_PARAGRAPH) -> None:
    write(cell.paragraphs[0], run, align=align, before=1, after=1)


def don_doc() -> WordDocument:
    document = a_document()
    set_page(document.sections[0])
    number_pages(document.sections[0])
    letterhead(document)
    addressees(document)
    bases(document)
    body(
        document,
        "Theo số liệu ghi nhận trên hệ thống quản trị phần mềm phòng, chống mã độc tập trung, tính "
        "đến ngày {{ as_of }} {{ area }} có {{ installed }}/{{ allocated }} máy tính đã được cài đặt "
        "phần mềm, đạt tỷ lệ {{ ratio }}",
        "{% if correctly_named %}; trong đó {{ correctly_named }} máy được đặt tên đúng hướng dẫn"
        "{% if wrongly_named %}, {{ wrongly_named }} máy đặt tên chưa đúng{% endif %}{% endif %}.",
        "{% if gap %} Còn {{ gap }} bản quyền chưa được sử dụng{% if zero_units %}, "
        "{{ zero_units }} cơ quan, đơn vị chưa cài đặt máy nào{% endif %}"
        "{% if over %}; {{ over }} máy cài đặt vượt số được phân bổ{% endif %}"
        " (có phụ lục chi tiết kèm theo).{% endif %}",
        "{% if source_sentence %} {{ source_sentence }}{% endif %}",
    )
    body(
        document,
        "Để khắc phục tình trạng trên, {{ issuer_name }} {{ verb }} {{ accountable }} thực hiện các "
        "nội dung sau:",
    )
    demands(document)
    write(document.add_paragraph(), "{%p if accountable_to %}")
    body(
        document,
        "Quá thời hạn nêu trên, nơi nào chưa hoàn thành thì người đứng đầu nơi đó chịu trách nhiệm "
        "trước {{ accountable_to }}.",
    )
    write(document.add_paragraph(), "{%p endif %}")
    contact(document)
    body(
        document,
        "{{ issuer_name }} {{ verb }} các cơ quan, đơn vị, địa phương nghiêm túc triển khai thực "
        "hiện./.",
        is_last=True,
    )
    signature(document)
    annex(
        document,
        (
            Column("STT", "{{ row.number }}", "", 13),
            Column("Tên đơn vị", "{{ row.unit_name }}", "Tổng cộng", 53, LEFT),
            Column(
                "Số bản quyền được phân bổ", "{{ row.allocated }}", "{{ section.allocated }}", 22
            ),
            Column("Số máy tính hiện có", "{{ row.computers }}", "{{ section.computers }}", 19),
            Column("Số máy đã cài đặt", "{{ row.installed }}", "{{ section.installed }}", 18),
            Column("Tỷ lệ (%)", "{{ row.ratio }}", "{{ section.ratio }}", 19),
            Column("Số máy đặt đúng tên", "{{ row.named }}", "{{ section.named }}", 19),
            Column("Số máy không đủ cấu hình", "{{ row.weak }}", "{{ section.weak }}", 21),
            Column("Nhu cầu bổ sung", "{{ row.requested }}", "{{ section.requested }}", 19),
            Column("Khó khăn, vướng mắc", "{{ row.difficulties }}", "", 26, LEFT),
            Column("Ghi chú", "{{ row.note }}", "", 28, LEFT),
        ),
        is_landscape=True,
        size=11,
    )
    return document


def phan_bo() -> WordDocument:
    document = a_document()
    set_page(document.sections[0])
    number_pages(document.sections[0])
    letterhead(document)
    addressees(document)
    bases(document)
    body(
        document,
        "{% if term %}Phần mềm phòng, chống mã độc tập trung đã được kích hoạt bản quyền {{ term }}"
        "{% if key_expires %}; theo khóa bản quyền trên hệ thống, thời điểm hết hạn là "
        "{{ key_expires }}{% endif %}. {% endif %}"
        "Tổng số bản quyền được phân bổ là {{ allocated }}"
        "{% if sections|length > 1 %}, gồm {% for section in sections %}"
        "{{ section.allocated }} bản quyền cho {{ section.count }} {{ section.noun }}"
        "{% if not loop.last %}; {% endif %}{% endfor %}{% endif %} (có phụ lục kèm theo).",
    )
    body(
        document,
        "{{ issuer_name }} {{ verb }} {{ accountable }} phối hợp thực hiện các nội dung sau:",
    )
    demands(document)
    contact(document)
    body(
        document,
        "Rất mong các cơ quan, đơn vị, địa phương quan tâm, phối hợp thực hiện./.",
        is_last=True,
    )
    signature(document)
    annex(
        document,
        (
            Column("STT", "{{ row.number }}", "", 15),
            Column("Tên đơn vị", "{{ row.unit_name }}", "Cộng", 87, LEFT),
            Column(
                "Số lượng bản quyền được phân bổ",
                "{{ row.allocated }}",
                "{{ section.allocated }}",
                53,
            ),
        ),
        is_landscape=False,
        size=13,
    )
    return document


def term() -> WordDocument:
    document = a_document()
    set_page(document.sections[0])
    number_pages(document.sections[0])
    letterhead(document)
    addressees(document)
    bases(document)
    body(
        document,
        "{% if term %}Bản quyền phần mềm phòng, chống mã độc tập trung {{ area }} có thời hạn theo "
        "văn bản là {{ term }}. {% endif %}"
        "{% if key_expires %}Theo khóa bản quyền đang dùng trên hệ thống, bản quyền hết hạn lúc ",
        Run("{{ key_expires }}", bold=True),
        "; từ thời điểm đó phần mềm không còn được cập nhật. {% endif %}"
        "Tính đến ngày {{ as_of }} có {{ installed }} máy tính đang được bảo vệ trên {{ allocated }} "
        "bản quyền được phân bổ (có phụ lục chi tiết kèm theo).",
        "{% if source_sentence %} {{ source_sentence }}{% endif %}",
    )
    body(
        document,
        "Để việc bảo vệ máy tính không bị gián đoạn, {{ issuer_name }} {{ verb }} {{ accountable }} "
        "thực hiện các nội dung sau:",
    )
    demands(document)
    contact(document)
    body(
        document,
        "{{ issuer_name }} {{ verb }} các cơ quan, đơn vị, địa phương quan tâm thực hiện./.",
        is_last=True,
    )
    signature(document)
    annex(
        document,
        (
            Column("STT", "{{ row.number }}", "", 15),
            Column("Tên đơn vị", "{{ row.unit_name }}", "Cộng", 74, LEFT),
            Column(
                "Số bản quyền được phân bổ", "{{ row.allocated }}", "{{ section.allocated }}", 33
            ),
            Column(
                "Số máy hết được bảo vệ khi hết hạn",
                "{{ row.installed }}",
                "{{ section.installed }}",
                33,
            ),
        ),
        is_landscape=False,
        size=13,
    )
    return document


def training() -> WordDocument:
    document = a_document()
    set_page(document.sections[0])
    number_pages(document.sections[0])
    letterhead(document)
    addressees(document)
    bases(document)
    body(
        document,
        "Theo danh sách điểm danh tính đến ngày {{ as_of }}, "
        "{% if present %}{{ present }} cơ quan, đơn vị đã cử người dự tập huấn"
        "{% else %}chưa có cơ quan, đơn vị nào dự tập huấn{% endif %}"
        "{% if waived %}; {{ waived }} nơi được miễn{% endif %}"
        "{% if absent %}; {{ absent }} nơi vắng{% endif %}"
        "{% if unlisted %}; {{ unlisted }} nơi không có trong danh sách điểm danh{% endif %}"
        " (có phụ lục chi tiết kèm theo).",
    )
    body(
        document,
        "{{ issuer_name }} {{ verb }} {{ accountable }} thực hiện các nội dung sau:",
    )
    demands(document)
    contact(document)
    body(
        document,
        "{{ issuer_name }} {{ verb }} các cơ quan, đơn vị, địa phương quan tâm thực hiện./.",
        is_last=True,
    )
    signature(document)
    annex(
        document,
        (
            Column("STT", "{{ row.number }}", "", 15),
            Column("Tên đơn vị", "{{ row.unit_name }}", "", 72, LEFT),
            Column("Tham dự tập huấn", "{{ row.presence }}", "", 36),
            Column("Ghi chú", "{{ row.note }}", "", 32, LEFT),
        ),
        is_landscape=False,
        size=13,
        has_total=False,
    )
    return document


def phieu_don_vi() -> WordDocument:
    document = a_document()
    set_page(document.sections[0])
    number_pages(document.sections[0])
    write(document.add_paragraph(), Run("{{ parent_name }}", size=12))
    write(
        document.add_paragraph(),
        Run("PHIẾU THEO DÕI CÀI ĐẶT PHẦN MỀM PHÒNG, CHỐNG MÃ ĐỘC", bold=True, size=14),
        align=CENTRE,
        before=6,
    )
    write(document.add_paragraph(), Run("{{ unit_name }}", bold=True, size=14), align=CENTRE)
    write(
        document.add_paragraph(),
        Run("Số liệu tính đến ngày {{ as_of }}", italic=True),
        align=CENTRE,
        after=6,
    )
    body(
        document,
        "Đã cài đặt {{ installed }}/{{ allocated }} máy, đạt ",
        Run("{{ ratio }}", bold=True),
        "{% if correctly_named %}; {{ correctly_named }} máy đặt đúng tên{% endif %}. "
        "Đạt mọi yêu cầu: {{ ok }} máy.",
        "{% if source_sentence %} {{ source_sentence }}{% endif %}",
    )
    write(document.add_paragraph(), "{%p if responsible %}")
    body(document, "Chịu trách nhiệm: {{ responsible }}.")
    write(document.add_paragraph(), "{%p endif %}")
    write(document.add_paragraph(), "{{ chart }}", align=CENTRE, before=4, after=4)
    write(document.add_paragraph(), Run("Ba việc cần làm", bold=True), before=4, after=2)
    write(document.add_paragraph(), "{%p for line in action_lines %}")
    body(document, "{{ loop.index }}. {{ line }}")
    write(document.add_paragraph(), "{%p endfor %}")
    write(document.add_paragraph(), "{%p if duties %}")
    write(document.add_paragraph(), Run("Thời hạn", bold=True), before=4, after=2)
    write(document.add_paragraph(), "{%p for line in duties %}")
    body(document, "- {{ line }}")
    write(document.add_paragraph(), "{%p endfor %}")
    write(document.add_paragraph(), "{%p endif %}")
    write(document.add_paragraph(), "{%p if renames %}")
    write(document.add_paragraph(), Run("Máy cần đổi tên", bold=True), before=6, after=2)
    write(document.add_paragraph(), "{%p endif %}")
    write(document.add_paragraph(), "{%p if renames %}")
    table = document.add_table(rows=4, cols=4)
    table.style = "Table Grid"
    table.alignment = WD_TABLE_ALIGNMENT.CENTER
    head, begin, row, end = table.rows
    mark_row(head, "tblHeader")
    write(begin.cells[0].paragraphs[0], "{%tr for row in renames %}")
    write(end.cells[0].paragraphs[0], "{%tr endfor %}")
    for n, (title, tag, align) in enumerate(
        (
            ("STT", "{{ row.number }}", CENTRE),
            ("Tên máy hiện tại", "{{ row.display_name }}", LEFT),
            ("Vì sao chưa đúng", "{{ row.reason }}", LEFT),
            ("Tên gợi ý", "{{ row.suggested_name }}", LEFT),
        )
    ):
        _cell(head.cells[n], Run(title, bold=True, size=12), CENTRE)
        _cell(row.cells[n], Run(tag, size=12), align)
    fix_widths(table, (12, 46, 54, 48))
    write(document.add_paragraph(), "{%p endif %}")
    write(document.add_paragraph(), "{%p if more_renames %}")
    body(document, "Và {{ more_renames }} máy khác; xem bảng rpt_wrong_name.")
    write(document.add_paragraph(), "{%p endif %}")
    write(document.add_paragraph(), "{%p if offenders %}")
    write(
        document.add_paragraph(), Run("Máy cần kiểm tra", bold=True), before=6, after=2
    ).paragraph_format.keep_with_next = True
    write(document.add_paragraph(), "{%p endif %}")
    write(document.add_paragraph(), "{%p if offenders %}")
    table = document.add_table(rows=4, cols=3)
    table.style = "Table Grid"
    table.alignment = WD_TABLE_ALIGNMENT.CENTER
    head, begin, row, end = table.rows
    mark_row(head, "tblHeader")
    write(begin.cells[0].paragraphs[0], "{%tr for row in offenders %}")
    write(end.cells[0].paragraphs[0], "{%tr endfor %}")
    for n, (title, tag, align) in enumerate(
        (
            ("STT", "{{ row.number }}", CENTRE),
            ("Tên máy", "{{ row.display_name }}", LEFT),
            ("Vấn đề", "{{ row.problems }}", LEFT),
        )
    ):
        _cell(head.cells[n], Run(title, bold=True, size=12), CENTRE)
        _cell(row.cells[n], Run(tag, size=12), align)
    fix_widths(table, (12, 48, 100))
    write(document.add_paragraph(), "{%p endif %}")
    write(document.add_paragraph(), "{%p if more_offenders %}")
    body(document, "Và {{ more_offenders }} máy khác; xem bảng dim_endpoint.")
    write(document.add_paragraph(), "{%p endif %}")
    write(
        document.add_paragraph(),
        Run("Mã số liệu: {{ snapshot_id }}.", italic=True, size=10),
        before=8,
    )
    return document


TEMPLATES: dict[str, Callable[[], WordDocument]] = {
    "don_doc": don_doc,
    "phan_bo": phan_bo,
    "term": term,
    "training": training,
    "phieu_don_vi": phieu_don_vi,
}


def make(folder: Path) -> None:
    """Write every template into ``folder``."""
    for name, template in TEMPLATES.items():
        made = io.BytesIO()
        template().save(made)
        (folder / f"{name}.docx").write_bytes(stamped(made.getvalue(), DECREE))


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
