"use strict";
// Takes a picture from the clipboard, or one that is dropped, as if it had been chosen. Without this script pictures can
// still be chosen from a file.
(() => {
  const form = document.getElementById("scan");
  const input = document.getElementById("picture");
  if (!form || !input) return;

  const take = (files) => {
    const picture = [...(files ?? [])].find((file) => /^image\/(png|jpeg)$/.test(file.type));
    if (!picture) return false;
    const chosen = new DataTransfer();
    chosen.items.add(picture);
    input.files = chosen.files;
    form.requestSubmit();
    return true;
  };

  document.addEventListener("paste", (event) => {
    if (take(event.clipboardData?.files)) event.preventDefault();
  });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    take(event.dataTransfer?.files);
  });
  for (const hint of document.querySelectorAll("[data-paste]")) hint.hidden = false;
})();
