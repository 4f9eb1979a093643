"""The page's style: light and dark, screen, telephone and print."""

CSS = """
:root { color-scheme: light dark;
  --ink: #1b1f24; --soft: #57606a; --paper: #ffffff; --shade: #f3f5f7; --line: #d4d9de;
  --link: #0b5cad; --good: #0a6e4d; --bad: #a33b00; }
@media (prefers-color-scheme: dark) { :root {
  --ink: #e6e9ec; --soft: #a2abb4; --paper: #15191d; --shade: #1f252b; --line: #3a424a;
  --link: #7cb7f2; --good: #57c79c; --bad: #f0956a; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; overflow-wrap: anywhere; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main, header, footer { max-width: 84rem; margin: 0 auto; padding: 0 1rem; }
header { padding-top: 1.5rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.25rem; margin: 2.4rem 0 .6rem; padding-top: .6rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1.02rem; margin: 1.4rem 0 .4rem; }
p, ul { max-width: 46rem; margin: .5rem 0; }
li { margin: .2rem 0; }
a { color: var(--link); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.soft { color: var(--soft); }
.plain { font-size: 1.08rem; }
nav ul { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1rem;
  max-width: none; }
.skip { position: absolute; left: -999px; }
.skip:focus { position: static; }
.wide { overflow-x: auto; max-width: 100%; margin: .6rem 0; position: relative; }
table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; }
.caption { color: var(--soft); font-size: .9rem; margin: .6rem 0 -.3rem; max-width: none; }
th, td { padding: .28rem .6rem; border-bottom: 1px solid var(--line); text-align: right;
  vertical-align: top; white-space: nowrap; }
th { font-weight: 600; }
thead th { vertical-align: bottom; border-bottom: 2px solid var(--soft); }
th.words, td.words { text-align: left; }
td.long { white-space: normal; min-width: 12rem; text-align: left; }
tbody th { text-align: left; background: var(--paper); }
tbody tr:hover > * { background: var(--shade); }
td small { display: block; color: var(--soft); }
.adds { color: var(--good); font-weight: 600; }
.worse { color: var(--bad); }
thead button { all: unset; cursor: pointer; font: inherit; font-weight: 600; }
thead button:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
thead button::after { content: "\\2195"; color: var(--soft); font-weight: 400; margin-left: .25em; }
th[aria-sort=ascending] button::after { content: "\\2191"; color: var(--ink); }
th[aria-sort=descending] button::after { content: "\\2193"; color: var(--ink); }
figure { margin: 1rem 0 1.6rem; }
figure .wide { background: #ffffff; border: 1px solid var(--line); border-radius: 4px;
  padding: .4rem; width: fit-content; }
figure svg { display: block; height: auto; max-width: 100%; }
figcaption { max-width: 46rem; font-size: .9rem; color: var(--soft); }
blockquote { margin: .6rem 0; padding: .8rem 1rem; background: var(--shade); border-radius: 4px;
  max-width: 50rem; }
code { font: .86em ui-monospace, "SFMono-Regular", Menlo, Consolas, monospace;
  white-space: normal; }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .2rem 1rem;
  font-size: .9rem; }
dt { color: var(--soft); }
dd { margin: 0; }
.missing { border-left: 3px solid var(--bad); padding-left: .8rem; }
button.copy { font: inherit; font-size: .9rem; padding: .2rem .7rem; cursor: pointer;
  background: var(--shade); color: var(--ink); border: 1px solid var(--line); border-radius: 4px; }
footer { color: var(--soft); font-size: .85rem; padding-top: 2rem; padding-bottom: 2rem; }
@media (max-width: 600px) {
  h1 { font-size: 1.35rem; }
  figure svg { max-width: none; }
  tbody th { white-space: normal; min-width: 8rem; }
  dl { grid-template-columns: 1fr; }
  dd { margin-bottom: .4rem; }
}
@media print {
  :root { --ink: #000; --soft: #333; --paper: #fff; --shade: #fff; --line: #999; --link: #000; }
  body { font-size: 10pt; }
  nav, button.copy, .files, thead button::after { display: none; }
  .wide { overflow: visible; }
  table { font-size: 7.5pt; }
  th, td { padding: .15rem .3rem; white-space: normal; }
  figure, tr { break-inside: avoid; }
  h2, h3, .caption { break-after: avoid; }
}
"""
