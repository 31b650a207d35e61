"""The model card's page.

Belongs here: HTML and its style, with nothing that a browser would have to fetch. Does not belong here: what is on the card
(`model_card.py`).
"""

STYLE = """
:root { --ink: #1f2933; --muted: #66727f; --line: #dfe4ea; --accent: #0b7285; --good: #2b8a3e; --bad: #c92a2a;
--warn: #b26a00; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; color: var(--ink); margin: 0;
background: #f5f7f9; }
main { max-width: 1080px; margin: 0 auto; padding: 28px 32px 48px; background: #fff; }
h1 { font-size: 27px; margin: 0 0 2px; } h2 { font-size: 18px; margin: 30px 0 8px; padding-bottom: 4px;
border-bottom: 2px solid var(--line); }
h3 { font-size: 15px; margin: 18px 0 6px; }
p { margin: 6px 0 10px; } .muted { color: var(--muted); }
.badge { display: inline-block; padding: 1px 10px; border-radius: 11px; color: #fff; font-size: 13px;
vertical-align: middle; }
.good { background: var(--good); } .bad { background: var(--bad); } .warn { background: var(--warn); }
.plain { background: var(--muted); }
.facts { display: flex; flex-wrap: wrap; gap: 10px 34px; margin: 14px 0 4px; }
.facts div { min-width: 110px; } .facts b { display: block; font-size: 20px; font-weight: 600; }
table { border-collapse: collapse; width: 100%; margin: 6px 0 12px; font-size: 13.5px; }
th { text-align: left; color: var(--muted); font-weight: 600; } th, td { padding: 4px 10px 4px 0;
border-bottom: 1px solid var(--line); vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tr.chosen td { background: #e8f4f6; font-weight: 600; }
img { max-width: 100%; display: block; margin: 8px 0; } code { font-size: 12.5px; word-break: break-all; }
.two { display: grid; grid-template-columns: 1fr 1fr; gap: 8px 28px;
} @media (max-width: 760px) { .two { grid-template-columns: 1fr; } }
"""

TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title><style>{{ style | safe }}</style></head><body><main>
<h1>{{ title }} <span class="badge {{ verdict.colour }}">{{ verdict.text }}</span>
{%- for alias in aliases %} <span class="badge plain">{{ alias }}</span>{% endfor %}</h1>
<p class="muted">{{ subtitle }}</p>
<div class="facts">{% for name, value in headline %}<div><span class="muted">{{ name }}</span><b>{{ value }}</b>
</div>{% endfor %}</div>
{% if verdict.reason %}<p>{{ verdict.reason }}</p>{% endif %}

<h2>What it is for</h2>
<p>{{ purpose }}</p>
<table>{% for name, value in use %}<tr><th>{{ name }}</th><td>{{ value }}</td></tr>{% endfor %}</table>

<h2>Data</h2>
<table>{% for name, value in data %}<tr><th>{{ name }}</th><td>{{ value }}</td></tr>{% endfor %}</table>
<details><summary>{{ features | length }} features</summary><table>
<tr><th>feature</th><th>what it is</th><th>missing becomes</th></tr>
{% for row in features %}<tr><td>{{ row.name }}</td><td>{{ row.description }}</td><td>{{ row.missing }}</td>
</tr>{% endfor %}
</table></details>

<h2>Why this learner</h2>
<p>{{ why_learner }}</p>
<table><tr><th>candidate</th>{% for metric in metrics %}<th class="n">{{ metric }}</th>{% endfor %}
<th class="n">seconds</th></tr>
{% for row in candidates %}<tr{% if row.chosen %} class="chosen"{% endif %}>
<td>{{ row.name }}{% if row.baseline %} <span class="muted">(baseline)</span>{% endif %}
{%- if row.failure %}<br><span class="muted">{{ row.failure }}</span>{% endif %}</td>
{% for cell in row.cells %}<td class="n">{{ cell }}</td>{% endfor %}<td class="n">{{ row.seconds }}</td>
</tr>{% endfor %}</table>
<img alt="each candidate's folds" src="{{ pictures.folds }}">

