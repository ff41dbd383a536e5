"use strict";
// Linked text: what a mention was linked to, where the pointer or the focus is, and the filters.
(() => {
  const data = raybel.data("text");
  const panel = document.getElementById("mention-panel");
  const form = document.getElementById("text-filters");
  if (data === null || panel === null || form === null) return;
  const marks = [...document.querySelectorAll("mark.mention")];
  const articles = [...document.querySelectorAll("article.document")];
  const numbersOf = new Map(marks.map((mark) => [mark, mark.dataset.m.split(" ").map(Number)]));

  function element(name, text, className) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  const isolated = (text, name = "bdi") => element(name, text);
  const nameOf = (id) => (data.concepts[id] || ["", ""])[0];
  const scoreOf = (score) => (score === null ? "" : score.toFixed(2));

  function fact(list, name, ...content) {
    list.append(element("dt", name));
    const value = element("dd");
    value.append(...content);
    list.append(value);
  }

  function concept(id, name) {
    const shown = document.createDocumentFragment();
    shown.append(isolated(name || nameOf(id)), " ", element("span", id, "quiet"));
    return shown;
  }

  function described(mention) {
    const box = element("div", undefined, "mention-facts");
    const title = element("p", undefined, "title");
    title.append(isolated(mention.text, "b"), " ", element("span", mention.type, "quiet"));
    const list = element("dl");
    if (mention.id === null) fact(list, "linked to", "nothing");
    else fact(list, "linked to", concept(mention.id, mention.name), ` ${scoreOf(mention.score)}`);
    if (mention.state) {
      const words = { right: "✓ right", wrong: "✗ wrong", uncounted: "doesn’t count under the policy" };
      const gold = element("span");
      if (mention.gold.length === 0) gold.append("no concept (NIL)");
      mention.gold.forEach((id, place) => gold.append(place ? ", " : "", concept(id, "")));
      fact(list, "gold", gold, " ", element("span", words[mention.state], mention.state));
    }
    if (mention.alias) fact(list, "matched name", isolated(mention.alias), ` (${mention.source || "unknown source"})`);
    if (mention.sure !== null) fact(list, "re-ranked", mention.sure ? "no: sure without it" : "yes");
    const [, definition] = data.concepts[mention.id] || ["", ""];
    if (definition) fact(list, "definition", isolated(definition));
    box.append(title, list);
    if (mention.ranking.length) box.append(candidates(mention));
    return box;
  }

  function candidates(mention) {
    const table = element("table");
    const head = table.createTHead().insertRow();
    for (const name of ["", "candidate", "score", "first stage"]) {
      const cell = element("th", name, name === "score" || name === "first stage" ? "number" : "");
      cell.scope = "col";
      head.append(cell);
    }
    const body = table.createTBody();
    mention.ranking.forEach(([id, score, first], place) => {
      const row = body.insertRow();
      row.append(element("td", String(place + 1), "number"));
      const cell = row.insertCell();
      cell.append(concept(id, ""));
      if (mention.gold !== null && mention.gold.includes(id)) cell.append(" ", element("span", "gold", "right"));
      row.append(element("td", scoreOf(score), "number"), element("td", first === null ? "" : String(first + 1), "number"));
    });
    return table;
  }

  let shownAt = null;
  function show(mark) {
    if (shownAt === mark) return;
    hide();
    shownAt = mark;
    panel.replaceChildren(...numbersOf.get(mark).map((number) => described(data.mentions[number])));
    panel.hidden = false;
    mark.setAttribute("aria-describedby", panel.id);
    mark.setAttribute("aria-expanded", "true");
    const box = mark.getClientRects()[0];
    const width = document.documentElement.clientWidth;
    if (width > 640) {
      const left = Math.max(8, Math.min(box.left, width - panel.offsetWidth - 8));
      const fits = box.bottom + panel.offsetHeight + 8 < window.innerHeight || box.top < panel.offsetHeight + 8;
      const top = fits ? box.bottom + 4 : box.top - panel.offsetHeight - 4;
      panel.style.left = `${left + window.scrollX}px`;
      panel.style.top = `${top + window.scrollY}px`;
    } else {
      panel.style.left = panel.style.top = "";
    }
  }

  function hide() {
    if (shownAt === null) return;
    shownAt.removeAttribute("aria-describedby");
    shownAt.setAttribute("aria-expanded", "false");
    shownAt = null;
    panel.hidden = true;
  }

  let leaving = 0;
  const stay = () => window.clearTimeout(leaving);
  const leave = () => {
    stay();
    leaving = window.setTimeout(() => { if (document.activeElement !== shownAt) hide(); }, 250);
  };
  panel.addEventListener("mouseenter", stay);
  panel.addEventListener("mouseleave", leave);
  document.body.append(panel);
  for (const mark of marks) {
    mark.tabIndex = 0;
    mark.setAttribute("role", "button");
    mark.setAttribute("aria-expanded", "false");
    mark.addEventListener("mouseenter", () => { stay(); show(mark); });
    mark.addEventListener("mouseleave", leave);
    mark.addEventListener("focus", () => { stay(); show(mark); });
    mark.addEventListener("blur", leave);
    mark.addEventListener("click", () => { stay(); show(mark); });
    mark.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); shownAt === mark ? hide() : show(mark); }
    });
  }
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });

  const bound = (name, otherwise) => {
    const value = form.elements[name].value;
    return value === "" || Number.isNaN(Number(value)) ? otherwise : Number(value);
  };

  function wanted() {
    const words = form.elements.concept.value.trim().toLowerCase();
    const type = form.elements.type.value;
    const state = form.elements.state.value;
    const [least, most] = [bound("least", null), bound("most", null)];
    const has = (id) => id.toLowerCase().includes(words) || nameOf(id).toLowerCase().includes(words);
    return data.mentions.map((mention) => {
      const ids = [...(mention.id === null ? [] : [mention.id]), ...(mention.gold || [])];
      if (words && !(ids.some(has) || (mention.name || "").toLowerCase().includes(words))) return false;
      if (type !== "*" && mention.type !== type) return false;
      if ((least !== null || most !== null) && mention.score === null) return false;
      if (least !== null && mention.score < least) return false;
      if (most !== null && mention.score > most) return false;
      if (state === "linked") return mention.id !== null;
      if (state === "not linked") return mention.id === null;
      return state === "*" || mention.state === state;
    });
  }

  function filter() {
    hide();
    const kept = wanted();
    for (const mark of marks) {
      const matches = numbersOf.get(mark).some((number) => kept[number]);
      mark.classList.toggle("dim", !matches);
      mark.tabIndex = matches ? 0 : -1;
    }
    const all = kept.every(Boolean);
    for (const article of articles) article.hidden = !all && article.querySelector("mark.mention:not(.dim)") === null;
    const documents = articles.filter((article) => !article.hidden).length;
    const count = kept.filter(Boolean).length;
    form.elements.found.value =
      `${count.toLocaleString("en")} of ${kept.length.toLocaleString("en")} mentions, in ${documents} of ${articles.length} documents`;
  }

  form.addEventListener("input", filter);
  form.addEventListener("reset", () => window.setTimeout(filter));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  filter();
})();
