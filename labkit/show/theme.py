"""The colours of the lab, once for light and once for dark, and the style sheet that carries them.

Every colour has a name (a role). HTML and SVG write `var(--lk-name)`, so one output follows the theme of the page that
shows it: JupyterLab's own where there is one, the reader's system elsewhere. Text colours keep a contrast of at least
4.5 to 1 on the paper (WCAG 2.2, 1.4.3). No colour is ever the only sign of something.
"""

from typing import NamedTuple


class Shade(NamedTuple):
    """One role's colour on light and on dark paper, as #rrggbb."""

    light: str
    dark: str


COLOURS: dict[str, Shade] = {
    "paper": Shade("#ffffff", "#111111"),
    "raised": Shade("#f5f6f8", "#1d2025"),
    "rule": Shade("#d0d5dc", "#3f454e"),
    "ink": Shade("#1c2127", "#e8eaed"),
    "soft": Shade("#545d68", "#a9b2bd"),
    "tcp": Shade("#5a636f", "#a7afb9"),
    "clear": Shade("#a34000", "#ffa860"),
    "tls": Shade("#0b5ac0", "#82bdff"),
    "sealed": Shade("#00695a", "#5ad8b0"),
    "secret": Shade("#ffe28f", "#5b4300"),
    "secret-ink": Shade("#3a2900", "#ffedb8"),
    "secret-line": Shade("#a85800", "#ffc94d"),
    "by-client": Shade("#fde2cc", "#5a3212"),
    "by-server": Shade("#d3e6fc", "#143d66"),
    "random": Shade("#e5daf8", "#43306b"),
    "structure": Shade("#e7eaee", "#33383f"),
    "right": Shade("#1b6e2c", "#7fdc8f"),
    "wrong": Shade("#b0183c", "#ff9dae"),
}

# JupyterLab's themes bring their own paper and ink; a third theme is followed through these.
_FROM_JUPYTER = {"paper": "--jp-layout-color0", "ink": "--jp-ui-font-color0"}


def _variables(mode: str) -> str:
    return "".join(f"--lk-{role}:{_value(role, getattr(shade, mode))};" for role, shade in COLOURS.items())


def _value(role: str, colour: str) -> str:
    return f"var({_FROM_JUPYTER[role]},{colour})" if role in _FROM_JUPYTER else colour


def variable(role: str) -> str:
    """The CSS that paints in a role's colour, with the light one for readers that know no variables."""
    return f"var(--lk-{role},{COLOURS[role].light})"


