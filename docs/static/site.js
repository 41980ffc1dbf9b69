/* What scrolls can be reached by keyboard, captions of the navigation say their level, and its two sides their names. */
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("article pre, .table-wrapper").forEach((part) => part.setAttribute("tabindex", "0"));
  document.querySelectorAll("p.caption[role=heading]").forEach((part) => part.setAttribute("aria-level", "2"));
  document.querySelector(".sidebar-drawer")?.setAttribute("aria-label", "All pages");
  document.querySelector(".toc-drawer")?.setAttribute("aria-label", "On this page");
});
