// Makes an image small enough to be stored with the event: smaller in pixels and of lower quality, as far as needed.

const QUALITIES = [0.85, 0.7, 0.55, 0.4];
const SHRINK = 0.75;
const MIN_WIDTH = 160;

/** As a `data:` URL; undefined if it cannot be read or made so small. */
export async function fitImage(file: File, maxBytes: number, maxWidth: number): Promise<string | undefined> {
  const image = await createImageBitmap(file).catch(() => undefined);
  if (!image) return undefined;

  for (let width = Math.min(maxWidth, image.width); width >= Math.min(MIN_WIDTH, image.width); width = Math.floor(width * SHRINK)) {
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = Math.max(1, Math.round((image.height * width) / image.width));
    canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);

    for (const quality of QUALITIES) {
      const blob = await encoded(canvas, quality);
      if (blob && blob.size <= maxBytes) return dataUrl(blob);
    }
  }
  return undefined;
}

/** Browsers without an encoder for WebP return PNG, which has no quality: JPEG is smaller for a picture. */
async function encoded(canvas: HTMLCanvasElement, quality: number): Promise<Blob | null> {
  const as = (type: string) => new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, type, quality));
  const webp = await as("image/webp");
  return webp?.type === "image/webp" ? webp : as("image/jpeg");
}

export function dataUrl(file: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}