<h2>How good it is</h2>
<p class="muted">{{ latest_fold }}</p>
{% if pictures.curves %}<img alt="curves of the latest fold" src="{{ pictures.curves }}">{% endif %}
{% if classes %}<h3>Class by class</h3>
<table><tr><th>class</th><th class="n">training rows</th><th class="n">rows of the latest fold</th><th class="n">predicted</th>
<th class="n">recall</th><th class="n">precision</th><th class="n">AUC ROC, against all others</th></tr>
{% for row in classes %}<tr><td>{{ row.name }}</td>{% for cell in row.cells %}<td class="n">{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</table>{% endif %}
{% if thresholds %}<h3>What a threshold means</h3>
<p>{{ money }}</p>
<table><tr><th class="n">threshold</th><th class="n">alerts a day</th><th class="n">found</th>
<th class="n">missed</th><th class="n">precision</th>
<th class="n">recall</th>{% if has_money %}<th class="n">missed{{ unit }}</th>
<th class="n">false alarms{{ unit }}</th><th class="n">together{{ unit }}</th>{% endif %}<th></th></tr>
{% for row in thresholds %}<tr{% if row.is_declared %} class="chosen"{% endif %}>{% for cell in row.cells %}
<td class="n">{{ cell }}</td>{% endfor %}
<td class="muted">{{ row.note }}</td></tr>{% endfor %}</table>{% endif %}
{% if pictures.importances %}<h3>What it looks at</h3><p class="muted">{{ importances_told }}</p>
<img alt="importances" src="{{ pictures.importances }}">{% endif %}

{% if slices %}<h2>Parts of the rows</h2>
{% for slice in slices %}<h3>{{ slice.name }} <span class="badge {{ slice.colour }}">{{ slice.verdict }}</span></h3>
<p>{{ slice.explanation }}</p>
<table><tr>{% for column in slice.columns %}<th{% if not loop.first %}
class="n"{% endif %}>{{ column }}</th>{% endfor %}</tr>
{% for row in slice.rows %}<tr>{% for cell in row %}<td{% if not loop.first %}
class="n"{% endif %}>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</table>{% endfor %}{% endif %}

<h2>Gates</h2>
{% if gates %}<table><tr><th>gate</th><th></th><th class="n">measured</th><th class="n">bound</th><th>evidence</th></tr>
{% for gate in gates %}<tr><td>{{ gate.name }}</td><td><span class="badge {{ gate.colour }}">{{ gate.verdict }}</span>
</td><td class="n">{{ gate.measured }}</td>
<td class="n">{{ gate.bound }}</td><td>{{ gate.explanation }}</td></tr>{% endfor %}</table>
{% else %}<p>Not evaluated yet: nothing is proven.</p>{% endif %}
<h3>Bypasses</h3>
{% if bypasses %}<table><tr><th>gate</th><th>who</th><th>why</th><th>until</th><th></th></tr>
{% for bypass in bypasses %}<tr><td>{{ bypass.gate }}</td><td>{{ bypass.who }}</td><td>{{ bypass.why }}</td>
<td>{{ bypass.until }}</td><td>{{ bypass.state }}</td></tr>{% endfor %}</table>
{% else %}<p>None is declared.</p>{% endif %}

<h2>Limits</h2>
<ul>{% for limit in limits %}<li>{{ limit }}</li>{% endfor %}</ul>

<h2>What it was made from</h2>
<div class="two">{% for part in lineage %}<table>{% for name, value in part %}<tr><th>{{ name }}</th><td>
<code>{{ value }}</code></td></tr>{% endfor %}</table>{% endfor %}</div>
{% if history %}<h3>What became of it</h3><table><tr><th>at (UTC)</th><th>what</th><th>why</th></tr>
{% for row in history %}<tr><td>{{ row.at }}</td><td>{{ row.action }}</td><td>{{ row.why }}</td></tr>{% endfor %}
</table>{% endif %}
<p class="muted">Made again with <code>platform-assets models reproduce {{ name }}@{{ version }}</code></p>
</main></body></html>
"""
