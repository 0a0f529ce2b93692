// The title of the tab while a view is mounted.
import { useEffect } from "preact/hooks";

export function useTitle(title: string): void {
  useEffect(() => void (document.title = title), [title]);
}
