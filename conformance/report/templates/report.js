"use strict";
// The matrix is in the page; this filters it and, when a cell is opened, makes elements of that cell's JSON.
// Strings come from implementations under test: they are only ever set as text or compared, never parsed as markup.
(() => {
  const byId = (id) => document.getElementById(id);
  const read = (id) => JSON.parse(byId(id).textContent);
  const index = read("index");
  const WRONG = new Set(["fail", "crash", "hang", "oracle-conflict", "adapter-error", "warning"]);

  /** An element: `el("p", {class: "x", onclick: f}, "text", node, null, [nodes])`. */
  function el(name, attributes, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else made.setAttribute(key, value === true ? "" : value);
    }
    for (const child of children.flat(Infinity)) {
      if (child !== null && child !== undefined && child !== false) made.append(child);
    }
    return made;
  }
  const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

  // ------------------------------------------------------------------------------------------------------ theme
  const THEMES = ["system", "light", "dark"];
  const store = {
    get: () => { try { return localStorage.getItem("espproof-theme"); } catch { return null; } },
    set: (value) => { try { localStorage.setItem("espproof-theme", value); } catch { /* not remembered, then */ } },
  };
  function setTheme(name) {
    if (name === "system") document.documentElement.removeAttribute("data-theme");
    else document.documentElement.setAttribute("data-theme", name);
    byId("theme-name").textContent = name;
  }
  let theme = THEMES.includes(store.get()) ? store.get() : "system";
  setTheme(theme);
  byId("theme").hidden = false;
  byId("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    setTheme(theme);
    store.set(theme);
  });

  // ---------------------------------------------------------------------------------------------------- filters
  const rows = [...document.querySelectorAll("tr.req")].map((row) => ({
    row,
    document: row.parentElement.dataset.document,
    level: row.dataset.level,
    verdicts: row.dataset.verdicts.split(" "),
    quiet: row.classList.contains("quiet"),
    text: `${row.id} ${row.dataset.level} ${row.querySelector(".text").textContent}`.toLowerCase(),
  }));
  const filter = {
    text: byId("f-text"), document: byId("f-document"), level: byId("f-level"), verdict: byId("f-verdict"),
    run: byId("f-run"), quiet: byId("f-quiet"),
  };

  function apply() {
    const words = filter.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const run = filter.run ? filter.run.value : "";
    const wanted = filter.verdict.value;
    const fits = (verdict) => (wanted === "wrong" ? WRONG.has(verdict) : verdict === wanted);
    let shown = 0;
    const tally = new Map();
    for (const one of rows) {
      const verdicts = run === "" ? one.verdicts : [one.verdicts[Number(run)]];
      const visible = (filter.quiet.checked || !one.quiet)
        && (!filter.document.value || one.document === filter.document.value)
        && (!filter.level.value || one.level === filter.level.value)
        && (!wanted || verdicts.some(fits))
        && words.every((word) => one.text.includes(word));
      one.row.hidden = !visible;
      if (visible) shown += 1;
      tally.set(one.row.parentElement, (tally.get(one.row.parentElement) || 0) + (visible ? 1 : 0));
    }
    for (const [body, count] of tally) {
      body.hidden = count === 0;
      body.querySelector(".tally").textContent = String(count);
    }
    byId("shown").textContent = `${shown} of ${plural(rows.length, "requirement")}`;
    byId("nothing").hidden = shown !== 0;
    stick();
  }
  function clear() {
    byId("filters").reset();
    apply();
  }
  const stick = () => {
    const bar = byId("filters");
    const height = getComputedStyle(bar).position === "sticky" ? bar.offsetHeight : 0;
    document.documentElement.style.setProperty("--stick", `${height}px`);
  };
  byId("filters").hidden = false;
  for (const event of ["input", "change"]) byId("filters").addEventListener(event, apply);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("f-clear").addEventListener("click", clear);
  byId("f-clear-2").addEventListener("click", clear);
  window.addEventListener("resize", stick);
  for (const button of document.querySelectorAll(".count")) {
    button.addEventListener("click", () => {
      byId("filters").reset();
      filter.verdict.value = button.dataset.verdict;
      if (filter.run) filter.run.value = button.dataset.run;
      apply();
      byId("filters").scrollIntoView({ block: "start" });
    });
  }

  // ------------------------------------------------------------------------------------------------------ panel
  const panel = byId("panel");
  let opener = null;

  const cellOf = (id, run) => document.querySelector(`.cell[data-id="${CSS.escape(id)}"][data-run="${Number(run)}"]`);

  function open(id, run, from) {
    close(false);
    opener = from || cellOf(id, run);
    panel.replaceChildren(...details(id, run));
    panel.hidden = false;
    document.body.classList.add("panel-open");
    const row = byId(id);
    if (row) row.classList.add("current");
    const cell = run === null ? null : cellOf(id, run);
    if (cell) cell.setAttribute("aria-expanded", "true");
    panel.scrollTop = 0;
    panel.focus({ preventScroll: true });
    history.replaceState(null, "", `#${encodeURIComponent(id)}${run === null ? "" : `@${run}`}`);
  }
  function close(back = true) {
    if (panel.hidden) return;
    panel.hidden = true;
    panel.replaceChildren();
    document.body.classList.remove("panel-open");
    for (const old of document.querySelectorAll(".req.current")) old.classList.remove("current");
    for (const old of document.querySelectorAll(".cell[aria-expanded]")) old.removeAttribute("aria-expanded");
    if (!back) return;
    history.replaceState(null, "", location.pathname + location.search);
    if (opener) opener.focus();
  }
  byId("matrix").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.getAttribute("aria-expanded") === "true") close();
    else open(button.dataset.id, button.dataset.run === undefined ? null : Number(button.dataset.run), button);
  });

  /** Cells of visible rows that have a counterexample, in the order of the page. */
  const findings = () => [...document.querySelectorAll("tr.req:not([hidden]) .cell")].filter((cell) => {
    const told = index.runs[Number(cell.dataset.run)].cells[cell.dataset.id];
    return told && told.block;
  });
  function jump(id, run, by) {
    const all = findings();
    if (!all.length) return;
    const now = all.findIndex((cell) => cell.dataset.id === id && Number(cell.dataset.run) === run);
    const next = all[(now + by + all.length + (now < 0 && by < 0 ? 1 : 0)) % all.length];
    open(next.dataset.id, Number(next.dataset.run), next);
    next.scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !panel.hidden) { close(); return; }
    const cell = document.activeElement && document.activeElement.closest && document.activeElement.closest("#matrix button");
    const step = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] }[event.key];
    if (!cell || !step) return;
    const next = neighbour(cell, step[0], step[1]);
    if (next) { event.preventDefault(); next.focus(); }
  });
  function neighbour(cell, down, right) {
    const row = cell.closest("tr");
    const column = [...row.children].indexOf(cell.closest("th, td"));
    if (right) {
      const beside = row.children[column + right];
      return beside && beside.querySelector("button");
    }
    const visible = rows.filter((one) => !one.row.hidden).map((one) => one.row);
    for (let at = visible.indexOf(row) + down; at >= 0 && at < visible.length; at += down) {
      const there = visible[at].children[column].querySelector("button");
      if (there) return there;
    }
    return null;
  }

  const badge = (verdict) => el("span", { class: `badge v-${verdict}` }, `${index.glyphs[verdict] || ""} ${verdict}`);

  function details(id, run) {
    const requirement = index.requirements[id];
    const told = run === null ? null : index.runs[run].cells[id];
    const found = told && told.block ? read(told.block) : null;
    return [
      el("div", { class: "panel-head" },
        el("button", { type: "button", class: "quiet-button", onclick: () => jump(id, run, -1) }, "‹ previous finding"),
        el("button", { type: "button", class: "quiet-button", onclick: () => jump(id, run, 1) }, "next ›"),
        el("span", { class: "spacer" }),
        el("button", { type: "button", class: "quiet-button", id: "close", onclick: () => close() }, "Close")),
      el("h2", {}, id),
      el("p", { class: "meta" },
        requirement.level && el("span", { class: `level l${requirement.level.replace(" ", "-")}` }, requirement.level),
        requirement.url && el("a", { href: requirement.url, rel: "noreferrer" },
          `${requirement.document}${requirement.section ? ` section ${requirement.section}` : ""}`)),
      el("p", { class: "wording" }, requirement.text),
      requirement.waived && el("p", { class: "callout" }, el("b", {}, "Waived. "), requirement.waived),
      requirement.observe && el("p", { class: "meta" }, `Shown by: ${requirement.observe}`),
      verdictList(id, run),
      told && told.note && el("p", { class: `callout v-${told.verdict}` }, told.note),
      found && counterexample(found, run, told.verdict),
      requirement.with.length > 0 && [el("h3", {}, "Verified with"), el("ul", { class: "verdicts" }, requirement.with.map((other) => {
        const its = run === null ? null : index.runs[run].cells[other];
        return el("li", { class: its ? `v-${its.verdict}` : null }, el("button", { type: "button", onclick: () => open(other, run) },
          `${other} `, its && badge(its.verdict)));
      }))],
      checkTable(requirement, run),
    ].flat(Infinity).filter((child) => child);
  }

  function verdictList(id, run) {
    const items = index.runs.map((one, number) => {
      const told = one.cells[id];
      if (!told) return el("li", {}, el("button", { type: "button", disabled: true }, `${one.adapter}: untried`));
      return el("li", { class: `v-${told.verdict}` }, el("button",
        { type: "button", "aria-current": number === run ? "true" : null, onclick: () => open(id, number) },
        `${one.adapter} `, badge(told.verdict)));
    });
    return el("ul", { class: "verdicts", "aria-label": "Verdicts" }, items);
  }

  function checkTable(requirement, run) {
    if (!requirement.checks.length) return null;
    return [
      el("h3", {}, "Checks"),
      el("table", { class: "plain" }, requirement.checks.map((name) => {
        const check = index.checks[name];
        const done = run === null ? null : index.runs[run].checks[name];
        return el("tr", {}, el("th", { scope: "row", class: "mono" }, name), el("td", {},
          check ? `${check.summary} ` : "", check && el("span", { class: "version" }, `since ${check.since}`),
          done && el("div", {}, badge(done.verdict), ` ${done.missing ? `without ${done.missing}` : plural(done.examples, "example")}`)));
      })),
    ];
  }

  // --------------------------------------------------------------------------------------------- counterexample
  function counterexample(found, run, verdict) {
    const where = found.step === 0 ? "Before the first step: " : `Step ${found.step} of ${found.steps.length}: `;
    return [
      el("p", { class: `callout v-${verdict}` }, el("b", {}, where), found.message,
        el("div", { class: "meta" }, `found by ${found.check}`,
          found.also.length > 1 && ` and ${found.also.filter((name) => name !== found.check).join(", ")}`),
        found.opinions.map((opinion) => el("div", { class: "meta" }, opinion))),
      found.files.length > 0 && el("ul", { class: "files", "aria-label": "Files" }, found.files.map((file) =>
        el("li", {}, el("a", { href: file.href, download: file.name, title: `${file.size} octets` }, file.name)))),
      found.setup.length > 0 && el("h3", {}, plural(found.setup.length, "SA")),
      found.setup.map((one) => sa(one.sa, one, found.packets)),
      found.steps.length > 0 && el("h3", {}, plural(found.steps.length, "step")),
      found.steps.map((step) => oneStep(step, found, verdict)),
    ];
  }

  function sa(told, outcomes, packets) {
    const differs = outcomes && outcomes.got && outcomes.want && outcomes.got.says !== outcomes.want.says;
    return el("details", { class: "sa", open: differs },
      el("summary", {}, el("b", {}, told.name), ` ${told.says}`),
      table(told.rows),
      differs && beside(outcomes, packets));
  }
  const table = (pairs) => el("table", { class: "plain" }, pairs.map(([name, value]) =>
    el("tr", {}, el("th", { scope: "row" }, name), el("td", { class: "mono" }, value))));

  function oneStep(step, found, verdict) {
    const here = step.number === found.step;
    const same = step.got && step.want && step.got.says === step.want.says;
    const into = step.in.map((number) => packet(found.packets[number], null));
    const folded = !here && found.steps.length > 4;
    return el("details", { class: here ? `step here v-${verdict}` : "step", open: !folded },
      el("summary", { class: "step-head" }, el("span", { class: "n" }, String(step.number)), el("span", {}, step.does),
        el("span", { class: "right" },
          here ? "shows it" : step.behaviour ? "left open" : same ? "as expected" : "")),
      step.behaviour && el("p", { class: "note" }, `Left open by the documents: ${step.behaviour}`),
      step.note && el("p", { class: "note" }, step.note),
      step.sa && sa(step.sa, null, found.packets),
      into.length > 0 && el("div", { class: "in" }, el("h4", {}, step.in.length > 1 ? "packets in" : "packet in"), into),
      beside(step, found.packets, here));
  }

  /** What was expected on the left, what came on the right; once if they are the same to the octet. */
  function beside(step, packets, here) {
    if (step.got && step.want && JSON.stringify(step.got) === JSON.stringify(step.want)) {
      return el("div", {}, outcome("expected and got", step.got, null, packets, here));
    }
    return el("div", { class: "both" },
      el("div", {}, outcome("expected", step.want, null, packets, false)),
      el("div", {}, outcome("got", step.got, step.want, packets, here, step.silent)));
  }
  function outcome(title, told, against, packets, bad, silent) {
    const says = told ? told.says : silent ? "no answer" : "not recorded";
    return [
      el("h4", { class: bad ? "bad" : null }, `${title}: `, el("b", {}, says)),
      told && told.rows.length > 0 && table(told.rows),
      told && told.packets.map((one, number) => {
        const other = against && against.packets[number];
        return packet(packets[one.packet], other ? packets[other.packet] : null);
      }),
    ];
  }

  // ---------------------------------------------------------------------------------------------------- packets
  const ALWAYS_NEW = new Set(["iv", "ciphertext", "icv"]);
  const keyOf = (field) => `${field[2]}/${field[3]}`;
  const octetsOf = (told, field) => told.hex.slice(2 * field[0], 2 * field[1]);

  /** A packet as coloured octets with its fields below; where `other` is given, what differs from it is marked. */
  function packet(told, other) {
    const box = el("div", { class: "packet" });
    octetGrid(box, told, other, ALWAYS_NEW);
    told.fields.forEach((field) => {
      if (!field[5]) return;
      const twin = other && other.fields.find((one) => one[5] && keyOf(one) === keyOf(field));
      const inner = el("div", { class: "inner" }, el("p", {}, "decrypted"));
      octetGrid(inner, field[5], twin ? twin[5] : null, new Set());
      box.append(inner);
    });
    return box;
  }

  function octetGrid(box, told, other, unlike) {
    const fields = told.fields;
    const shown = told.hex.length / 2;
    const layer = (field) => index.layers[field[2]];
    const twins = new Map(other ? other.fields.map((field) => [keyOf(field), field]) : []);
    const twin = (field) => twins.get(keyOf(field));
    const judged = (field) => other && !unlike.has(layer(field));
    const says = (field) => judged(field) && (!twin(field) || twin(field)[4] !== field[4]);
    const differs = (field, at) => judged(field)
      && (!twin(field) || octetsOf(other, twin(field)).slice(2 * at, 2 * at + 2) !== octetsOf(told, field).slice(2 * at, 2 * at + 2));

    const grid = el("div", { class: "octets", "aria-hidden": "true" });
    const cells = fields.map(() => []);
    const total = `${plural(told.size, "octet")}, ${plural(fields.length, "field")}`;
    const saying = el("summary", { class: "saying" }, total);
    const lines = fields.map((field, number) => el("tr",
      { tabindex: "0", class: says(field) ? "other" : null, onfocus: () => light(number), onblur: () => light(-1),
        onmouseenter: () => light(number), onmouseleave: () => light(-1) },
      el("td", {}, el("span", { class: `swatch L-${layer(field)}` })),
      el("th", { scope: "row" }, field[3]), el("td", { class: "mono" }, field[4])));
    let number = 0;
    for (let at = 0; at < shown; at += 1) {
      if (at % 16 === 0) grid.append(el("i", {}, at.toString(16).padStart(4, "0")));
      while (number < fields.length - 1 && at >= fields[number][1]) number += 1;
      const field = fields[number];
      const octet = el("span", {
        class: `L-${layer(field)}${at === field[0] && at % 16 ? " edge" : ""}${differs(field, at - field[0]) ? " other" : ""}`,
        title: `${field[3]}: ${field[4]}`, "data-field": number,
      }, told.hex.slice(2 * at, 2 * at + 2));
      cells[number].push(octet);
      grid.append(octet);
    }
    function light(which) {
      cells.forEach((octets, one) => octets.forEach((octet) => octet.classList.toggle("on", one === which)));
      lines.forEach((row, one) => row.classList.toggle("on", one === which));
      if (which < 0) saying.replaceChildren(total);
      else saying.replaceChildren(el("b", {}, fields[which][3]), ` ${fields[which][4]}`);
    }
    grid.addEventListener("mouseover", (event) => {
      const of = event.target.dataset.field;
      light(of === undefined ? -1 : Number(of));
    });
    grid.addEventListener("mouseleave", () => light(-1));
    box.append(grid);
    if (shown < told.size) box.append(el("p", { class: "note" }, `and ${told.size - shown} more octets, in the files`));
    box.append(el("details", { class: "fields", open: fields.some(says) }, saying, el("table", { class: "plain" }, lines)));
  }

  // ------------------------------------------------------------------------------------------------------- start
  window.addEventListener("beforeprint", () => {
    for (const one of document.querySelectorAll("details")) one.open = true;
  });
  apply();
  const [id, run] = decodeURIComponent(location.hash.slice(1)).split("@");
  if (id && index.requirements[id]) {
    const known = run !== undefined && index.runs[Number(run)] ? Number(run) : null;
    open(id, known);
    const row = byId(id);
    if (row) { row.hidden = false; row.parentElement.hidden = false; row.scrollIntoView({ block: "center" }); }
  }
})();
