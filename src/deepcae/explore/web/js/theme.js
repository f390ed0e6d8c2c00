// Before the page is painted: light or dark as the reader last chose it, else as the system says.
try {
  const theme = localStorage.getItem('deepcae.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // A browser that keeps nothing follows the system.
}
