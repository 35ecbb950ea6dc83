// SPDX-License-Identifier: GPL-2.0-or-later
// Shows only the images that the form, or the page's address (?arch=arm64&role=cloud), asks for.
// Without it the page has all images, by release.
"use strict";

(() => {
  const form = document.getElementById("filter");
  const found = document.getElementById("found");
  const releases = document.getElementById("releases");
  const sections = [...document.querySelectorAll(".release")];
  const cards = [...document.querySelectorAll(".card")];

  // What a field's value must be for a card; a release is also known without its distribution.
  const matches = {
    q: (card, value) => value.split(/\s+/).every((word) => card.text.includes(word)),
    distro: ({ data }, value) => data.distro === value,
    release: ({ data }, value) =>
      [data.release, `${data.distro}-${data.release}`].includes(value),
    role: ({ data }, value) =>
      value === "none" ? data.role === "" : data.role.split(" ").includes(value),
    arch: ({ data }, value) => data.arch === value,
    format: ({ data }, value) => data.format.split(" ").includes(value),
  };

  const facts = new Map(
    cards.map((card) => [
      card,
      {
        data: card.dataset,
        text: `${card.id.slice(2)} ${card.querySelector("h3").textContent}`.toLowerCase(),
      },
    ]),
  );

  function wanted() {
    return [...new FormData(form)]
      .map(([name, value]) => [name, value.trim()])
      .filter(([name, value]) => value !== "" && name in matches)
      .map(([name, value]) => [name, name === "q" ? value.toLowerCase() : value]);
  }

  function show() {
    const all = wanted();
    let shown = 0;
    for (const card of cards) {
      const fits = all.every(([name, value]) => matches[name](facts.get(card), value));
      card.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    for (const section of sections) {
      section.hidden = !section.querySelector(".card:not([hidden])");
      section.querySelector(".glance").hidden = all.length > 0;
    }
    releases.hidden = all.length > 0;
    found.textContent =
      all.length === 0 ? "" : shown === 0 ? "No image is like this." : `${shown} of ${cards.length} images`;
    return all;
  }

  function changed() {
    const query = new URLSearchParams(show()).toString();
    history.replaceState(null, "", query ? `?${query}` : location.pathname);
  }

  function fill() {
    for (const [name, value] of new URLSearchParams(location.search)) {
      const field = name in matches ? form.elements.namedItem(name) : null;
      if (field === null) continue;
      field.value = value;
      // What no image has must find none, and be seen to be asked for.
      if (field.value !== value) {
        field.add(new Option(value, value));
        field.value = value;
      }
    }
  }

  form.addEventListener("input", changed);
  form.addEventListener("submit", (event) => event.preventDefault());
  // The fields are empty only after the event.
  form.addEventListener("reset", () => setTimeout(changed));
  fill();
  show();
  form.hidden = false;
})();
