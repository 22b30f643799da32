// Before anything is painted, so that a dark page does not flash.
try {
  const theme = localStorage.getItem("elva-theme");
  if (theme) document.documentElement.dataset.theme = theme;
} catch {
  // storage is forbidden: the system's choice holds
}
