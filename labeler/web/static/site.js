// Everything works without this file; it only saves looking again: numbers stay current, and a page that has been
// overtaken says so.
"use strict";
(() => {
  const EVERY_MS = 5000;
  const address = document.body.dataset.live;
  if (!address) return;
  const note = document.querySelector("[data-live-note]");
  const look = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(address, { headers: { Accept: "application/json" }, cache: "no-store" });
      if (answer.status === 401) {
        clearInterval(timer);
        return;
      }
      if (!answer.ok) return;
      const news = await answer.json();
      for (const element of document.querySelectorAll("[data-live-value]")) {
        const told = String(news[element.dataset.liveValue]);
        if (element.textContent !== told) element.textContent = told;
      }
      if (note && news.mark !== document.body.dataset.mark) note.hidden = false;
    } catch {
      // away for a moment; the next look may find it
    }
  };
  const timer = setInterval(look, EVERY_MS);
  document.addEventListener("visibilitychange", look);
})();
