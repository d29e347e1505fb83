"use strict";
// Keeps a part of the page up to date: the server sends the part as the page shows it. Without this script the page still
// works; it shows what was so when it was loaded.
(() => {
  const countdowns = () => {
    for (const place of document.querySelectorAll("[data-expires]")) {
      const left = Math.max(0, Math.ceil((Number(place.dataset.expires) - Date.now()) / 1000));
      const text = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
      place.textContent = left > 0 ? `, ${text} left` : ", over";
      place.classList.toggle("soon", left <= 20);
    }
  };

  const replace = (part, html) => {
    // What somebody is typing must not be lost.
    const active = document.activeElement;
    const typing = part.contains(active) && active.id ? { id: active.id, value: active.value } : null;
    part.innerHTML = html;
    const again = typing && document.getElementById(typing.id);
    if (again) {
      if (typing.value !== undefined) again.value = typing.value;
      again.focus();
    }
    const announce = document.getElementById("announce");
    const says = part.querySelector("[data-announce]");
    if (announce && says && announce.textContent !== says.dataset.announce) {
      announce.textContent = says.dataset.announce;
    }
    countdowns();
  };

  const part = document.querySelector("[data-live]");
  if (part) {
    const events = new EventSource(part.dataset.live);
    events.addEventListener("fragment", (event) => replace(part, event.data));
    window.addEventListener("pagehide", () => events.close());
    // Coming back by the browser's button shows the page as it was left.
    window.addEventListener("pageshow", (event) => event.persisted && window.location.reload());
  }
  countdowns();
  window.setInterval(countdowns, 1000);
})();
