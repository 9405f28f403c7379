"""The style sheet of the page, for light and dark mode."""

STYLE = """
:root { color-scheme: light dark; --back: #fbfbf9; --card: #ffffff; --text: #1d1d1b; --muted: #6b6a65;
  --line: #e3e2dc; --bad: #b3261e; --good: #1b7a3d; --warn: #8a5a00;
  --s1: #2a78d6; --s2: #eb8a23; --s3: #1baf7a; --s4: #8a55c9; --s5: #d64a6a; --s6: #8b8a3c; }
@media (prefers-color-scheme: dark) { :root { --back: #161615; --card: #1f1f1d; --text: #ecebe6;
  --muted: #9d9c95; --line: #383733; --bad: #ff8a80; --good: #6fd394; --warn: #f0b95a;
  --s1: #5a9ff0; --s2: #f2a455; --s3: #3ecf99; --s4: #b18bea; --s5: #f0829a; --s6: #c1bf6a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1180px; padding: 28px 24px 60px; background: var(--back);
  color: var(--text); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 24px; margin: 0; overflow-wrap: anywhere; } h2 { font-size: 18px; margin: 36px 0 10px; }
h3 { font-size: 15px; margin: 0; }
h3 small { font-weight: 400; color: var(--muted); overflow-wrap: anywhere; }
p { margin: 4px 0 8px; } .muted, .clip p, figcaption { color: var(--muted); font-size: 13px; }
.verdict { display: inline-block; font-weight: 600; margin: 8px 0 0; }
.bad { color: var(--bad); } .good { color: var(--good); } .warn { color: var(--warn); }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; background: var(--card);
  font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 8px; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th { font-weight: 600; color: var(--muted); font-size: 13px; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; }
th { white-space: normal; } tr.marked td { font-weight: 600; } td.text, th.text { text-align: left; }
details { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 8px 14px;
  margin: 6px 0; } summary { cursor: pointer; } details li { overflow-wrap: anywhere; font-size: 13px; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(420px, 100%), 1fr)); gap: 16px;
  align-items: start; }
figure, .clip { background: var(--card); border: 1px solid var(--line); border-radius: 8px; margin: 0;
  padding: 14px 16px; } .clip { margin: 12px 0; break-inside: avoid; }
.clip b { color: var(--warn); margin-left: 6px; }
.key { display: flex; gap: 16px; align-items: center; } .key img { width: 84px; height: 84px; flex: none; }
svg { display: block; width: 100%; height: auto; } svg text { fill: var(--muted); font-size: 12px;
  font-family: inherit; font-variant-numeric: tabular-nums; }
.grid { stroke: var(--line); stroke-width: 1; } .axis { stroke: var(--muted); stroke-width: 1; }
.legend { font-size: 13px; color: var(--muted); } .legend span { margin-right: 14px; }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin-right: 5px; }
figure h3 { overflow-wrap: anywhere; } .said { fill: var(--text); }
.mark { stroke: var(--text); stroke-width: 2; }
.cell { fill: var(--s1); } .on { fill: var(--card); } .frame { fill: none; stroke: var(--line); }
.whisker { stroke: var(--text); stroke-width: 1.2; opacity: 0.7; }
.flow { columns: 2 420px; column-gap: 16px; } .flow > * { break-inside: avoid; margin: 0 0 16px; }
.dashed { stroke: var(--muted); stroke-dasharray: 3 4; } .pixels { image-rendering: pixelated; }
.strip { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(200px, 46%), 1fr)); gap: 10px; }
.strip div { border-top: 4px solid var(--line); padding-top: 6px; font-size: 13px; }
.strip img { display: block; width: 100%; height: auto; border-radius: 4px; }
.strip .hit { border-color: var(--good); } .strip .miss { border-color: var(--bad); }
.strip .asked { border-color: var(--s1); } .clip .strip b { color: inherit; margin: 0; }
.strip + h3 { margin: 12px 0 5px; font-size: 13px; } .strip div { overflow-wrap: anywhere; }
""" + "\n".join(
    f"rect.s{i}, polygon.s{i}, circle.s{i} {{ fill: var(--s{i}); }} i.s{i} {{ background: var(--s{i}); }} "
    f"path.s{i}, line.s{i} {{ stroke: var(--s{i}); stroke-width: 1.8; fill: none; }} "
    f"text.s{i} {{ fill: var(--s{i}); }} "
    f"circle.ring.s{i} {{ stroke: var(--s{i}); stroke-width: 2; fill: var(--card); }}"
    for i in range(1, 7)
)
