// A ticket as a picture for a phone's photos or wallet: QR code, reference, event, time and place. It needs no network.
import { encode } from "uqr";

const WIDTH = 720;
const MARGIN = 56;
const QR_SIZE = 440;
const LINE_HEIGHT = 1.3;

export interface CardText {
  title: string;
  lines: string[];
  reference: string;
}

export async function ticketCard(code: string, { title, lines, reference }: CardText): Promise<Blob> {
  const rows = [
    ...wrapped(title, 40, 700),
    ...lines.filter(Boolean).flatMap((line) => wrapped(line, 28, 400)),
  ];
  const text = rows.reduce((height, { size }) => height + size * LINE_HEIGHT, 0);
  const canvas = document.createElement("canvas");
  canvas.width = WIDTH;
  canvas.height = Math.ceil(MARGIN + text + MARGIN + QR_SIZE + 90);

  const pen = canvas.getContext("2d")!;
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = "#000";
  pen.textAlign = "center";

  let y = MARGIN;
  for (const { line, size, weight } of rows) {
    y += size * LINE_HEIGHT;
    pen.font = font(size, weight);
    pen.fillText(line, WIDTH / 2, y - size * 0.3);
  }

  drawQr(pen, code, (WIDTH - QR_SIZE) / 2, y + MARGIN / 2);
  pen.font = font(36, 700);
  pen.fillText(reference, WIDTH / 2, y + MARGIN / 2 + QR_SIZE + 52);
  return new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture"))), "image/png"));
}

function font(size: number, weight: number): string {
  return `${weight} ${size}px system-ui, sans-serif`;
}

/** Lines that fit: broken at spaces, or within a word that is too long, as Thai and Japanese texts are. */
function wrapped(text: string, size: number, weight: number): { line: string; size: number; weight: number }[] {
  const pen = document.createElement("canvas").getContext("2d")!;
  pen.font = font(size, weight);
  const fits = (line: string) => pen.measureText(line).width <= WIDTH - 2 * MARGIN;
  const lines: string[] = [];
  let line = "";

  for (const word of text.split(/(?<= )/)) {
    if (fits((line + word).trimEnd())) {
      line += word;
      continue;
    }
    if (line) lines.push(line);
    line = "";
    for (const letter of word) {
      if (!fits(line + letter)) lines.push(line), (line = "");
      line += letter;
    }
  }
  return [...lines, line].map((line) => ({ line: line.trim(), size, weight }));
}

function drawQr(pen: CanvasRenderingContext2D, code: string, left: number, top: number): void {
  const { data, size } = encode(code, { ecc: "M", border: 2 });
  // Whole pixels, so that modules have no seams.
  const module = Math.floor(QR_SIZE / size);
  const offset = (QR_SIZE - module * size) / 2;
  data.forEach((row, y) => {
    row.forEach((dark, x) => {
      if (dark) pen.fillRect(Math.floor(left + offset) + x * module, Math.floor(top + offset) + y * module, module, module);
    });
  });
}
