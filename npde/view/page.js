"use strict";
(() => {
  const graph = JSON.parse(document.getElementById("graph").textContent);
  const picture = document.querySelector(".picture");
  const lines = [...document.querySelectorAll(".source .line")];
  const detail = document.querySelector(".detail");
  const boxes = new Map([...document.querySelectorAll(".node")].map((g) => [g.dataset.box, g]));
  const rows = new Map([...document.querySelectorAll("tr[data-node]")].map((r) => [r.dataset.node, r]));
  const described = new Map();
  const collect = (shown) => shown.boxes.forEach((b) => { described.set(b.id, b); if (b.inside) collect(b.inside); });
  graph.pictures.forEach(collect);
  const idle = detail.innerHTML;
  const starts = [];
  graph.source.split("\n").reduce((at, text) => { starts.push(at); return at + text.length + 1; }, 0);
  let pinned = null;

  const escape = (text) => text.replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c]);

  function markSource(spans) {
    lines.forEach((line, k) => {
      const text = line.dataset.text, from = starts[k], to = from + text.length;
      const hits = spans.filter((s) => s && s.start < to && s.stop > from);
      line.classList.toggle("lit", hits.length > 0);
      if (!hits.length) { line.textContent = text; return; }
      const first = Math.max(Math.min(...hits.map((s) => s.start)) - from, 0);
      const last = Math.min(Math.max(...hits.map((s) => s.stop)) - from, text.length);
      line.innerHTML = escape(text.slice(0, first)) + "<mark>" + escape(text.slice(first, last)) + "</mark>" + escape(text.slice(last));
    });
  }

  function clear() {
    document.querySelectorAll(".lit").forEach((e) => e.classList.remove("lit"));
    picture.classList.remove("dimmed");
    markSource([]);
    detail.innerHTML = idle;
  }

  function learnedSpans(box) {
    const names = box.learned.map((text) => text.split(":")[0]);
    return graph.learned.filter((p) => names.includes(p.name)).map((p) => p.span);
  }

  function show(id) {
    clear();
    const box = described.get(id);
    if (!box) return;
    boxes.get(id)?.classList.add("lit");
    picture.classList.add("dimmed");
    box.members.forEach((m) => rows.get(m)?.classList.add("lit"));
    markSource([box.span, ...box.also, ...learnedSpans(box)]);
    const formula = box.formula ? `<span class="formula">${escape(box.formula)}</span>` : "";
    const notes = [...box.notes, box.learned.length ? `learned: ${box.learned.join(", ")}` : "", box.shape ? `gives ${box.shape}` : ""];
    const where = box.span ? `line ${box.span.line}` : "";
    const nodes = box.members.length > 1 ? `${box.members.length} nodes: ${box.members.join(", ")}` : box.members.join("");
    detail.innerHTML = `<h3>${escape(box.title)}</h3>${formula}` +
      [...notes, where, nodes].filter(Boolean).map((t) => `<p>${escape(t)}</p>`).join("");
  }

  function boxOf(node) {
    for (const [id, box] of described) if (box.members.includes(node)) return id;
    return null;
  }

  function wire(element, id) {
    element.addEventListener("mouseenter", () => { if (!pinned) show(id); });
    element.addEventListener("mouseleave", () => { if (!pinned) clear(); });
    element.addEventListener("focus", () => { if (!pinned) show(id); });
    element.addEventListener("click", (event) => {
      event.stopPropagation();
      pinned = pinned === id ? null : id;
      show(id);
    });
    element.addEventListener("keydown", (event) => { if (event.key === "Enter") element.dispatchEvent(new MouseEvent("click")); });
  }

  boxes.forEach((element, id) => wire(element, id));
  rows.forEach((element, node) => { const id = boxOf(node); if (id) wire(element, id); });
  lines.forEach((line, k) => {
    const from = starts[k], to = from + line.dataset.text.length;
    const touches = (s) => s && s.start < to && s.stop > from;
    const ids = [...described.values()].filter((b) => [b.span, ...b.also, ...learnedSpans(b)].some(touches)).map((b) => b.id);
    line.addEventListener("mouseenter", () => {
      if (pinned || !ids.length) return;
      picture.classList.add("dimmed");
      line.classList.add("lit");
      ids.forEach((id) => { boxes.get(id)?.classList.add("lit"); described.get(id).members.forEach((m) => rows.get(m)?.classList.add("lit")); });
    });
    line.addEventListener("mouseleave", () => { if (!pinned) clear(); });
  });
  document.addEventListener("click", () => { pinned = null; clear(); });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") { pinned = null; clear(); } });
  document.getElementById("theme").addEventListener("click", (event) => {
    event.stopPropagation();
    const dark = getComputedStyle(document.documentElement).colorScheme.includes("dark");
    document.documentElement.dataset.theme = dark ? "light" : "dark";
  });
})();
