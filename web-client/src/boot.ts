// Starts the visitors' page: loads its code, and if that fails says so and loads the page again. Each build serves this file under the
// same name, so that a page of one build starts at a server of another.

const PAUSE_MS = 2_000;
const MAX_PAUSE_MS = 30_000;
/** After this time without the page, the visitor is told that it is still loading. */
const SLOW_MS = 6_000;

const TEXTS = {
  en: {
    slow: "The page is loading slowly. It starts by itself; a place in line is kept.",
    failed: "The page could not be loaded completely. It tries again by itself; a place in line is kept.",
  },
  th: {
    slow: "หน้านี้กำลังโหลดช้า จะเริ่มเอง ที่ของคุณในคิวยังอยู่",
    failed: "โหลดหน้านี้ไม่ครบ กำลังลองใหม่เอง ที่ของคุณในคิวยังอยู่",
  },
};
const language = navigator.languages.map((tag) => tag.toLowerCase().split("-")[0]).find((tag) => tag === "th" || tag === "en");
const texts = TEXTS[language === "th" ? "th" : "en"];

function say(text: string): void {
  const starting = document.getElementById("starting");
  if (starting) starting.textContent = text;
}

const address = document.querySelector<HTMLLinkElement>("link[data-entry]")!.href;
const slow = setTimeout(() => say(texts.slow), SLOW_MS);
import(/* @vite-ignore */ address).then(
  () => clearTimeout(slow),
  () => {
    clearTimeout(slow);
    say(texts.failed);
    void loadAgain();
  },
);

/** A failed module stays failed in its document, so the document is loaded again, once a server answers with one. */
async function loadAgain(): Promise<void> {
  const failures = Number((history.state as { failures?: number } | null)?.failures ?? 0);
  history.replaceState({ failures: failures + 1 }, "");

  for (let attempt = failures; ; attempt++) {
    const pause = Math.min(MAX_PAUSE_MS, PAUSE_MS * 2 ** Math.min(attempt, 5));
    await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random() / 2)));
    const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(10_000) }).catch(() => undefined);
    if (answer?.ok) return location.reload();
  }
}

export {};
