// Runs before the first paint: theme and language as chosen last, else as the system and the browser say.
(function () {
  var root = document.documentElement;
  var theme = null;
  var language = null;
  try {
    theme = localStorage.getItem('wocloud.theme');
    language = localStorage.getItem('wocloud.language');
  } catch {
    // Storage may be forbidden; the system's choice then stands.
  }
  var dark = theme === 'dark' || (theme !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  root.classList.toggle('pf-v6-theme-dark', dark);
  root.lang = language || (/^zh/i.test(navigator.language) ? 'zh-CN' : 'en');
})();
