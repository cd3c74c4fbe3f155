/** Light or dark: as the system has it, unless somebody chose. */

export type Theme = "light" | "dark";

const KEY = "outpour-console-theme";
const EVENT = "themechange";

export function currentTheme(): Theme {
  return chosen() ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

export function applyTheme(): void {
  document.documentElement.dataset["theme"] = currentTheme();
  document.dispatchEvent(new Event(EVENT));
}

export function chooseTheme(theme: Theme): void {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Without storage the choice lasts as long as the page.
    document.documentElement.dataset["chosen"] = theme;
  }
  applyTheme();
}

/** Follows the system, and tells of every change of colours. */
export function onThemeChange(listener: () => void): () => void {
  document.addEventListener(EVENT, listener);
  return () => document.removeEventListener(EVENT, listener);
}

export function followSystemTheme(): void {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", applyTheme);
  applyTheme();
}

function chosen(): Theme | undefined {
  let kept: string | null | undefined = document.documentElement.dataset["chosen"];
  try {
    kept ??= localStorage.getItem(KEY);
  } catch {
    // As above.
  }
  return kept === "light" || kept === "dark" ? kept : undefined;
}

/** A colour of the style sheet. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
