"""HTML of the report and of the error browser: self-contained pages that load nothing.

A page's policy (CSP) forbids every request, so that a browser would refuse one even if a page asked for it.
"""

# ruff: noqa: E501 - a break inside a cell would be white space in the page.

from typing import Any

_FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<title>{{ title }}</title>
<style>
:root { --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --wash: #f6f8fa; --mark: #fff3bf }
body { margin: 0 auto; max-width: 72rem; padding: 1rem 1.5rem 4rem; color: var(--ink); background: #fff;
 font: 16px/1.5 system-ui, sans-serif }
h1 { font-size: 1.6rem; margin: 1rem 0 .25rem } h2 { font-size: 1.2rem; margin: 2.2rem 0 .5rem }
p.answer { font-size: 1.1rem; border-left: .3rem solid #0072b2; padding: .2rem 0 .2rem 1rem }
.soft, caption { color: var(--soft); font-size: .875rem; text-align: left }
caption { padding: .2rem 0 }
td .soft, td:first-child { white-space: nowrap }
table { border-collapse: collapse; margin: .5rem 0 1rem; font-size: .875rem; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top }
th:first-child, td:first-child, .left { text-align: left }
thead th { border-bottom: 2px solid var(--ink) }
.bars { width: 100% } .bars td:last-child { width: 60%; text-align: left }
.bar { display: inline-block; height: .7rem; vertical-align: middle; margin-right: .4rem;
 print-color-adjust: exact; -webkit-print-color-adjust: exact }
.dense { font-size: .7rem } .dense th, .dense td { padding: .1rem .25rem; border: 1px solid #fff }
.dense thead th { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left; border: 0 }
.dense td { print-color-adjust: exact; -webkit-print-color-adjust: exact; min-width: 1.6rem }
.failed { font-weight: 700; color: #a40e26 } mark { background: var(--mark); padding: 0 .1rem }
pre { background: var(--wash); padding: .8rem; overflow-x: auto; font-size: .75rem; white-space: pre-wrap }
img { max-width: 100% } button, select { font: inherit; padding: .1rem .3rem }
th button { background: none; border: 0; padding: 0; font-weight: 700; cursor: pointer }
:focus-visible { outline: 3px solid #0072b2; outline-offset: 2px }
td.context { text-align: left; width: 40%; overflow-wrap: anywhere }
@media print { body { font-size: 10pt; max-width: none } details, figure, tr { break-inside: avoid }
 nav, .controls { display: none } }
</style>
</head>
<body>
{% block body %}{% endblock %}
</body>
</html>
"""

_REPORT = """{% extends "frame" %}
{% macro ranged(row, name) %}{{ number(row[name]) }}<br>
<span class="soft">{{ number(row[name ~ "_low"]) }}–{{ number(row[name ~ "_high"]) }}</span>{% endmacro %}
{% block body %}
<main>
<h1>{{ question }}</h1>
<p class="soft">Corpus {{ corpus }} · {{ arms[0].test_notes }} real test notes · {{ arms[0].runs }} model(s) per row</p>
<p class="answer">{{ answer }}</p>
<nav aria-label="Contents"><p>{% for anchor, heading in contents %}<a href="#{{ anchor }}">{{ heading }}</a>
{{ "· " if not loop.last }}{% endfor %}</p></nav>

<h2 id="scores">Scores</h2>
<table>
<caption>On real test notes, with 95 % intervals (draws of note groups and of seeds). {{ blind }}</caption>
<thead><tr><th scope="col">trained on</th>{% for head in columns.values() %}<th scope="col">{{ head }}</th>{% endfor %}
</tr></thead>
<tbody>{% for row in arms %}
<tr><th scope="row">{{ row.arm }}</th>{% for name in columns %}<td>{{ ranged(row, name) }}</td>{% endfor %}</tr>
{%- endfor %}</tbody></table>
<table>
<caption>Strict F1 against the reference, {{ reference }}, on the same notes; p by approximate randomisation</caption>
<thead><tr><th scope="col">trained on</th><th scope="col">difference</th><th scope="col">95 %</th>
<th scope="col">p</th><th scope="col">notes</th><th scope="col">words</th><th scope="col">steps</th></tr></thead>
<tbody>{% for row in arms %}
<tr><th scope="row">{{ row.arm }}</th>
{% if row.arm == reference %}<td>–</td><td>–</td><td>–</td>{% else %}<td>{{ number(row.difference) }}</td>
<td>{{ number(row.difference_low) }} to {{ number(row.difference_high) }}</td><td>{{ number(row.difference_p) }}</td>
{% endif %}<td>{{ number(row.notes, 0) }}</td><td>{{ number(row.words, 0) }}</td><td>{{ number(row.steps, 0) }}</td></tr>
{%- endfor %}</tbody></table>

<h2 id="operation">When a miss costs more than a false alarm</h2>
<table>
<caption>Recall-first: the decoder prefers each label to none by a bias chosen on select notes</caption>
<thead><tr><th scope="col">trained on</th><th scope="col" class="left">operation</th><th scope="col">PII words hidden</th>
<th scope="col">clean notes</th><th scope="col">leaks per note</th><th scope="col">hidden without need</th></tr></thead>
<tbody>{% for row in operation %}
<tr><th scope="row">{{ row.arm }}</th><td class="left">{{ row.operation }}</td><td>{{ number(row.blind_recall) }}</td>
<td>{{ number(row.clean_notes) }}</td><td>{{ number(row.leaks_per_note) }}</td>
<td>{{ number(row.needless) }}</td></tr>{% endfor %}</tbody></table>

<h2 id="leaks">What stays visible</h2>
<table>
<caption>Identifiers left visible, at least in part, per 1,000 notes; beside it the upper end of the 95 % interval, no lower than no leak in these notes leaves possible</caption>
<thead><tr><th scope="col">kind</th><th scope="col">gold spans</th>{% for arm in arms %}<th scope="col">{{ arm.arm }}</th>
<th scope="col">at most</th>{% endfor %}</tr></thead>
<tbody>{% for row in leaks %}
<tr><th scope="row">{{ row.kind }}</th><td>{{ number(row.gold, 0) }}</td>{% for arm in arms %}<td>{{ number(row.arms[arm.arm].left, 0) }}</td>
<td>{{ number(row.arms[arm.arm].upper, 0) }}</td>{% endfor %}</tr>{% endfor %}</tbody></table>

<h2 id="labels">Label by label</h2>
<table class="bars">
<caption>Strict F1{% for arm in arms %}, <span class="bar" style="width:.7rem;background:{{ colours[arm.arm] }}"></span>
{{- arm.arm }}{% endfor %}</caption>
<thead><tr><th scope="col">label</th><th scope="col">gold spans</th>{% for arm in arms %}<th scope="col">{{ arm.arm }}</th>
{% endfor %}<th scope="col" class="left">0 to 1</th></tr></thead>
<tbody>{% for row in labels %}
<tr><th scope="row">{{ row.label }}</th><td>{{ row.gold }}</td>
{% for arm in arms %}<td>{{ number(row.arms[arm.arm]) }}</td>{% endfor %}
<td aria-hidden="true">{% for arm in arms %}<span class="bar" style="width:{{ number(100 * (row.arms[arm.arm] or 0), 1) }}%;
background:{{ colours[arm.arm] }}"></span>{{ "<br>" | safe if not loop.last }}{% endfor %}</td></tr>{% endfor %}</tbody></table>

<h2 id="confusion">What is taken for what</h2>
{% for matrix in confusion %}
<table class="dense">
<caption>{{ matrix.arm }}: of the words of a label (row), the percentage that got each label (column); O is none</caption>
<thead><tr><td></td>{% for name in matrix.labels %}<th scope="col">{{ name }}</th>{% endfor %}</tr></thead>
<tbody>{% for name, shares in matrix.rows %}<tr><th scope="row">{{ name }}</th>{% for share in shares %}
<td style="background:rgba(0,114,178,{{ "%.2f" | format(share) }});color:{{ "#fff" if share > 0.6 else "#1b1f24" }}">
{{- "%.0f" | format(100 * share) if share >= 0.005 else "" }}</td>{% endfor %}</tr>{% endfor %}</tbody></table>
{% endfor %}

<h2 id="calibration">Do scores mean what they say?</h2>
<table>
<caption>Of the spans that got a score of that size, the share that is right (offsets and label)</caption>
<thead><tr><th scope="col">score</th>{% for arm in calibration %}<th scope="col">{{ arm.arm }}: right</th>
<th scope="col">spans</th>{% endfor %}</tr></thead>
<tbody>{% for low in range(10) %}<tr><th scope="row">{{ "%.1f to %.1f" | format(low / 10, low / 10 + 0.1) }}</th>
{% for arm in calibration %}{% set bin = arm.bins.get(low) %}<td>{{ number(bin.right if bin else none) }}</td>
<td>{{ bin.spans if bin else 0 }}</td>{% endfor %}</tr>{% endfor %}
<tr><th scope="row">expected error</th>{% for arm in calibration %}<td>{{ number(arm.error) }}</td><td></td>{% endfor %}</tr>
</tbody></table>

{% if ablations %}<h2 id="ablations">Ablations</h2>
{% for name, image in ablations %}<figure><img alt="Curve of the ablation {{ name }}" src="{{ image }}">
<figcaption class="soft">{{ name }}</figcaption></figure>{% endfor %}{% endif %}

<h2 id="gates">Quality gates</h2>
<table>
<thead><tr><th scope="col">gate</th><th scope="col">expectations</th><th scope="col">not met</th>
<th scope="col" class="left">which</th></tr></thead>
<tbody>{% for gate in gates %}<tr><th scope="row">{{ gate.name }}</th><td>{{ gate.expectations }}</td>
<td{% if not gate.passed %} class="failed"{% endif %}>{{ gate.failed | length }}</td>
<td class="left">{% for sentence in gate.failed %}{{ sentence }}<br>{% else %}all met{% endfor %}</td></tr>{% endfor %}
</tbody></table>

<h2 id="cost">What it cost</h2>
<table>
<caption>Minutes are those of the newest MLflow run of each cell, on the machine that ran it</caption>
<thead><tr><th scope="col">step</th><th scope="col" class="left">work</th><th scope="col">minutes</th></tr></thead>
<tbody>{% for row in cost %}<tr><th scope="row">{{ row.step }}</th><td class="left">{{ row.work }}</td>
<td>{{ number(row.minutes, 1) }}</td></tr>{% endfor %}</tbody></table>

<h2 id="settings">Data and settings</h2>
<table>
<caption>Fingerprints (SHA-256) of the notes that each role holds</caption>
<thead><tr><th scope="col">notes</th><th scope="col" class="left">fingerprint</th></tr></thead>
<tbody>{% for name, digest in fingerprints %}<tr><th scope="row">{{ name }}</th><td class="left"><code>{{ digest }}</code></td>
</tr>{% endfor %}</tbody></table>
<details><summary>params.yaml</summary><pre>{{ settings }}</pre></details>
</main>
{% endblock %}
"""

_ERRORS = """{% extends "frame" %}
{% block body %}
<main>
<h1>Every miss and every false alarm: {{ corpus }}</h1>
<p class="soft">Private: this page {{ "quotes" if texts else "counts places in" }} real test notes and stays in the building.
{{ places | length }} of {{ total }} places where an arm is wrong{{ "" if texts else "; texts are left out" }};
fold {{ fold }}, seed {{ seed }}.</p>
<p class="controls"><label>Label <select id="label"><option value="">all</option>{% for name in labels %}
<option>{{ name }}</option>{% endfor %}</select></label>
{% for arm in arms %}<label>{{ arm }} <select class="arm"><option value="">any</option>{% for kind in kinds %}
<option>{{ kind }}</option>{% endfor %}</select></label>
{% endfor %}<span id="count" role="status"></span></p>
<table>
<thead><tr><th scope="col" aria-sort="none"><button>note</button></th>
<th scope="col" class="left" aria-sort="none"><button>gold</button></th>
{% for arm in arms %}<th scope="col" class="left" aria-sort="none"><button>{{ arm }}</button></th>
<th scope="col" aria-sort="none"><button>score</button></th>{% endfor %}
<th scope="col" class="left">in its context</th></tr></thead>
<tbody>{% for place in places %}
<tr data-labels="{{ place.labels | join(" ") }}"><td>{{ place.note }}</td><td class="left">{{ place.gold }}</td>
{% for arm in place.arms %}<td class="left" data-kind="{{ arm.kind }}">{{ arm.kind }}{% if arm.labels %}: {{ arm.labels }}{% endif %}
</td><td>{{ "" if arm.score is none else "%.2f" | format(arm.score) }}</td>{% endfor %}
<td class="context">{{ place.before }}<mark>{{ place.inside }}</mark>{{ place.after }}</td></tr>{% endfor %}</tbody></table>
</main>
<script>
const body = document.querySelector("tbody"), rows = [...body.rows];
const heads = [...document.querySelectorAll("thead th[aria-sort]")];
const arms = [...document.querySelectorAll("select.arm")], label = document.getElementById("label");
function show() {
  let shown = 0;
  for (const row of rows) {
    const kinds = [...row.querySelectorAll("[data-kind]")].map(cell => cell.dataset.kind);
    const named = !label.value || row.dataset.labels.split(" ").includes(label.value);
    row.hidden = !(named && arms.every((select, i) => !select.value || select.value === kinds[i]));
    shown += !row.hidden;
  }
  document.getElementById("count").textContent = shown + " shown";
}
heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
  const down = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  heads.forEach(other => other.setAttribute("aria-sort", "none"));
  head.setAttribute("aria-sort", down > 0 ? "ascending" : "descending");
  const text = row => row.cells[column].textContent.trim();
  rows.sort((a, b) => down * text(a).localeCompare(text(b), undefined, {numeric: true}));
  body.append(...rows);
}));
[label, ...arms].forEach(select => select.addEventListener("change", show));
show();
</script>
{% endblock %}
"""


def number(value: float | None, digits: int = 3) -> str:
    """For people; a dash where undefined."""
    return "–" if value is None or value != value else f"{value:,.{digits}f}"


def render(name: str, **values: Any) -> str:
    """The page `report` or `errors`; every value is escaped."""
    from jinja2 import DictLoader, Environment, StrictUndefined

    loader = DictLoader({"frame": _FRAME, "report": _REPORT, "errors": _ERRORS})
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    environment.globals["number"] = number
    return environment.get_template(name).render(values)
