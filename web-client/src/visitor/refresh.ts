// Repeats a request while the page is visible; a hidden tab sends none.

/** Runs max one request at a time. After a failure, the next interval tries again. */
export function refreshEvery(ms: number, request: () => Promise<void>): void {
  let inProgress = false;
  setInterval(() => {
    if (inProgress || document.visibilityState === "hidden") return;
    inProgress = true;
    void request()
      .catch(() => {})
      .finally(() => (inProgress = false));
  }, ms);
}
