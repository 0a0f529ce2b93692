// The branding of the visitors' pages, with these pages beside the form.
import { useState } from "preact/hooks";
import { Problem } from "../../../sdk/problem";
import { useI18n } from "../../i18n/admin";
import { contrast, parse, readableOn } from "../../shared/appearance";
import type { Api, Seen } from "../api";
import { ChangedMeanwhile, fieldError } from "../problem";
import type { Appearance, AppearancePatch, OperatorEvent } from "../schemas";
import { BrandingPreview } from "./branding-preview";
import { ConflictNotice } from "./conflict";
import { dataUrl, fitImage } from "./fit-image";
import { ActionOutcome, useAction } from "./use-action";

/** 48 KiB as a `data:` URL. */
const MAX_IMAGE_BYTES = 36 * 1_024 - 64;
const MAX_PICTURE_WIDTH = 1_200;
const IMAGE_TYPES = ["image/png", "image/jpeg", "image/webp"];
/** The theme's colours, which apply unless the event has its own. */
const DEFAULTS = { accent: "#34418f", background: "#f6f5f1" };
/** The minimum contrast of WCAG 2.2 AA. */
const READABLE = 4.5;

type Part = keyof Appearance;
const PARTS: Part[] = ["logo", "picture", "accent", "background", "message"];

interface BrandingFormProps {
  api: Api;
  event: OperatorEvent;
  changed: () => void;
}

export function BrandingForm({ api, event, changed }: BrandingFormProps) {
  const { t } = useI18n();
  const action = useAction();
  const [saved, setSaved] = useState<Seen<Appearance>>({ revision: event.appearance_revision, value: event.appearance ?? {} });
  const [appearance, setAppearance] = useState<Appearance>(saved.value);
  const set = (part: Part, value: string) => setAppearance((before) => ({ ...before, [part]: value }));
  const patch: AppearancePatch = Object.fromEntries(
    PARTS.filter((part) => (appearance[part] ?? "") !== (saved.value[part] ?? "")).map((part) => [part, appearance[part] ?? ""]),
  );

  function take(revision: string, value: Appearance): void {
    setSaved({ revision, value });
    setAppearance(value);
  }

  async function save(seen = saved): Promise<void> {
    const done = await action.run(async () => {
      const { revision, appearance } = await api.updateAppearance(event.event_id, patch, seen);
      take(revision, appearance);
      return t.applied;
    });
    if (done) changed();
  }

  const reject = (part: Part, message: string) => action.reject(new Problem(422, "INVALID_REQUEST", message, undefined, part));

  async function chooseLogo(file: File): Promise<void> {
    if (file.size > MAX_IMAGE_BYTES) return reject("logo", t.branding.logoTooBig);
    set("logo", await dataUrl(file));
  }

  async function choosePicture(file: File): Promise<void> {
    const picture = await fitImage(file, MAX_IMAGE_BYTES, MAX_PICTURE_WIDTH);
    if (picture) set("picture", picture);
    else reject("picture", t.branding.pictureUnreadable);
  }

  async function chooseImage(part: "logo" | "picture", file: File | undefined): Promise<void> {
    if (!file) return;
    action.clear();
    if (!IMAGE_TYPES.includes(file.type)) return reject(part, t.branding.logoKind);
    await (part === "logo" ? chooseLogo(file) : choosePicture(file));
  }

  const { problem } = action;
  return (
    <section aria-labelledby="appearance">
      <h2 id="appearance">{t.branding.title}</h2>
      <div class="branding">
        <form class="card" onSubmit={(submitted) => (submitted.preventDefault(), void save())} aria-labelledby="appearance">
          {(["logo", "picture"] as const).map((part) => (
            <div class="image" key={part}>
              <label>
                {t.branding[part]} <small>{part === "logo" ? t.branding.logoHint : t.branding.pictureHint}</small>
                <input type="file" accept={IMAGE_TYPES.join(",")} data-testid={part} onChange={({ currentTarget }) => void chooseImage(part, currentTarget.files?.[0])} />
                <span class="error">{fieldError(problem, part)}</span>
              </label>
              {appearance[part] && (
                <button type="button" class="quiet" onClick={() => set(part, "")}>
                  {part === "logo" ? t.branding.removeLogo : t.branding.removePicture}
                </button>
              )}
            </div>
          ))}
          <div class="fields">
            {(["accent", "background"] as const).map((part) => (
              <label key={part}>
                {t.branding[part]}
                <input type="color" value={appearance[part] || DEFAULTS[part]} data-testid={part} onInput={({ currentTarget }) => set(part, currentTarget.value)} />
              </label>
            ))}
          </div>
          <ContrastWarning accent={appearance.accent} />
          <label>
            {t.branding.greeting}
            <input type="text" maxLength={280} value={appearance.message ?? ""} data-testid="greeting" onInput={({ currentTarget }) => set("message", currentTarget.value)} />
          </label>
          <div class="buttons">
            <button type="submit" disabled={action.busy || Object.keys(patch).length === 0} data-testid="save-look">
              {action.busy ? t.applying : t.branding.save}
            </button>
            {PARTS.some((part) => appearance[part]) && (
              <button type="button" class="quiet" onClick={() => setAppearance({})}>
                {t.branding.reset}
              </button>
            )}
          </div>
          <ActionOutcome action={action} />
          {problem instanceof ChangedMeanwhile && (
            <ConflictNotice
              conflict={problem.conflict}
              wanted={patch}
              overwrite={() => void save({ revision: problem.conflict.revision, value: problem.conflict.current as Appearance })}
              keep={() => (take(problem.conflict.revision, problem.conflict.current as Appearance), action.clear())}
            />
          )}
        </form>
        <BrandingPreview event={event} appearance={appearance} />
      </div>
    </section>
  );
}

/** The visitors' pages darken an accent that is hard to read: the operator should know the colour that they will see. */
function ContrastWarning({ accent }: { accent: string | undefined }) {
  const { t, f } = useI18n();
  const [colour, white] = [parse(accent), parse("#ffffff")!];
  const ratio = colour ? contrast(colour, white) : READABLE;
  const hex = (rgb: number[]) => `#${rgb.map((part) => part.toString(16).padStart(2, "0")).join("")}`;

  return (
    <p class="notice contrast" role="status" data-testid="contrast">
      {colour && ratio < READABLE && t.branding.contrast(f.whole(Math.floor(ratio * 10) / 10), hex(readableOn(colour, [white])))}
    </p>
  );
}