_RULES = """
.labkit{color:var(--lk-ink);background:var(--lk-paper);font:13px/1.45 var(--jp-ui-font-family,system-ui,sans-serif);
 max-width:62rem;padding:2px 0;overflow-x:auto}
.labkit.labkit.labkit code{font:12.5px/1.5 var(--jp-code-font-family,ui-monospace,Menlo,Consolas,monospace);
 color:inherit;background:none;padding:0;border:0;white-space:pre-wrap;overflow-wrap:anywhere}
.labkit p,.labkit .lk-head{margin:.15em 0 .5em;max-width:none}
.labkit .lk-head b{font-size:14px}
.labkit small,.labkit .lk-soft{color:var(--lk-soft);font-size:12px}
.labkit section+section{border-top:2px solid var(--lk-rule);margin-top:1em;padding-top:.6em}
.labkit.labkit table{border-collapse:collapse;margin:0;width:100%;border:0;font-size:13px;table-layout:auto;
 color:inherit;background:none}
.labkit.labkit caption{caption-side:top;text-align:left;color:var(--lk-soft);padding:0 0 .4em}
.labkit.labkit thead,.labkit.labkit tr{border:0}
.labkit.labkit table th,.labkit.labkit table td{text-align:left;vertical-align:top;padding:4px 10px 4px 0;border:0;
 border-bottom:1px solid var(--lk-rule);white-space:normal;max-width:none;line-height:1.35;background:none}
.labkit.labkit table tbody tr,.labkit.labkit table tbody tr:nth-child(n),
.labkit.labkit table tbody tr:hover{background:none;color:inherit}
.labkit.labkit table th{color:var(--lk-soft);font-weight:600;font-size:12px}
.labkit.labkit table .lk-ms{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums;color:var(--lk-soft)}
.labkit.labkit table .lk-who{white-space:nowrap}
.labkit.labkit table .lk-how{white-space:nowrap}
.labkit .lk-tag{display:inline-block;font-size:11px;font-weight:700;line-height:16px;letter-spacing:.03em;padding:0 6px;
 border:1.5px solid currentColor;color:var(--lk-tcp)}
.labkit .lk-tag.lk-tcp{color:var(--lk-tcp);border-style:dashed}
.labkit .lk-tag.lk-clear{color:var(--lk-clear);border-radius:0}
.labkit .lk-tag.lk-tls{color:var(--lk-tls);border-radius:9px}
.labkit .lk-tag.lk-sealed,.labkit .lk-tag.lk-opened{color:var(--lk-sealed);border-radius:9px;border-style:double;
 border-width:3px;line-height:14px}
.labkit .lk-lock{height:11px;vertical-align:-1px;margin-right:4px;max-width:none;fill:currentColor}
.labkit .lk-line{display:flex;flex-wrap:wrap;gap:0 14px;border-left:3px solid var(--lk-rule);padding-left:8px;
 margin:0 0 2px}
.labkit .lk-line>.lk-said,.labkit .lk-line>small{flex:1 1 16rem;min-width:0;min-height:1.45em}
.labkit.labkit td>details{margin:0}
.labkit .lk-line>small{padding-top:1px}
.labkit .lk-line.lk-clear{border-left:3px solid var(--lk-clear)}
.labkit .lk-line.lk-tls{border-left:3px dotted var(--lk-tls)}
.labkit .lk-line.lk-opened,.labkit .lk-line.lk-sealed{border-left:5px double var(--lk-sealed);padding-left:6px}
.labkit .lk-line.lk-tcp{border-left:3px dashed var(--lk-tcp)}
.labkit mark{background:var(--lk-secret);color:var(--lk-secret-ink);text-decoration:underline;
 text-decoration-color:var(--lk-secret-line);text-decoration-thickness:2px;text-underline-offset:2px;padding:0 1px}
.labkit .lk-what{display:inline-block;font-size:11.5px;font-weight:600;color:var(--lk-secret-ink);
 background:var(--lk-secret);border:1px solid var(--lk-secret-line);border-radius:3px;padding:0 5px;
 margin:1px 4px 1px 3px;overflow-wrap:anywhere}
.labkit summary{cursor:pointer;overflow-wrap:anywhere}
.labkit summary.lk-line{list-style:none}
.labkit summary.lk-line::-webkit-details-marker{display:none}
.labkit summary.lk-line>.lk-said:before{content:"\\25b8\\a0";color:var(--lk-soft)}
.labkit details[open]>summary.lk-line>.lk-said:before{content:"\\25be\\a0"}
.labkit summary:focus-visible{outline:2px solid var(--lk-tls)}
.labkit details{margin:2px 0}
.labkit details>.lk-inside{margin:2px 0 4px 6px;padding-left:12px;border-left:1px solid var(--lk-rule)}
.labkit .lk-inside .lk-inside{margin-left:16px}
.labkit .lk-hex span,.labkit .lk-key{padding:1px 0;color:var(--lk-ink);border-radius:2px}
.labkit .lk-key{display:inline-block;padding:0 6px;margin:0 8px 3px 0;font-size:12px}
.labkit .lk-bytes{display:flex;flex-wrap:wrap;gap:6px 24px;align-items:flex-start}
.labkit.labkit.labkit .lk-bytes>code{white-space:pre;overflow:auto;max-height:46em;flex:0 0 auto;
 max-width:100%;line-height:1.75;
 overflow-wrap:normal}
.labkit .lk-bytes>code i{font-style:normal;color:var(--lk-soft)}
.labkit .lk-bytes>div{flex:1 1 22rem;min-width:16rem;max-height:46em;overflow:auto}
.labkit .lk-bytes details{margin:0}
.labkit .lk-bytes summary{padding:2px 3px;border-radius:3px}
.labkit .lk-bytes summary .lk-key{margin:0 4px 0 0;font-weight:600}
.labkit .lk-bytes summary:hover{background:var(--lk-raised)}
.labkit .lk-bytes summary:focus-visible,.labkit .lk-bytes code:focus-visible{outline:2px solid var(--lk-tls);
 outline-offset:-2px}
.labkit .lk-by-client{background:var(--lk-by-client);border-bottom:2px solid var(--lk-clear)}
.labkit .lk-by-server{background:var(--lk-by-server);border-bottom:2px solid var(--lk-tls)}
.labkit .lk-random{background:var(--lk-random);border-bottom:2px dashed var(--lk-ink)}
.labkit .lk-structure{background:var(--lk-structure);border-bottom:2px dotted var(--lk-tcp)}
.labkit .lk-stage{display:grid;grid-template-columns:minmax(8rem,2fr) minmax(12rem,3fr) minmax(14rem,4fr);gap:0;
 align-items:start;padding:6px 0}
.labkit .lk-host{border:2px solid var(--lk-soft);border-radius:6px;background:var(--lk-raised);padding:7px 11px 9px}
.labkit .lk-host+.lk-host{margin-top:12px}
.labkit .lk-host>b{font-size:15px}
.labkit .lk-path .lk-host{border-style:dashed;border-color:var(--lk-clear);margin:0 16px}
.labkit .lk-wire{position:relative;height:96px}
.labkit .lk-wire:before{content:"";position:absolute;left:0;right:0;top:34px;border-top:3px solid var(--lk-soft)}
.labkit .lk-wire:after{content:"";position:absolute;left:50%;top:36px;bottom:0;border-left:2px dashed var(--lk-clear)}
.labkit .lk-wire svg{position:absolute;z-index:1;left:calc(50% - 20px);top:22px;width:42px;height:27px;overflow:visible;
 fill:var(--lk-paper);stroke:var(--lk-clear);stroke-width:2}
.labkit .lk-wire circle{fill:var(--lk-clear)}
.labkit .lk-server{border-top:1px solid var(--lk-rule);margin-top:7px;padding-top:5px}
.labkit.labkit .lk-grid{width:auto}
.labkit.labkit table.lk-grid th,.labkit.labkit table.lk-grid td{padding:3px;border:0;vertical-align:middle}
.labkit.labkit table.lk-grid th[scope=row]{color:var(--lk-ink);white-space:nowrap}
.labkit .lk-cell{display:block;min-width:7.8em;padding:2px 4px;border:1.5px solid var(--lk-rule);border-radius:3px;
 font-size:12px;text-align:center}
.labkit .lk-cell.lk-is-right{border-color:var(--lk-right);color:var(--lk-right)}
.labkit .lk-cell.lk-is-wrong{border:3px double var(--lk-wrong);padding:.5px 2.5px;color:var(--lk-wrong)}
.labkit .lk-cell.lk-is-clear{border:1.5px dashed var(--lk-clear);color:var(--lk-clear)}
.labkit .lk-cell.lk-is-soft{border-style:dotted;color:var(--lk-soft)}
.labkit.labkit .lk-wide .lk-cell{min-width:3.6em;padding:1px 3px;font-size:11.5px}
.labkit.labkit .lk-wide .lk-cell.lk-is-wrong{padding:0 1.5px}
.labkit.labkit table.lk-wide th,.labkit.labkit table.lk-wide td{padding:2px}
.labkit.labkit table.lk-wide thead th+th{padding:2px 6px}
.labkit .lk-legend span{display:inline-block;margin-right:16px}
.labkit figure{margin:0}
.labkit svg.lk-figure{display:block;max-width:100%;height:auto}
.labkit pre.lk-words{font:12px/1.5 var(--jp-code-font-family,ui-monospace,Menlo,Consolas,monospace);color:inherit;
 background:none;border:0;padding:0;margin:4px 0 4px 14px;white-space:pre-wrap;overflow-wrap:anywhere}
.labkit .lk-card{border:1px solid var(--lk-rule);border-left:5px solid var(--lk-soft);padding:6px 12px;max-width:46rem}
.labkit .lk-card.lk-right{border-left-color:var(--lk-right)}
.labkit .lk-card.lk-right b{color:var(--lk-right)}
.labkit .lk-card.lk-wrong{border-left:5px double var(--lk-wrong)}
.labkit .lk-card.lk-wrong b{color:var(--lk-wrong)}
.labkit .lk-card p:last-child{margin-bottom:.15em}
.labkit .lk-card pre.lk-words{margin:4px 0 9px 14px}
.labkit .widget-radio-box label,.labkit .jupyter-button{height:auto;line-height:1.45;font-size:13px;white-space:normal}
.labkit .widget-radio-box label{display:flex;flex-direction:row-reverse;justify-content:flex-end;gap:8px;color:inherit;
 align-items:baseline;margin:0 0 5px;max-width:46rem}
.labkit .widget-radio-box input{flex:none;position:relative;top:5px;margin:0}
.labkit .jupyter-button{align-self:flex-start;width:auto;margin:2px 2px 8px;padding:5px 14px;color:inherit}
.labkit .jupyter-button:disabled{color:var(--lk-soft)}
.labkit .jupyter-button:focus-visible{outline:2px solid var(--lk-tls);outline-offset:1px}
.labkit.lk-console .widget-html,.labkit.lk-console .widget-html-content{height:auto;line-height:1.45;font-size:13px}
.labkit.lk-console .widget-html-content p{margin:0 0 .3em;min-height:1.45em}
.labkit.lk-console .widget-textarea,.labkit.lk-console .widget-text{flex-direction:column;
 align-items:stretch;height:auto}
.labkit.lk-console .widget-textarea label,.labkit.lk-console .widget-text label{width:auto;text-align:left;
 color:var(--lk-soft);font-size:12px;line-height:1.45;height:auto;margin:4px 0 2px}
.labkit.lk-console .widget-textarea textarea,.labkit.lk-console .widget-text input{
 font:12.5px/1.5 var(--jp-code-font-family,ui-monospace,Menlo,Consolas,monospace);flex:none}
.labkit.lk-console .widget-text input{height:2.3em}
"""

_DARK_PAGES = 'body[data-jp-theme-light="false"] .labkit,body.vscode-dark .labkit'

STYLE = (
    "<style>"
    f'.labkit,body[data-jp-theme-light="true"] .labkit{{{_variables("light")}}}'
    f"@media (prefers-color-scheme:dark){{.labkit{{{_variables('dark')}}}}}"
    f"{_DARK_PAGES}{{{_variables('dark')}}}"
    f"{_RULES.replace(chr(10), '')}</style>"
)
"""The style sheet of one output. Every rule begins with `.labkit`, so nothing else on the page changes."""
