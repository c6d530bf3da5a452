package dev.domus.sched.simulator.report;

/** The page's looks, in light and dark. */
final class Stylesheet {
  /**
   * The colours are M. Okabe's and K. Ito's, which people with any kind of colour vision tell apart
   * (<em>Color Universal Design</em>, 2008), darkened or lightened to be legible on either ground.
   */
  static final String TEXT =
      """
      :root { --ground: #ffffff; --text: #1b1f24; --soft: #57606a; --grid: #e2e6ea; --panel: #f6f8fa;
        --s0: #0065a3; --s1: #c24e00; --s2: #007a59; --s3: #a8447f; --s4: #946800; --s5: #2a86b8; --s6: #6b4fa0; --s7: #4d5560;
        color-scheme: light dark; }
      @media (prefers-color-scheme: dark) { :root { --ground: #14181d; --text: #e6eaee; --soft: #9aa5b1; --grid: #2b323a; --panel: #1c2229;
        --s0: #56b4e9; --s1: #ff8b4a; --s2: #35c99b; --s3: #e79ac6; --s4: #e6b23a; --s5: #9cc9ff; --s6: #b9a2ee; --s7: #b3bcc6; } }
      body { background: var(--ground); color: var(--text); font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
      h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.1rem; margin: 0 0 .4rem; }
      .headline, .note, figcaption { color: var(--soft); }
      .workloads { padding-left: 1.2rem; }
      figure { background: var(--panel); border-radius: 8px; margin: 1.4rem 0; padding: 1rem 1.2rem; }
      figcaption { font-size: .9rem; margin-top: .4rem; }
      figure > svg { width: 100%; height: auto; display: block; }
      .legend { display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; margin-bottom: .4rem; }
      .key { width: 34px; height: 14px; vertical-align: -1px; }
      svg text { fill: var(--text); font: 12px system-ui, sans-serif; }
      svg .tick { fill: var(--soft); } svg .title { font-size: 13px; } svg .group { font-weight: 600; }
      svg .grid { stroke: var(--grid); stroke-width: 1; } svg .axis { stroke: var(--soft); stroke-width: 1; }
      svg polyline { fill: none; stroke-width: 2.2; stroke-linejoin: round; }
      svg .curve { stroke: var(--c); } svg .due { stroke: var(--text); stroke-width: 1.4; stroke-dasharray: 6 5; }
      svg .mark line, svg .whisker { stroke: var(--c); stroke-width: 2; fill: none; }
      svg .mark circle, svg .mark rect, svg .mark path { fill: var(--c); }
      svg .mark path.whisker { fill: none; } svg .mark text { fill: var(--text); }
      .s0 { --c: var(--s0); } .s1 { --c: var(--s1); } .s2 { --c: var(--s2); } .s3 { --c: var(--s3); }
      .s4 { --c: var(--s4); } .s5 { --c: var(--s5); } .s6 { --c: var(--s6); } .s7 { --c: var(--s7); }
      svg .curve.s1 { stroke-dasharray: 9 4; } svg .curve.s2 { stroke-dasharray: 3 3; } svg .curve.s3 { stroke-dasharray: 12 4 3 4; }
      svg .curve.s5 { stroke-dasharray: 9 4; } svg .curve.s6 { stroke-dasharray: 3 3; } svg .curve.s7 { stroke-dasharray: 12 4 3 4; }
      .mark.s1 > line, .mark.s5 > line { stroke-dasharray: 9 4; } .mark.s2 > line, .mark.s6 > line { stroke-dasharray: 3 3; }
      .mark.s3 > line, .mark.s7 > line { stroke-dasharray: 12 4 3 4; }
      .wide { overflow-x: auto; }
      table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%; }
      th, td { padding: .2rem .8rem .2rem 0; text-align: right; white-space: nowrap; }
      th:first-child { text-align: left; } th[scope=row] { font-weight: 400; }
      tr:has(th[scope=col]) th { border-bottom: 1px solid var(--soft); padding-top: 1rem; }
      tr:has(th[scope=row]) { border-bottom: 1px solid var(--grid); }
      .fault { border-left: 4px solid var(--s1); padding-left: 1rem; } .fault pre { white-space: pre-wrap; }
      details { margin: 1rem 0; } summary { cursor: pointer; color: var(--soft); }
      """;

  private Stylesheet() {}
}
