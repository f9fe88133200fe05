"""The HTML report's stylesheet: light and dark from the charts' palettes, readable on a phone."""

from charts.spec import Theme
from charts.theme import palette


def stylesheet() -> str:
    """Plain CSS; no font, picture or rule comes from anywhere else."""
    return f":root{{{_colours('light')}}}@media(prefers-color-scheme:dark){{:root{{{_colours('dark')}}}}}{_RULES}"


def _colours(theme: Theme) -> str:
    p = palette(theme, up_is_red=True)
    named = {
        "page": p.background, "card": p.panel, "shade": p.shade, "rule": p.grid, "text": p.text, "muted": p.muted,
        "up": p.up, "down": p.down, "ours": p.entry, "theirs": p.planned, "warn": p.stop, "good": p.target,
    }  # fmt: skip
    return f"color-scheme:{theme};" + "".join(f"--{name}:{colour};" for name, colour in named.items())


_RULES = """
*{box-sizing:border-box}
body{margin:0 auto;max-width:1080px;padding:20px 14px 60px;background:var(--page);color:var(--text);
 font:15px/1.45 system-ui,-apple-system,"Apple SD Gothic Neo","Noto Sans KR","Malgun Gothic",sans-serif;
 font-variant-numeric:tabular-nums;-webkit-text-size-adjust:100%}
h1,h2,p,.label,.key{word-break:keep-all}
h1{font-size:26px;margin:0 0 2px}
h2{font-size:17px;margin:0 0 10px}
h2 small,th small,.label small,.key small{color:var(--muted);font-weight:400;font-size:.8em;margin-left:.4em}
p{margin:6px 0}
.muted,figcaption{color:var(--muted)}
.up{color:var(--up)}.down{color:var(--down)}
section,.key{background:var(--card);border:1px solid var(--rule);border-radius:12px}
section{padding:14px;margin:14px 0;min-width:0}
.keys{display:grid;grid-template-columns:repeat(auto-fit,minmax(max(150px,22%),1fr));gap:10px;margin:16px 0}
.key{padding:10px 12px}
.key b{display:block;font-size:21px}
.key small{display:block;margin:0}
.warnings{border-left:4px solid var(--warn)}
.warnings ul{margin:0;padding-left:18px}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:0 14px;align-items:start}
details.line{border-top:1px solid var(--rule)}
.line summary{display:flex;justify-content:space-between;gap:12px;padding:5px 0;cursor:pointer;list-style:none}
.line summary::-webkit-details-marker{display:none}
.line p{margin:0 0 6px;color:var(--muted);font-size:13px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{padding:5px 8px;text-align:right;white-space:nowrap;border-top:1px solid var(--rule)}
th{color:var(--muted);font-weight:600;border-top:0}
th:first-child,td:first-child{text-align:left}
.facts td{white-space:normal;text-align:left;overflow-wrap:anywhere}
.facts td:first-child{color:var(--muted);width:42%}
.heat td{text-align:center;padding:8px 4px;font-size:13px}
.plot{display:grid;grid-template:var(--high) 22px/62px 1fr;margin:8px 0 2px}
.plot svg{width:100%;height:100%;overflow:hidden;background:var(--page);border-radius:6px}
.left,.below{position:relative;color:var(--muted);font-size:12px}
.left span{position:absolute;right:8px;transform:translateY(50%)}
.below{grid-column:2}
.below span{position:absolute;top:3px;transform:translateX(-50%);white-space:nowrap}
.below span:first-child{transform:none}.below span:last-child{transform:translateX(-100%)}
svg *{vector-effect:non-scaling-stroke;fill:none}
.grid{stroke:var(--rule)}
.level{stroke:var(--muted);stroke-dasharray:5 4}
.ours{stroke:var(--ours);stroke-width:2.2;stroke-linejoin:round}
.below-high{stroke:var(--down);stroke-width:1.6}
.theirs{stroke:var(--theirs);stroke-width:1.6;stroke-dasharray:6 3}
svg .under{fill:var(--down);opacity:.35}
.won,.lost{stroke-width:6;stroke-linecap:round;opacity:.65}
.won{stroke:var(--up)}.lost{stroke:var(--down)}
.bar{stroke:var(--ours);stroke-width:3}.point{stroke:var(--ours);stroke-width:10;stroke-linecap:round}
.legend span{display:inline-block;margin-right:16px}
.legend i{display:inline-block;width:18px;height:3px;vertical-align:middle;margin-right:6px}
@media(max-width:520px){body{font-size:14px;padding:14px 8px 40px}section{padding:11px}
 .plot{grid-template:calc(var(--high)*.8) 22px/54px 1fr}th,td{padding:5px 6px}.keys{grid-template-columns:1fr 1fr}}
@media print{body{max-width:none}section{break-inside:avoid}}
"""
