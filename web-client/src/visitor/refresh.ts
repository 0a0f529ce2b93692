// Repeats a request while the page is visible; a hidden tab asks for nothing.

/** At most one request at a time; a failure is left to the next turn. */
export function refreshEvery(ms: number, request: () => Promise<void>): void {
  let underWay = false;
  setInterval(() => {
    if (underWay || document.visibilityState === "hidden") return;
    underWay = true;
    void request()
      .catch(() => {})
      .finally(() => (underWay = false));
  }, ms);
}
