// How the visitors' pages look, with a preview.
import { useState } from "preact/hooks";
import type { Api } from "../api";
import { Refusal } from "../refusal";
import type { Look, LookPatch, Operated } from "../resources";
import { useWords } from "../words/words";
import { Outcome, useDoing } from "./doing";

/** 48 KiB as text. */
const MAX_LOGO_BYTES = 36 * 1_024 - 64;
const KINDS = ["image/png", "image/jpeg", "image/webp"];
/** What the pages have by themselves, where nothing is chosen. */
const PLAIN = { accent: "#34418f", background: "#f6f5f1" };

type Part = keyof Look;
const PARTS: Part[] = ["logo", "accent", "background", "message"];

interface LookEditorProps {
  api: Api;
  event: Operated;
  changed: () => void;
}

export function LookEditor({ api, event, changed }: LookEditorProps) {
  const { t } = useWords();
  const doing = useDoing();
  const [saved, setSaved] = useState<Look>(event.appearance ?? {});
  const [look, setLook] = useState<Look>(saved);
  const set = (part: Part, value: string) => setLook({ ...look, [part]: value });
  const patch: LookPatch = Object.fromEntries(
    PARTS.filter((part) => (look[part] ?? "") !== (saved[part] ?? "")).map((part) => [part, look[part] ?? ""]),
  );
  async function save(submitted: Event): Promise<void> {
    submitted.preventDefault();
    const done = await doing.run(async () => (await api.dress(event.event_id, patch), t.applied));
    if (done) (setSaved(look), changed());
  }
  async function choose(file: File | undefined): Promise<void> {
    if (!file) return;
    if (!KINDS.includes(file.type)) return doing.refuse(new Refusal(422, "INVALID_REQUEST", t.look.logoKind, "logo"));
    if (file.size > MAX_LOGO_BYTES) return doing.refuse(new Refusal(422, "INVALID_REQUEST", t.look.logoTooBig, "logo"));
    set("logo", await dataUrl(file));
  }
  return (
    <form class="card" onSubmit={(submitted) => void save(submitted)} aria-labelledby="look">
      <h2 id="look">{t.look.title}</h2>
      <label>
        {t.look.logo} <small>{t.look.logoHint}</small>
        <input type="file" accept={KINDS.join(",")} data-testid="logo" onChange={({ currentTarget }) => void choose(currentTarget.files?.[0])} />
        <span class="trouble">{doing.refusal?.about("logo")}</span>
      </label>
      {look.logo && (
        <button type="button" class="quiet" onClick={() => set("logo", "")}>
          {t.look.removeLogo}
        </button>
      )}
      <div class="fields">
        {(["accent", "background"] as const).map((part) => (
          <label key={part}>
            {t.look[part]}
            <input type="color" value={look[part] || PLAIN[part]} data-testid={part} onInput={({ currentTarget }) => set(part, currentTarget.value)} />
          </label>
        ))}
      </div>
      <label>
        {t.look.greeting}
        <input type="text" maxLength={280} value={look.message ?? ""} data-testid="greeting" onInput={({ currentTarget }) => set("message", currentTarget.value)} />
      </label>
      <Preview look={look} name={event.name} />
      <div class="buttons">
        <button type="submit" disabled={doing.busy || Object.keys(patch).length === 0} data-testid="save-look">
          {t.look.save}
        </button>
        {PARTS.some((part) => look[part]) && (
          <button type="button" class="quiet" onClick={() => setLook({})}>
            {t.look.plain}
          </button>
        )}
      </div>
      <Outcome doing={doing} />
    </form>
  );
}

function Preview({ look, name }: { look: Look; name: string }) {
  const { t } = useWords();
  const ground = look.background || PLAIN.background;
  const accent = look.accent || PLAIN.accent;
  return (
    <div class="preview" role="img" aria-label={t.look.preview} style={{ background: ground, color: readable(ground) }}>
      {look.logo && <img src={look.logo} alt="" />}
      <strong>{name}</strong>
      {look.message && <span>{look.message}</span>}
      <span class="button" style={{ background: accent, borderColor: accent, color: readable(accent) }}>
        {t.look.join}
      </span>
    </div>
  );
}

/** Black or white, whichever is easier to read on the colour (ITU-R BT.601 luma). */
function readable(colour: string): string {
  const [red = 0, green = 0, blue = 0] = (colour.match(/[\da-f]{2}/gi) ?? []).map((pair) => Number.parseInt(pair, 16));
  return red * 0.299 + green * 0.587 + blue * 0.114 > 150 ? "#000000" : "#ffffff";
}

function dataUrl(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}
