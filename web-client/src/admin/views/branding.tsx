// The branding of the visitors' pages, with a preview.
import { useState } from "preact/hooks";
import { Problem } from "../../../sdk/problem";
import { useI18n } from "../../i18n/admin";
import type { Api } from "../api";
import { fieldError } from "../problem";
import type { Appearance, AppearancePatch, OperatorEvent } from "../schemas";
import { ActionOutcome, useAction } from "./use-action";

/** 48 KiB as a `data:` URL. */
const MAX_LOGO_BYTES = 36 * 1_024 - 64;
const LOGO_TYPES = ["image/png", "image/jpeg", "image/webp"];
/** The theme's colours, which apply unless the event has its own. */
const DEFAULTS = { accent: "#34418f", background: "#f6f5f1" };

type Part = keyof Appearance;
const PARTS: Part[] = ["logo", "accent", "background", "message"];

interface BrandingFormProps {
  api: Api;
  event: OperatorEvent;
  changed: () => void;
}

export function BrandingForm({ api, event, changed }: BrandingFormProps) {
  const { t } = useI18n();
  const action = useAction();
  const [saved, setSaved] = useState<Appearance>(event.appearance ?? {});
  const [appearance, setAppearance] = useState<Appearance>(saved);
  const set = (part: Part, value: string) => setAppearance({ ...appearance, [part]: value });
  const patch: AppearancePatch = Object.fromEntries(
    PARTS.filter((part) => (appearance[part] ?? "") !== (saved[part] ?? "")).map((part) => [part, appearance[part] ?? ""]),
  );

  async function save(submitted: Event): Promise<void> {
    submitted.preventDefault();
    const done = await action.run(async () => (await api.updateAppearance(event.event_id, patch), t.applied));
    if (done) (setSaved(appearance), changed());
  }

  async function chooseLogo(file: File | undefined): Promise<void> {
    if (!file) return;
    if (!LOGO_TYPES.includes(file.type)) return action.reject(new Problem(422, "INVALID_REQUEST", t.branding.logoKind, undefined, "logo"));
    if (file.size > MAX_LOGO_BYTES) return action.reject(new Problem(422, "INVALID_REQUEST", t.branding.logoTooBig, undefined, "logo"));
    set("logo", await dataUrl(file));
  }

  return (
    <form class="card" onSubmit={(submitted) => void save(submitted)} aria-labelledby="appearance">
      <h2 id="appearance">{t.branding.title}</h2>
      <label>
        {t.branding.logo} <small>{t.branding.logoHint}</small>
        <input type="file" accept={LOGO_TYPES.join(",")} data-testid="logo" onChange={({ currentTarget }) => void chooseLogo(currentTarget.files?.[0])} />
        <span class="error">{fieldError(action.problem, "logo")}</span>
      </label>
      {appearance.logo && (
        <button type="button" class="quiet" onClick={() => set("logo", "")}>
          {t.branding.removeLogo}
        </button>
      )}
      <div class="fields">
        {(["accent", "background"] as const).map((part) => (
          <label key={part}>
            {t.branding[part]}
            <input type="color" value={appearance[part] || DEFAULTS[part]} data-testid={part} onInput={({ currentTarget }) => set(part, currentTarget.value)} />
          </label>
        ))}
      </div>
      <label>
        {t.branding.greeting}
        <input type="text" maxLength={280} value={appearance.message ?? ""} data-testid="greeting" onInput={({ currentTarget }) => set("message", currentTarget.value)} />
      </label>
      <Preview appearance={appearance} name={event.name} />
      <div class="buttons">
        <button type="submit" disabled={action.busy || Object.keys(patch).length === 0} data-testid="save-look">
          {t.branding.save}
        </button>
        {PARTS.some((part) => appearance[part]) && (
          <button type="button" class="quiet" onClick={() => setAppearance({})}>
            {t.branding.reset}
          </button>
        )}
      </div>
      <ActionOutcome action={action} />
    </form>
  );
}

function Preview({ appearance, name }: { appearance: Appearance; name: string }) {
  const { t } = useI18n();
  const ground = appearance.background || DEFAULTS.background;
  const accent = appearance.accent || DEFAULTS.accent;

  return (
    <div class="preview" role="img" aria-label={t.branding.preview} style={{ background: ground, color: readable(ground) }}>
      {appearance.logo && <img src={appearance.logo} alt="" />}
      <strong>{name}</strong>
      {appearance.message && <span>{appearance.message}</span>}
      <span class="button" style={{ background: accent, borderColor: accent, color: readable(accent) }}>
        {t.branding.join}
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
