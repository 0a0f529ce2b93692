// Storage that is blocked, full or missing does not stop the page.
import { expect, test } from "vitest";
import { GuardedStorage } from "./guarded-storage";

/** As a browser's storage, with room for `room` values. */
function storageOf(room: number) {
  const content = new Map<string, string>();
  return {
    content,
    get length() {
      return content.size;
    },
    key: (index: number) => [...content.keys()][index] ?? null,
    getItem: (key: string) => content.get(key) ?? null,
    removeItem: (key: string) => void content.delete(key),
    setItem(key: string, value: string) {
      if (!content.has(key) && content.size >= room) throw new DOMException("full", "QuotaExceededError");
      content.set(key, value);
    },
    clear: () => content.clear(),
  };
}

test("keeps values in the storage if it works", () => {
  const storage = storageOf(9);
  const guarded = new GuardedStorage(() => storage);
  guarded.setItem("a", "1");
  expect([storage.content.get("a"), guarded.getItem("a"), guarded.keys(), guarded.isMemoryOnly]).toEqual(["1", "1", ["a"], false]);
  guarded.removeItem("a");
  expect([guarded.getItem("a"), guarded.keys()]).toEqual([null, []]);
});

test.each([
  ["blocked", () => { throw new DOMException("denied", "SecurityError"); }],
  ["missing", () => undefined as unknown as Storage],
])("keeps values in memory if the storage is %s", (_, open) => {
  const guarded = new GuardedStorage(open);
  expect(guarded.isMemoryOnly).toBe(true);
  guarded.setItem("a", "1");
  expect([guarded.getItem("a"), guarded.keys()]).toEqual(["1", ["a"]]);
  guarded.removeItem("a");
  expect(guarded.getItem("a")).toBeNull();
});

test("keeps the newest value in memory if the storage is full, and says so", () => {
  const storage = storageOf(1);
  const guarded = new GuardedStorage(() => storage);
  guarded.setItem("a", "1");
  expect(guarded.isMemoryOnly).toBe(false);
  guarded.setItem("b", "2");
  expect([guarded.getItem("b"), guarded.isMemoryOnly, storage.content.has("b")]).toEqual(["2", true, false]);
  storage.setItem = () => { throw new DOMException("full", "QuotaExceededError"); };
  guarded.setItem("a", "3");
  expect([guarded.getItem("a"), storage.content.has("a")], "no old value stays behind").toEqual(["3", false]);
});
