"use strict";
/* Comfort only: without this file every page works. Theme, calendar, and nothing else. */
(() => {
  const KEY = "ksc-ledger-theme";
  const root = document.documentElement;

  const airflowTheme = () => {
    try {
      const page = window.parent.document.documentElement;
      if (window.parent === window) return null;
      if (page.classList.contains("dark")) return "dark";
      if (page.classList.contains("light")) return "light";
    } catch {
      return null; // framed by a page that is not ours to look at
    }
    return null;
  };
  const wanted = () =>
    localStorage.getItem(KEY) ||
    airflowTheme() ||
    (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  const apply = () => {
    root.dataset.theme = wanted();
  };
  apply();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
  if (window.parent !== window && airflowTheme()) {
    new MutationObserver(apply).observe(window.parent.document.documentElement, {
      attributeFilter: ["class"],
    });
  }

  const button = document.getElementById("giao-dien");
  if (button) {
    button.hidden = false;
    button.addEventListener("click", () => {
      localStorage.setItem(KEY, root.dataset.theme === "dark" ? "light" : "dark");
      apply();
    });
  }

  const open = document.getElementById("mo-lich");
  const picker = document.getElementById("lich");
  const text = document.getElementById("ngay");
  if (open && picker && text && picker.showPicker) {
    open.hidden = false;
    open.addEventListener("click", () => picker.showPicker());
    picker.addEventListener("change", () => {
      const [year, month, day] = picker.value.split("-");
      if (day) {
        text.value = `${day}/${month}/${year}`;
        text.form.requestSubmit();
      }
    });
  }
})();
