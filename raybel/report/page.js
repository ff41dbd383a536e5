"use strict";
// What every page does: unpack plotly, draw its charts in the colour scheme, again when that changes or it is printed.
const raybel = {
  data(name) {
    const block = document.getElementById(`data-${name}`);
    return block === null ? null : JSON.parse(block.textContent);
  },
};
(() => {
  const charts = raybel.data("charts");
  if (charts === null) return;
  const themes = raybel.data("themes");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const options = { displayModeBar: false, responsive: true };

  async function unpacked() {
    const packed = document.getElementById("data-plotly").textContent;
    const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  }

  function load(source) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
      script.onload = resolve;
      script.onerror = () => reject(new Error("plotly's script can't be run"));
      document.head.append(script);
    });
  }

  function drawOne(chart, number, scheme) {
    const layout = structuredClone(chart.layout);
    layout.template = themes[scheme];
    layout.autosize = true;
    Plotly.react(`chart-${number}`, structuredClone(chart.data), layout, options);
  }

  const draw = (scheme) => charts.forEach((chart, number) => drawOne(chart, number, scheme));

  // One at a time, so that the page can be scrolled and read meanwhile.
  async function drawFirst() {
    for (const [number, chart] of charts.entries()) {
      drawOne(chart, number, current());
      await new Promise((resolve) => setTimeout(resolve));
    }
  }

  const current = () => (dark.matches ? "dark" : "light");
  unpacked().then(load).then(async () => {
    document.querySelectorAll(".plot").forEach((plot) => { plot.hidden = false; });
    document.querySelectorAll("details.of-chart").forEach((table) => { table.open = false; });
    await drawFirst();
    dark.addEventListener("change", () => draw(current()));
    window.addEventListener("beforeprint", () => draw("light"));
    window.addEventListener("afterprint", () => draw(current()));
    document.documentElement.dataset.drawn = "yes";
  }).catch((error) => { console.error(error); });
})();
